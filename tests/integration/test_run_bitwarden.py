"""The whole path: real OpenLDAP and real Active Directory, the real command line, a Bitwarden organization over TLS.

The organization is not empty: people and groups were made by hand before, and go on being made. Check, dry run, run,
run again; damage by hand on both sides; plan, run, in step again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.emulators.bitwarden import Account, BitwardenEmulator, Group, Member, Status
from tests.integration.world import Corner, World, changes
from tests.servers import ldif
from tests.servers.samba_ad import SambaAD
from tests.servers.slapd import BASE, Slapd

UNITS = itertools.count()
EVERYBODY = "(|(objectClass=person)(objectClass=group))"
PEOPLE = ("ana", "bo", "cee", "dan", "eve", "fay", "gus", "hal")
GROUPS = {"Staff": PEOPLE, "Ops": ("ana", "bo", "cee"), "Vault-All": ("ana", "bo", "cee", "dan")}
GUEST, OWNER = "guest@elsewhere.example", "owner@example.org"
IMPORT = "POST /public/organization/import"


def address(name: str) -> str:
    return f"{name}@example.org"


# -------------------------------------------------------------------------------------------------------- the two sides


@dataclass(frozen=True)
class Office:
    """The organization in the terms of its administrators, who work in it by hand."""

    emulator: BitwardenEmulator

    def member(self, email: str) -> Member:
        member = self.emulator.state.member_by_known_email(email)
        assert member is not None, f"nobody has {email}"
        return member

    def group(self, name: str) -> Group:
        (group,) = [group for group in self.emulator.state.groups.values() if group.name == name]
        return group

    def before_the_first_run(self) -> None:
        """A guest whom no directory knows; bo, whom it knows; a group that is wanted, and one that is not."""
        state = self.emulator.state
        guest, bo = state.enrol(GUEST), state.enrol(address("bo"))
        state.add_group("Ops", [guest])
        state.add_group("Board", [self.member(OWNER), bo, guest])

    def accept(self, *names: str) -> None:
        """These accept their invitations and are confirmed."""
        for name in names:
            account = self.emulator.state.put_account(Account(email=address(name)))
            self._change(name, status=Status.CONFIRMED, user_id=account.id)

    def revoke(self, name: str) -> None:
        self._change(name, status=Status.REVOKED, status_before=self.member(address(name)).status)

    def rename(self, group: str, new: str) -> None:
        self.emulator.state.put_group(replace(self.group(group), name=new))

    def put_in(self, group: str, email: str) -> None:
        id_ = self.group(group).id
        self.emulator.state.set_members(id_, self.emulator.state.members_of(id_) | {self.member(email).id})

    def take_out(self, group: str, email: str) -> None:
        id_ = self.group(group).id
        assert self.member(email).id in self.emulator.state.members_of(id_)
        self.emulator.state.set_members(id_, self.emulator.state.members_of(id_) - {self.member(email).id})

    def groups(self) -> dict[str, set[str]]:
        """Addresses of members by name of group."""
        state = self.emulator.state
        return {
            group.name: {state.email_of(state.members[id_]) for id_ in state.members_of(group.id)}
            for group in state.groups.values()
        }

    def statuses(self) -> dict[str, Status]:
        """Statuses by address."""
        state = self.emulator.state
        return {state.email_of(member): member.status for member in state.members.values()}

    def mails(self, kind: str) -> Counter[str]:
        """How many mails of one kind each address got."""
        return Counter(mail.to for mail in self.emulator.mails if mail.kind == kind)

    def writes(self) -> Counter[str]:
        """Requests that write, since the emulator began."""
        calls = self.emulator.calls.items()
        return Counter({c: n for c, n in calls if not c.startswith("GET ") and c != "POST /connect/token"})

    def _change(self, name: str, **fields: object) -> None:
        self.emulator.state.change_member(self.member(address(name)).id, **fields)


@pytest.fixture
def office() -> Iterator[Office]:
    with BitwardenEmulator() as emulator:
        office = Office(emulator)
        office.before_the_first_run()
        yield office


def fill(corner: Corner) -> None:
    """The company, loaded into the live server."""
    corner.server.add(
        "".join(
            [
                ldif.ou(f"ou=Moved,{corner.base}"),
                *map(corner.person, PEOPLE),
                corner.group("Staff", PEOPLE),
                corner.group("Ops", GROUPS["Ops"]),
                corner.group("Vault-All", ["dan"], ["Ops"]),
            ]
        )
    )


def configure(corner: Corner, world: World, office: Office, **settings: int) -> None:
    """Write the configuration; ``settings`` are more keys of the organization."""
    # World looks for what is in *.password in every output
    secret = world.folder / "organization.password"
    secret.write_text(office.emulator.client_secret)
    organization = {**office.emulator.organization, "client_secret": {"file": str(secret)}, **settings}
    where = {"base": corner.base}
    world.configure({"hq": corner.server}, {"users": where, "groups": where}, organization=organization)


# ------------------------------------------------------------------------------------------------------------ the tests


@pytest.mark.slapd
def test_openldap_to_bitwarden(slapd: Callable[..., Slapd], office: Office, tmp_path: Path) -> None:
    base = f"ou=Bitwarden,{BASE}"
    corner = Corner(slapd(ldif.ou(base), overlays=["ppolicy"]), base)
    fill(corner)
    from_the_first_check_to_the_last(corner, World(tmp_path), office)


@pytest.mark.samba
def test_active_directory_to_bitwarden(samba: SambaAD, office: Office, tmp_path: Path) -> None:
    corner = Corner(samba, samba.unit(f"Bitwarden {next(UNITS)}"))
    try:
        fill(corner)
        from_the_first_check_to_the_last(corner, World(tmp_path), office)
    finally:
        # the names of accounts are taken in the whole domain
        samba.delete(*(dn for dn, _ in samba.search(EVERYBODY, ["1.1"], base=corner.base)))


def from_the_first_check_to_the_last(corner: Corner, world: World, office: Office) -> None:
    # the state alone is believed about memberships, until somebody says --verify
    configure(corner, world, office, verify_groups_per_run=0)
    first_run(world, office)
    damage_the_directory(corner)
    damage_the_organization(office)
    repair(corner, world, office)
    after_the_repair(office)
    somebody_put_into_a_group_unseen(corner, world, office)
    a_membership_that_only_reading_shows(corner, world, office)
    assert office.mails("invite") == Counter(address(name) for name in PEOPLE if name != "bo"), "nobody twice"


def first_run(world: World, office: Office) -> None:
    world.dirsync("check")
    members = [("add_membership", address(name), group) for group, names in GROUPS.items() for name in names]
    invitations = [("invite", address(name)) for name in PEOPLE if name != "bo"]
    groups = [("create_group", "Staff"), ("adopt_group", "Ops"), ("create_group", "Vault-All")]
    expected = Counter([("adopt", address("bo")), *invitations, *groups, *members])
    dry = world.document("run", "--dry-run")
    assert changes(dry) == expected
    assert (dry["complete"], dry["dry_run"], dry["held"], dry["problems"]) == (True, True, [], [])
    assert changes(world.document("plan", "--exit-code", code=10)) == expected
    assert not office.writes()
    assert not office.emulator.mails
    report = world.document("run")
    assert changes(report) == expected
    assert report["outcome"] == {"applied": expected.total(), "failed": 0, "skipped": 0, "failures": []}
    assert office.groups() == {
        **{group: set(map(address, names)) for group, names in GROUPS.items()},
        "Ops": {GUEST, *map(address, GROUPS["Ops"])},
        "Board": {OWNER, GUEST, address("bo")},
    }
    written = office.writes()
    world.dirsync("check")
    assert world.dirsync("run").out.startswith("Nothing to do")
    world.dirsync("plan", "--exit-code", "--verify")
    assert office.writes() == written


def damage_the_directory(corner: Corner) -> None:
    corner.fire("hal")
    corner.disable("gus")
    corner.move("bo", f"ou=Moved,{corner.base}", "bo.married", ["Staff", "Ops"])
    corner.modify("eve", "replace", "mail", "eve.new@example.org")
    corner.leave("Ops", "cee")
    corner.join("Vault-All", "eve")
    corner.rename_group("Staff", "Everybody")


def damage_the_organization(office: Office) -> None:
    office.accept("ana", "cee", "dan", "eve", "hal")
    office.revoke("ana")
    office.revoke("fay")
    office.take_out("Vault-All", address("dan"))
    office.rename("Ops", "Operations")
    office.put_in("Staff", GUEST)


def repair(corner: Corner, world: World, office: Office) -> None:
    seen = Counter(
        [
            ("revoke", address("gus")),
            ("revoke", address("hal")),
            ("restore", address("ana")),
            ("restore", address("fay")),
            ("rename_group", "Everybody"),
            ("rename_group", "Ops"),
            ("remove_membership", address("cee"), "Ops"),
            ("remove_membership", address("cee"), "Vault-All"),
            ("add_membership", address("eve"), "Vault-All"),
        ]
    )
    all_ = seen + Counter([("add_membership", address("dan"), "Vault-All")])
    before = office.writes(), office.groups(), office.statuses()
    world.dirsync("check")
    assert changes(world.document("plan", "--exit-code", code=10)) == seen
    plan = world.document("plan", "--exit-code", "--verify", code=10)
    assert changes(plan) == all_
    (problem,) = plan["problems"]
    assert problem["entry"].lower() == corner.dn("eve").lower()
    assert "eve.new@example.org in the directory and eve@example.org in the organization" in problem["why"]
    assert (office.writes(), office.groups(), office.statuses()) == before
    report = world.document("run", "--verify")
    assert changes(report) == all_
    assert report["outcome"] == {"applied": all_.total(), "failed": 0, "skipped": 0, "failures": []}
    world.in_step()
    world.dirsync("plan", "--exit-code", "--verify")
    world.dirsync("check")


def after_the_repair(office: Office) -> None:
    assert office.groups() == {
        # revoked, and their groups kept; made by hand, and theirs as well
        "Everybody": {GUEST, *map(address, PEOPLE)},
        "Ops": {GUEST, address("ana"), address("bo")},
        "Vault-All": set(map(address, ("ana", "bo", "dan", "eve"))),
        "Board": {OWNER, GUEST, address("bo")},
    }
    assert office.statuses() == {
        **dict.fromkeys((OWNER, GUEST, *map(address, ("ana", "bo", "cee", "dan", "eve"))), Status.CONFIRMED),
        address("fay"): Status.INVITED,
        **{address(name): Status.REVOKED for name in ("gus", "hal")},
    }
    by_hand = {email for email in (OWNER, GUEST) if office.member(email).external_id is None}
    assert by_hand == {OWNER, GUEST}
    # the link of an invitation dies with the revocation
    assert office.mails("reinvite") == Counter([address("fay")])


def somebody_put_into_a_group_unseen(corner: Corner, world: World, office: Office) -> None:
    """The state knows nothing of the guest in the group whose members change: an import would throw the guest out."""
    office.put_in("Vault-All", GUEST)
    corner.leave("Vault-All", "eve")
    assert changes(world.document("run")) == Counter([("remove_membership", address("eve"), "Vault-All")])
    assert office.groups()["Vault-All"] == {GUEST, *map(address, ("ana", "bo", "dan"))}


def a_membership_that_only_reading_shows(corner: Corner, world: World, office: Office) -> None:
    """The state knows who is in a group; what was done by hand since is seen when the group's turn to be read comes."""
    before = office.groups()
    office.take_out("Everybody", address("cee"))
    damaged, written = office.groups(), office.writes()
    assert world.dirsync("run").out.startswith("Nothing to do")
    assert (office.groups(), office.writes()) == (damaged, written)
    lost = Counter([("add_membership", address("cee"), "Everybody")])
    configure(corner, world, office, verify_groups_per_run=1)
    seen = [changes(world.document("run")) for _ in before]
    assert sum(seen, Counter()) == lost, "each group had its turn"
    assert office.groups() == before
    world.in_step()
