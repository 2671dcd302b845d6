"""The main job on each real server: dry run, run, run again; damage by hand on both sides; run, in step again."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.world import INVITED, REVOKED, Corner, World, changes
from tests.servers import ldif
from tests.servers.server import DirectoryServer
from tests.servers.slapd import BASE, Slapd

UNITS = itertools.count()
EVERYBODY = "(|(objectClass=person)(objectClass=group)(objectClass=groupOfNames))"
PEOPLE = ("ana", "bo", "cee", "dan", "eve", "fay", "gus", "hal")
GROUPS = {"Staff": PEOPLE, "Ops": ("ana", "bo", "cee"), "Vault-All": ("ana", "bo", "cee", "dan")}


def address(name: str) -> str:
    return f"{name}@example.org"


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


@pytest.fixture(
    params=[
        pytest.param("slapd", marks=pytest.mark.slapd),
        pytest.param("samba", marks=pytest.mark.samba),
        pytest.param("ds389", marks=pytest.mark.ds389),
    ]
)
def corner(request: pytest.FixtureRequest) -> Iterator[Corner]:
    """The company in a corner of each of the three servers."""
    if request.param == "slapd":
        start: Callable[..., Slapd] = request.getfixturevalue("slapd")
        corner = Corner(start(ldif.ou(f"ou=Lifecycle,{BASE}"), overlays=["ppolicy"]), f"ou=Lifecycle,{BASE}")
    else:
        server: DirectoryServer = request.getfixturevalue(request.param)
        corner = Corner(server, server.unit(f"Lifecycle {next(UNITS)}"))  # type: ignore[attr-defined]  # both session servers have it
    fill(corner)
    yield corner
    if request.param != "slapd":
        # the names of accounts are taken in the whole domain
        corner.server.delete(*(dn for dn, _ in corner.server.search(EVERYBODY, ["1.1"], base=corner.base)))


@pytest.fixture
def world(corner: Corner, tmp_path: Path) -> World:
    world = World(tmp_path)
    where = {"base": corner.base}
    world.configure({"hq": corner.server}, {"users": where, "groups": where})
    return world


def test_from_an_empty_organization_through_damage_on_both_sides(corner: Corner, world: World) -> None:
    first_sync(world)
    damage_the_directory(corner)
    damage_the_organization(world)
    expected = Counter(
        [
            ("revoke", address("gus")),
            ("revoke", address("hal")),
            ("restore", address("ana")),
            ("rename_group", "Everybody"),
            ("rename_group", "Ops"),
            ("remove_membership", address("cee"), "Ops"),
            ("remove_membership", address("cee"), "Vault-All"),
            ("add_membership", address("dan"), "Vault-All"),
        ]
    )
    before = world.org.read_bytes()
    plan = world.document("plan", "--exit-code", code=10)
    assert changes(plan) == expected
    (problem,) = plan["problems"]
    assert problem["entry"].lower() == corner.dn("eve").lower()
    assert "eve.new@example.org in the directory and eve@example.org in the organization" in problem["why"]
    assert world.org.read_bytes() == before
    report = world.document("run")
    assert changes(report) == expected
    assert report["outcome"] == {"applied": 8, "failed": 0, "skipped": 0, "failures": []}
    world.in_step()
    after_the_repair(world)
    they_come_back(corner, world)


def first_sync(world: World) -> None:
    dry = world.document("run", "--dry-run")
    memberships = [("add_membership", address(name), group) for group, names in GROUPS.items() for name in names]
    groups = [("create_group", group) for group in GROUPS]
    assert changes(dry) == Counter([*(("invite", address(name)) for name in PEOPLE), *groups, *memberships])
    assert (dry["complete"], dry["dry_run"], dry["held"], dry["problems"]) == (True, True, [], [])
    assert not world.org.exists()
    world.dirsync("plan", "--exit-code", code=10)
    world.dirsync("run")
    members = world.members()
    assert {email for email in members if members[email].key} == set(map(address, PEOPLE))
    for name in PEOPLE:
        ours = tuple(sorted(group for group, names in GROUPS.items() if name in names))
        assert (members[address(name)].status, members[address(name)].groups) == (INVITED, ours)
    assert world.mails() == Counter(map(address, PEOPLE))
    assert world.dirsync("run").out.startswith("Nothing to do")
    world.dirsync("plan", "--exit-code")


def damage_the_directory(corner: Corner) -> None:
    corner.fire("hal")
    corner.disable("gus")
    corner.move("bo", f"ou=Moved,{corner.base}", "bo.married", ["Staff", "Ops"])
    corner.modify("eve", "replace", "mail", "eve.new@example.org")
    corner.leave("Ops", "cee")
    corner.rename_group("Staff", "Everybody")


def damage_the_organization(world: World) -> None:
    with world.by_hand() as api:
        api.revoke(world.member_id(address("ana")))
        vault, dan = world.group_id("Vault-All"), world.member_id(address("dan"))
        api.put_group_member_ids(vault, [m for m in api.group_member_ids(vault) if m != dan])
        ops = world.group_id("Ops")
        api.put_group(ops, {"name": "Operations", "externalId": api.group(ops)["externalId"]})


def after_the_repair(world: World) -> None:
    members = world.members()
    assert set(world.groups()) == {"Everybody", "Ops", "Vault-All"}
    statuses = {name: members[address(name)].status for name in PEOPLE}
    assert statuses == {name: REVOKED if name in ("gus", "hal") else INVITED for name in PEOPLE}
    assert members[address("bo")].groups == ("Everybody", "Ops", "Vault-All")
    assert members[address("cee")].groups == ("Everybody",)
    assert members[address("dan")].groups == ("Everybody", "Vault-All")
    assert members[address("hal")].groups == ("Everybody",), "revoked, and their groups kept"
    assert max(world.mails().values()) == 1


def they_come_back(corner: Corner, world: World) -> None:
    """Somebody is unlocked; somebody else is created again and gets a new id, and is not a second member."""
    old = world.members()[address("hal")].key
    corner.enable("gus")
    corner.hire("hal")
    if corner.server.kind == "samba":
        corner.join("Everybody", "hal")
    plan = world.document("plan", "--exit-code", code=10)
    assert changes(plan) == Counter(
        [("restore", address("gus")), ("rekey", address("hal")), ("restore", address("hal"))]
    )
    world.dirsync("run")
    world.in_step()
    members = world.members()
    assert members[address("hal")].key != old
    assert {members[address(name)].status for name in PEOPLE} == {INVITED}
    assert world.mails() == Counter(map(address, PEOPLE))


def test_an_emptied_unit_and_a_wrong_base_take_nothing_away(corner: Corner, world: World) -> None:
    world.dirsync("run")
    before = world.org.read_bytes()
    world.change(users={"base": f"OU=Nowhere,{corner.base}"})
    # 389-ds answers a paged search below nothing with success: then nobody can see the base, and the read is incomplete
    if corner.server.kind == "ds389":
        assert f"'OU=Nowhere,{corner.base}'" in world.dirsync("run", code=6).out
    else:
        assert "hq: users: noSuchObject" in world.dirsync("run", code=1).err
    world.change(users={"base": f"ou=Moved,{corner.base}"})
    assert "hq shrank from 8 to 0 users" in world.dirsync("run", code=3).out
    world.change(users={"base": corner.base})
    corner.fire(*PEOPLE)
    done = world.dirsync("run", code=3)
    assert "hq shrank from 8 to 0 users" in done.out
    assert "check base, filter and rights" in done.out
    assert world.org.read_bytes() == before
