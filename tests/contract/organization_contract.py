"""What every organization kind that speaks Bitwarden's public API must do.

A kind joins with one class and one fixture::

    class TestLocalOrganization(OrganizationContract):
        @pytest.fixture
        def serve(self, tmp_path): return lambda seed: Hosted(organization=..., by_hand=...)

``serve(seed)`` starts an organization with this seed (the JSON of ``organization.seed``). ``by_hand`` is its public
API, used to do what an administrator does behind our back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from dirconnector.model import Current, Member, MemberType, OrgGroup, Status, no_progress
from dirconnector.organizations import Call, Organization
from dirconnector.organizations.endpoints import Endpoints
from dirconnector.organizations.routes import IMPORT
from dirconnector.plan.model import Action, Change, Outcome

Seed = dict[str, Any]

SEED: Seed = {
    "seats": 20,
    "members": [
        {"email": "olga@example.org", "type": "owner"},
        {"email": "adam@example.org", "externalId": "k-adam", "type": "admin"},
        {"email": "ana@example.org", "externalId": "k-ana", "collections": 2},
        {"email": "ben@example.org", "externalId": "k-ben"},
        {"email": "cleo@example.org", "name": "Cleo by hand"},
        {"email": "Dora@Example.org", "name": "Dora by hand"},
        {"email": "eve@example.org", "externalId": "k-eve", "status": "revoked"},
        {"email": "fay@example.org", "externalId": "k-fay", "status": "invited"},
    ],
    "groups": [
        {"name": "Engineering", "externalId": "g-eng", "members": ["ana@example.org", "eve@example.org"]},
        {
            "name": "Mixed",
            "externalId": "g-mix",
            "members": ["ben@example.org", "cleo@example.org", "Dora@Example.org"],
        },
        {"name": "Vault", "externalId": "g-vault", "members": ["ana@example.org"], "collections": 2},
        {"name": "Hand", "members": ["cleo@example.org", "ben@example.org"], "collections": 1},
    ],
}


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """An organization under test."""

    organization: Organization
    by_hand: Endpoints


Serve = Callable[[Seed], Hosted]


@dataclass
class MemoryJournal:
    """A journal in memory: ``[call, digest, result]``; the result is None while the call is open."""

    records: list[list[Any]] = field(default_factory=list)

    def begin(self, call: Call, digest: str) -> int:
        self.records.append([call, digest, None])
        return len(self.records) - 1

    def end(self, number: int, result: str) -> None:
        self.records[number][2] = result

    @property
    def endpoints(self) -> Counter[str]:
        return Counter(call.endpoint for call, _, _ in self.records)


@dataclass
class MemoryLedger:
    """A ledger in memory."""

    known: dict[str, frozenset[str]] = field(default_factory=dict)
    managed_members: dict[str, Member] = field(default_factory=dict)
    managed_groups: dict[str, OrgGroup] = field(default_factory=dict)

    def memberships(self) -> Mapping[str, frozenset[str]]:
        return dict(self.known)

    def verified(self, memberships: Mapping[str, frozenset[str]]) -> None:
        for group_id in memberships:
            self.known.pop(group_id, None)
        self.known.update(memberships)

    def sent(self, memberships: Mapping[str, frozenset[str]]) -> None:
        self.known = {**memberships, **self.known}

    def forget(self, groups: Collection[str]) -> None:
        for group_id in groups:
            self.known.pop(group_id, None)

    def open_since(self, endpoint: str) -> float | None:
        return None

    def members(self) -> tuple[Member, ...]:
        return tuple(self.managed_members.values())

    def groups(self) -> tuple[OrgGroup, ...]:
        return tuple(self.managed_groups.values())

    def remember(self, members: Iterable[Member] = (), groups: Iterable[OrgGroup] = ()) -> None:
        self.managed_members |= {member.id: member for member in members}
        self.managed_groups |= {group.id: group for group in groups}

    def drop(self, groups: Collection[str]) -> None:
        for group_id in groups:
            self.managed_groups.pop(group_id, None)


class Subject:
    """An organization with the words that the tests need."""

    def __init__(self, hosted: Hosted) -> None:
        self.organization = hosted.organization
        self.by_hand = hosted.by_hand
        self.ledger = MemoryLedger()
        self.journal = MemoryJournal()

    def read(self) -> Current:
        return self.organization.read(self.ledger, verify=True, progress=no_progress)

    def apply(self, *changes: Change, current: Current | None = None) -> Outcome:
        """Apply to what was read, or to what is there now; the journal starts afresh."""
        self.journal = MemoryJournal()
        return self.organization.apply(
            changes, current or self.read(), journal=self.journal, ledger=self.ledger, progress=no_progress
        )

    def member(self, email: str) -> Member:
        return {m.email.lower(): m for m in self.read().members.values()}[email]

    def group(self, name: str) -> OrgGroup:
        return {g.name: g for g in self.read().groups.values()}[name]

    def emails_in(self, name: str) -> set[str]:
        current = self.read()
        (group,) = [g for g in current.groups.values() if g.name == name]
        return {current.members[i].email.lower() for i in group.members}

    # changes, as a plan makes them

    def person(self, action: Action, email: str, key: str = "", before: str = "") -> Change:
        member = {m.email.lower(): m for m in self.read().members.values()}.get(email)
        return Change(
            action,
            key or (member.key if member else ""),
            member.email if member else email,
            "",
            "for a test",
            member_id=member.id if member else "",
            before=before,
        )

    def groups(self, action: Action, name: str, key: str = "", *, was: str = "", before: str = "") -> Change:
        group = {g.name: g for g in self.read().groups.values()}.get(was or name)
        key = key or (group.key if group else "")
        group_id = group.id if group and action is not Action.CREATE_GROUP else ""
        return Change(action, key, "", name, "for a test", group_key=key, group_id=group_id, before=before)

    def membership(self, action: Action, email: str, group: Change | str, key: str = "") -> Change:
        of_person = self.person(action, email, key)
        of_group = group if isinstance(group, Change) else self.groups(action, group)
        return of_person._replace(group=of_group.group, group_key=of_group.group_key, group_id=of_group.group_id)


def invite(key: str, email: str) -> Change:
    """An invitation."""
    return Change(Action.INVITE, key, email, "", "for a test")


def applied(outcome: Outcome, number: int) -> bool:
    """True when exactly this many changes were applied and nothing else happened."""
    return (outcome.applied, outcome.skipped, outcome.failures) == (number, 0, ())


def writes(counts: Mapping[str, int]) -> dict[str, int]:
    """The requests that write."""
    return {endpoint: n for endpoint, n in counts.items() if n and not endpoint.startswith("GET ")}


class OrganizationContract:
    """Inherit, and give the fixture ``serve``."""

    @pytest.fixture
    def serve(self) -> Serve:
        raise NotImplementedError

    @pytest.fixture
    def subject(self, serve: Serve) -> Subject:
        return Subject(serve(SEED))

    # ---------------------------------------------------------------------------------------------------- reading

    def test_reads_what_is_there(self, subject: Subject) -> None:
        current = subject.read()
        assert current.organization == subject.organization.name
        members = {m.email.lower(): (m.key, m.status, m.type) for m in current.members.values()}
        assert members == {
            "olga@example.org": ("", Status.CONFIRMED, MemberType.OWNER),
            "adam@example.org": ("k-adam", Status.CONFIRMED, MemberType.ADMIN),
            "ana@example.org": ("k-ana", Status.CONFIRMED, MemberType.USER),
            "ben@example.org": ("k-ben", Status.CONFIRMED, MemberType.USER),
            "cleo@example.org": ("", Status.CONFIRMED, MemberType.USER),
            "dora@example.org": ("", Status.CONFIRMED, MemberType.USER),
            "eve@example.org": ("k-eve", Status.REVOKED, MemberType.USER),
            "fay@example.org": ("k-fay", Status.INVITED, MemberType.USER),
        }
        groups = {g.name: (g.key, g.collections) for g in current.groups.values()}
        assert groups == {"Engineering": ("g-eng", 0), "Mixed": ("g-mix", 0), "Vault": ("g-vault", 2), "Hand": ("", 1)}
        assert subject.emails_in("Mixed") == {"ben@example.org", "cleo@example.org", "dora@example.org"}
        assert all(key == member.id for key, member in current.members.items())

    def test_reading_twice_gives_the_same(self, subject: Subject) -> None:
        assert subject.read() == subject.read()

    def test_check_finds_it_in_order(self, subject: Subject) -> None:
        findings = list(subject.organization.check())
        assert findings
        assert [finding for finding in findings if not finding.ok] == []

    def test_nothing_to_do_makes_no_call(self, subject: Subject) -> None:
        before = subject.read()
        assert subject.apply() == Outcome()
        assert subject.journal.records == []
        assert subject.read() == before
        assert subject.organization.forecast((), before).requests == {}

    # ----------------------------------------------------------------------------------------------------- people

    def test_invite(self, subject: Subject) -> None:
        assert applied(subject.apply(invite("k-gil", "Gil@example.org")), 1)
        gil = subject.member("gil@example.org")
        assert (gil.key, gil.status, gil.type) == ("k-gil", Status.INVITED, MemberType.USER)

    def test_adopt_keeps_everything_but_the_key(self, subject: Subject) -> None:
        before = subject.member("cleo@example.org")
        assert applied(subject.apply(subject.person(Action.ADOPT, "cleo@example.org", "k-cleo")), 1)
        after = subject.member("cleo@example.org")
        assert (after.key, after.id, after.status) == ("k-cleo", before.id, before.status)
        assert subject.journal.endpoints == {IMPORT: 1}

    def test_adopt_somebody_whose_address_has_capitals(self, subject: Subject) -> None:
        """An import would skip her silently."""
        assert applied(subject.apply(subject.person(Action.ADOPT, "dora@example.org", "k-dora")), 1)
        assert subject.member("dora@example.org").key == "k-dora"

    def test_rekey_keeps_type_collections_and_groups(self, subject: Subject) -> None:
        before = subject.by_hand.member(subject.member("ana@example.org").id)
        assert len(before["collections"]) == 2
        assert applied(subject.apply(subject.person(Action.REKEY, "ana@example.org", "k-ana-2", "k-ana")), 1)
        assert subject.by_hand.member(before["id"]) == {**before, "externalId": "k-ana-2"}
        assert "ana@example.org" in subject.emails_in("Engineering")

    def test_rekey_to_a_key_somebody_else_has_is_refused_here(self, subject: Subject) -> None:
        """The server would take it, and from then on fail every import."""
        outcome = subject.apply(subject.person(Action.REKEY, "ana@example.org", "k-ben", "k-ana"))
        assert (outcome.applied, outcome.failed) == (0, 1)
        assert "ben@example.org" in outcome.failures[0].why
        assert subject.member("ana@example.org").key == "k-ana"

    def test_rekey_of_what_was_changed_meanwhile_is_refused(self, subject: Subject) -> None:
        change = subject.person(Action.REKEY, "ana@example.org", "k-new", "k-old")
        outcome = subject.apply(change)
        assert (outcome.applied, outcome.failed) == (0, 1)
        assert subject.member("ana@example.org").key == "k-ana"

    @pytest.mark.parametrize(
        ("email", "status"), [("ana@example.org", Status.CONFIRMED), ("fay@example.org", Status.INVITED)]
    )
    def test_revoke_and_restore_return_to_the_same_status(self, subject: Subject, email: str, status: Status) -> None:
        assert applied(subject.apply(subject.person(Action.REVOKE, email)), 1)
        assert subject.member(email).status is Status.REVOKED
        assert applied(subject.apply(subject.person(Action.RESTORE, email)), 1)
        assert subject.member(email).status is status

    def test_a_revoked_member_keeps_the_groups(self, subject: Subject) -> None:
        assert applied(subject.apply(subject.person(Action.REVOKE, "ana@example.org")), 1)
        assert "ana@example.org" in subject.emails_in("Engineering")
        assert "ana@example.org" in subject.emails_in("Vault")

    def test_remove(self, subject: Subject) -> None:
        assert applied(subject.apply(subject.person(Action.REMOVE, "ana@example.org")), 1)
        assert "ana@example.org" not in {m.email for m in subject.read().members.values()}
        assert subject.emails_in("Engineering") == {"eve@example.org"}

    def test_what_is_already_so_is_skipped(self, subject: Subject) -> None:
        current = subject.read()
        changes = [
            subject.person(Action.REVOKE, "ana@example.org"),
            subject.person(Action.RESTORE, "eve@example.org"),
            subject.person(Action.REMOVE, "ben@example.org"),
        ]
        subject.by_hand.revoke(changes[0].member_id)
        subject.by_hand.restore(changes[1].member_id)
        subject.by_hand.delete_member(changes[2].member_id)
        outcome = subject.apply(*changes, current=current)
        assert (outcome.applied, outcome.skipped, outcome.failures) == (0, 3, ())

    def test_the_last_owner_is_refused_and_the_rest_goes_on(self, subject: Subject) -> None:
        changes = [
            subject.person(Action.REMOVE, "olga@example.org"),
            subject.person(Action.REVOKE, "olga@example.org"),
            subject.person(Action.REVOKE, "ana@example.org"),
            invite("k-gil", "gil@example.org"),
        ]
        outcome = subject.apply(*changes)
        assert outcome.applied == 2
        assert [f.change for f in outcome.failures] == changes[:2]
        assert {f.why for f in outcome.failures} == {"Organization must have at least one confirmed owner."}
        assert subject.member("olga@example.org").status is Status.CONFIRMED
        assert subject.member("ana@example.org").status is Status.REVOKED
        assert subject.member("gil@example.org").key == "k-gil"

    def test_removal_comes_before_the_invitation_that_needs_the_address(self, subject: Subject) -> None:
        changes = [invite("k-ana-2", "ana@example.org"), subject.person(Action.REMOVE, "ana@example.org")]
        assert applied(subject.apply(*changes), 2)
        assert subject.member("ana@example.org").key == "k-ana-2"

    # ----------------------------------------------------------------------------------------------------- groups

    def test_create_a_group_with_old_and_new_people(self, subject: Subject) -> None:
        group = subject.groups(Action.CREATE_GROUP, "Sales", "g-sales")
        outcome = subject.apply(
            invite("k-gil", "gil@example.org"),
            group,
            subject.membership(Action.ADD_MEMBERSHIP, "gil@example.org", group, "k-gil"),
            subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", group),
        )
        assert applied(outcome, 4)
        assert subject.group("Sales").key == "g-sales"
        assert subject.emails_in("Sales") == {"gil@example.org", "ana@example.org"}
        assert subject.journal.endpoints == {IMPORT: 1}

    def test_create_a_group_with_people_adopted_by_the_same_import(self, subject: Subject) -> None:
        group = subject.groups(Action.CREATE_GROUP, "Sales", "g-sales")
        outcome = subject.apply(
            subject.person(Action.ADOPT, "cleo@example.org", "k-cleo"),
            group,
            subject.membership(Action.ADD_MEMBERSHIP, "cleo@example.org", group, "k-cleo"),
            subject.membership(Action.ADD_MEMBERSHIP, "cleo@example.org", "Engineering", "k-cleo"),
        )
        assert applied(outcome, 4)
        assert subject.emails_in("Sales") == {"cleo@example.org"}
        assert subject.emails_in("Engineering") == {"ana@example.org", "eve@example.org", "cleo@example.org"}
        assert subject.journal.endpoints == {IMPORT: 1}

    def test_create_a_group_for_somebody_without_a_key(self, subject: Subject) -> None:
        group = subject.groups(Action.CREATE_GROUP, "Sales", "g-sales")
        member = subject.membership(Action.ADD_MEMBERSHIP, "cleo@example.org", group, "k-unknown")
        assert applied(subject.apply(group, member), 2)
        assert subject.emails_in("Sales") == {"cleo@example.org"}
        assert subject.group("Sales").key == "g-sales"

    def test_adopt_a_group(self, subject: Subject) -> None:
        before = subject.by_hand.group(subject.group("Hand").id)
        adopt = subject.groups(Action.ADOPT_GROUP, "Hand", "g-hand")
        outcome = subject.apply(adopt, subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", adopt))
        assert applied(outcome, 2)
        assert subject.by_hand.group(before["id"]) == {**before, "externalId": "g-hand"}
        assert subject.emails_in("Hand") == {"cleo@example.org", "ben@example.org", "ana@example.org"}
        assert len(subject.read().groups) == 4

    def test_adopt_and_rename_a_group_in_one_call(self, subject: Subject) -> None:
        changes = [
            subject.groups(Action.ADOPT_GROUP, "Arm", "g-arm", was="Hand"),
            subject.groups(Action.RENAME_GROUP, "Arm", "g-arm", was="Hand", before="Hand"),
        ]
        assert applied(subject.apply(*changes), 2)
        assert (subject.group("Arm").key, subject.group("Arm").collections) == ("g-arm", 1)
        assert writes(subject.journal.endpoints) == {"PUT /public/groups/{id}": 1}

    def test_a_group_without_that_key_is_not_made_a_second_time(self, subject: Subject) -> None:
        """An import finds groups by key alone."""
        joins = subject.membership(Action.ADD_MEMBERSHIP, "fay@example.org", "Engineering")
        assert applied(subject.apply(joins._replace(group_key="g-other")), 1)
        assert "fay@example.org" in subject.emails_in("Engineering")
        assert subject.group("Engineering").key == "g-eng"

    def test_a_group_whose_adoption_fails_is_left_alone(self, subject: Subject) -> None:
        adopt = subject.groups(Action.ADOPT_GROUP, "Hand", "g-eng")
        outcome = subject.apply(adopt, subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", adopt))
        assert (outcome.applied, outcome.skipped, [f.change for f in outcome.failures]) == (0, 1, [adopt])
        assert subject.group("Hand").key == ""
        assert subject.emails_in("Engineering") == {"ana@example.org", "eve@example.org"}

    @pytest.mark.parametrize("name", ["Engineering", "Mixed", "Vault"])
    def test_rename_keeps_members_and_collections(self, subject: Subject, name: str) -> None:
        before, members = subject.group(name), subject.emails_in(name)
        assert applied(subject.apply(subject.groups(Action.RENAME_GROUP, "Renamed", was=name, before=name)), 1)
        after = subject.group("Renamed")
        assert (after.id, after.key, after.collections) == (before.id, before.key, before.collections)
        assert subject.emails_in("Renamed") == members

    def test_delete_a_group(self, subject: Subject) -> None:
        assert applied(subject.apply(subject.groups(Action.DELETE_GROUP, "Engineering")), 1)
        assert "Engineering" not in {g.name for g in subject.read().groups.values()}
        assert subject.member("ana@example.org").status is Status.CONFIRMED

    def test_a_group_that_grants_collections_is_never_deleted(self, subject: Subject) -> None:
        outcome = subject.apply(subject.groups(Action.DELETE_GROUP, "Vault"))
        assert (outcome.applied, outcome.failed) == (0, 1)
        assert "2 collections" in outcome.failures[0].why
        assert subject.journal.records == []
        assert subject.emails_in("Vault") == {"ana@example.org"}

    # ------------------------------------------------------------------------------------------------ memberships

    def test_memberships_are_exact(self, subject: Subject) -> None:
        outcome = subject.apply(
            subject.membership(Action.ADD_MEMBERSHIP, "ben@example.org", "Engineering"),
            subject.membership(Action.ADD_MEMBERSHIP, "fay@example.org", "Engineering"),
            subject.membership(Action.REMOVE_MEMBERSHIP, "ana@example.org", "Engineering"),
        )
        assert applied(outcome, 3)
        assert subject.emails_in("Engineering") == {"ben@example.org", "fay@example.org", "eve@example.org"}
        assert subject.emails_in("Vault") == {"ana@example.org"}

    def test_people_made_by_hand_survive_group_updates(self, subject: Subject) -> None:
        outcome = subject.apply(
            subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", "Mixed"),
            subject.membership(Action.REMOVE_MEMBERSHIP, "ben@example.org", "Mixed"),
        )
        assert applied(outcome, 2)
        assert subject.emails_in("Mixed") == {"ana@example.org", "cleo@example.org", "dora@example.org"}

    def test_people_made_by_hand_survive_beside_newly_invited_ones(self, subject: Subject) -> None:
        group = subject.groups(Action.RENAME_GROUP, "Mixture", was="Mixed", before="Mixed")
        outcome = subject.apply(
            invite("k-gil", "gil@example.org"),
            group,
            subject.membership(Action.ADD_MEMBERSHIP, "gil@example.org", group, "k-gil"),
        )
        assert applied(outcome, 3)
        assert subject.emails_in("Mixture") == {
            "ben@example.org", "cleo@example.org", "dora@example.org", "gil@example.org",
        }  # fmt: skip

    def test_adopted_people_stay_in_their_groups(self, subject: Subject) -> None:
        outcome = subject.apply(
            subject.person(Action.ADOPT, "cleo@example.org", "k-cleo"),
            subject.person(Action.ADOPT, "dora@example.org", "k-dora"),
            subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", "Mixed"),
        )
        assert applied(outcome, 3)
        assert subject.emails_in("Mixed") == {
            "ana@example.org", "ben@example.org", "cleo@example.org", "dora@example.org",
        }  # fmt: skip

    def test_rekeyed_people_stay_in_their_groups(self, subject: Subject) -> None:
        outcome = subject.apply(
            subject.person(Action.REKEY, "ana@example.org", "k-ana-2", "k-ana"),
            subject.membership(Action.ADD_MEMBERSHIP, "ben@example.org", "Engineering"),
        )
        assert applied(outcome, 2)
        assert subject.emails_in("Engineering") == {"ana@example.org", "ben@example.org", "eve@example.org"}

    # --------------------------------------------------------------------------------------------------- failures

    def test_a_silent_skip_shows_in_the_read_back(self, subject: Subject) -> None:
        current = subject.read()
        subject.by_hand.import_(members=[entry("gil@example.org", "k-other")], groups=[])
        outcome = subject.apply(invite("k-gil", "gil@example.org"), current=current)
        assert outcome.failed == 0
        assert subject.member("gil@example.org").key == "k-other"

    def test_a_silent_skip_is_noticed_before_groups_depend_on_it(self, subject: Subject) -> None:
        current = subject.read()
        subject.by_hand.import_(members=[entry("gil@example.org", "k-other")], groups=[])
        gil = invite("k-gil", "gil@example.org")
        joins = Change(
            Action.ADD_MEMBERSHIP,
            "k-gil",
            "gil@example.org",
            "Mixed",
            "for a test",
            "g-mix",
            "",
            subject.group("Mixed").id,
        )
        outcome = subject.apply(gil, joins, current=current)
        assert [f.change for f in outcome.failures] == [gil]
        assert outcome.skipped == 1
        assert subject.emails_in("Mixed") == {"ben@example.org", "cleo@example.org", "dora@example.org"}

    def test_an_address_that_is_taken_is_refused_here(self, subject: Subject) -> None:
        outcome = subject.apply(invite("k-new", "ana@example.org"), invite("k-gil", "gil@example.org"))
        assert (outcome.applied, outcome.failed) == (1, 1)
        assert "k-ana" in outcome.failures[0].why

    def test_what_would_reject_a_whole_import_fails_alone(self, subject: Subject) -> None:
        bad = [
            invite("k1", "no address"),
            invite("k2", f"{'x' * 250}@example.org"),
            invite("k" * 301, "longkey@example.org"),
            invite(" ", "nokey@example.org"),
            invite("k-gil-2", "GIL@example.org"),
            invite("k-gil", "gil2@example.org"),
            subject.groups(Action.CREATE_GROUP, "n" * 101, "g-long"),
            subject.groups(Action.CREATE_GROUP, "Long key", "g" * 301),
        ]
        outcome = subject.apply(invite("k-gil", "gil@example.org"), *bad)
        assert outcome.applied == 1
        assert {f.change for f in outcome.failures} == set(bad)
        assert subject.member("gil@example.org").key == "k-gil"
        assert len(subject.read().groups) == 4

    def test_memberships_of_people_and_groups_that_failed_are_skipped(self, subject: Subject) -> None:
        too_long = subject.groups(Action.CREATE_GROUP, "n" * 101, "g-long")
        good = subject.groups(Action.CREATE_GROUP, "Good", "g-good")
        outcome = subject.apply(
            invite("k-bad", "no address"),
            too_long,
            good,
            subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", too_long),
            subject.membership(Action.ADD_MEMBERSHIP, "no address", good, "k-bad"),
            subject.membership(Action.ADD_MEMBERSHIP, "ana@example.org", good),
        )
        assert (outcome.applied, outcome.skipped, outcome.failed) == (2, 2, 2)
        assert subject.emails_in("Good") == {"ana@example.org"}

    def test_a_bad_new_name_does_not_stop_the_memberships(self, subject: Subject) -> None:
        rename = subject.groups(Action.RENAME_GROUP, "n" * 101, was="Engineering", before="Engineering")
        joins = subject.membership(Action.ADD_MEMBERSHIP, "ben@example.org", "Engineering")
        outcome = subject.apply(rename, joins)
        assert (outcome.applied, [f.change for f in outcome.failures]) == (1, [rename])
        assert subject.emails_in("Engineering") == {"ana@example.org", "ben@example.org", "eve@example.org"}

    def test_one_external_id_on_two_members_is_named_before_any_import(self, serve: Serve) -> None:
        twin = {"email": "twin@example.org", "externalId": "k-ana"}
        subject = Subject(serve({**SEED, "members": [*SEED["members"], twin]}))
        outcome = subject.apply(invite("k-gil", "gil@example.org"), subject.person(Action.REVOKE, "ben@example.org"))
        assert (outcome.applied, outcome.failed) == (1, 1)
        assert "k-ana" in outcome.failures[0].why
        assert subject.journal.endpoints[IMPORT] == 0

    def test_removing_one_of_the_two_makes_imports_possible_again(self, serve: Serve) -> None:
        twin = {"email": "twin@example.org", "externalId": "k-ana"}
        subject = Subject(serve({**SEED, "members": [*SEED["members"], twin]}))
        changes = [invite("k-gil", "gil@example.org"), subject.person(Action.REMOVE, "twin@example.org")]
        assert applied(subject.apply(*changes), 2)
        assert (subject.member("ana@example.org").key, subject.member("gil@example.org").key) == ("k-ana", "k-gil")

    @pytest.mark.parametrize("email", ["cleo@example.org", "dora@example.org"])
    def test_adopting_under_a_key_somebody_else_has_is_refused_here(self, subject: Subject, email: str) -> None:
        outcome = subject.apply(subject.person(Action.ADOPT, email, "k-ben"), invite("k-gil", "gil@example.org"))
        assert (outcome.applied, outcome.failed) == (1, 1)
        assert "ben@example.org" in outcome.failures[0].why
        assert subject.member(email).key == ""

    def test_missing_seats_do_not_stop_groups(self, serve: Serve) -> None:
        subject = Subject(serve({**SEED, "seats": 7}))
        assert subject.read().seats_free == 0
        outcome = subject.apply(
            invite("k-gil", "gil@example.org"),
            subject.membership(Action.ADD_MEMBERSHIP, "gil@example.org", "Engineering", "k-gil"),
            subject.membership(Action.REMOVE_MEMBERSHIP, "ana@example.org", "Engineering"),
        )
        assert (outcome.applied, outcome.skipped, outcome.failed) == (1, 1, 1)
        assert "eat" in outcome.failures[0].why
        assert subject.emails_in("Engineering") == {"eve@example.org"}

    def test_revocations_free_seats_for_invitations(self, serve: Serve) -> None:
        subject = Subject(serve({**SEED, "seats": 7}))
        assert applied(
            subject.apply(invite("k-gil", "gil@example.org"), subject.person(Action.REVOKE, "ben@example.org")), 2
        )

    def test_a_restoration_without_a_seat_is_refused(self, serve: Serve) -> None:
        subject = Subject(serve({**SEED, "seats": 7}))
        outcome = subject.apply(subject.person(Action.RESTORE, "eve@example.org"))
        assert (outcome.applied, outcome.failed) == (0, 1)
        assert subject.member("eve@example.org").status is Status.REVOKED

    # ------------------------------------------------------------------------------------ convergence, cost, parts

    def everything(self, subject: Subject) -> list[Change]:
        """One change of every action, and memberships by both routes."""
        sales = subject.groups(Action.CREATE_GROUP, "Sales", "g-sales")
        return [
            subject.person(Action.REMOVE, "fay@example.org"),
            subject.person(Action.REVOKE, "ben@example.org"),
            subject.person(Action.REKEY, "ana@example.org", "k-ana-2", "k-ana"),
            subject.person(Action.ADOPT, "cleo@example.org", "k-cleo"),
            subject.person(Action.RESTORE, "eve@example.org"),
            invite("k-gil", "gil@example.org"),
            subject.groups(Action.ADOPT_GROUP, "Hand", "g-hand"),
            subject.groups(Action.RENAME_GROUP, "Engineers", was="Engineering", before="Engineering"),
            sales,
            subject.membership(Action.ADD_MEMBERSHIP, "gil@example.org", sales, "k-gil"),
            subject.membership(Action.ADD_MEMBERSHIP, "gil@example.org", "Mixed", "k-gil"),
            subject.membership(Action.REMOVE_MEMBERSHIP, "ana@example.org", "Engineering"),
            subject.membership(Action.REMOVE_MEMBERSHIP, "ana@example.org", "Vault"),
        ]

    def test_applying_twice_changes_nothing_more(self, subject: Subject) -> None:
        current = subject.read()
        changes = self.everything(subject)
        assert applied(subject.apply(*changes, current=current), len(changes))
        after = subject.read()
        again = subject.apply(*changes, current=current)
        assert again.failures == ()
        assert subject.read() == after

    def test_a_plan_continues_after_a_kill_at_any_call(self, serve: Serve) -> None:
        whole = Subject(serve(SEED))
        whole.apply(*self.everything(whole))
        calls, end = len(whole.journal.records), content(whole.read())
        assert calls > 5
        for number in range(calls):
            subject = Subject(serve(SEED))
            changes, current = self.everything(subject), subject.read()
            with pytest.raises(KeyboardInterrupt):
                subject.organization.apply(
                    changes, current, journal=MemoryJournal(), ledger=subject.ledger, progress=interrupt_at(number)
                )
            assert subject.apply(*changes, current=current).failures == ()
            assert content(subject.read()) == end

    def test_the_forecast_is_what_is_sent(self, subject: Subject) -> None:
        changes = self.everything(subject)
        forecast = subject.organization.forecast(changes, subject.read())
        assert applied(subject.apply(*changes), len(changes))
        assert writes(forecast.requests) == dict(subject.journal.endpoints)
        assert (forecast.mails, forecast.seats.needed, forecast.seats.freed) == (1, 2, 2)
        assert all(result == "ok" and digest for _, digest, result in subject.journal.records)

    @pytest.mark.parametrize(("people", "imports"), [(2000, 1), (2001, 2)])
    def test_imports_have_at_most_2000_people(self, serve: Serve, people: int, imports: int) -> None:
        subject = Subject(serve({**SEED, "seats": None}))
        changes = [invite(f"k-{i}", f"person{i}@example.org") for i in range(people)]
        forecast = subject.organization.forecast(changes, subject.read())
        assert applied(subject.apply(*changes), people)
        assert subject.journal.endpoints == {IMPORT: imports} == writes(forecast.requests)
        assert len(subject.read().members) == len(SEED["members"]) + people

    @pytest.mark.parametrize(("groups", "imports"), [(2000, 1), (2001, 2)])
    def test_imports_have_at_most_2000_groups(self, serve: Serve, groups: int, imports: int) -> None:
        subject = Subject(serve(SEED))
        ana = subject.member("ana@example.org")
        changes = [Change(Action.CREATE_GROUP, f"g-{i}", "", f"G{i}", "new", f"g-{i}") for i in range(groups)]
        changes += [
            Change(Action.ADD_MEMBERSHIP, ana.key, ana.email, f"G{i}", "new", f"g-{i}", ana.id) for i in range(groups)
        ]
        current = subject.read()
        assert applied(subject.apply(*changes, current=current), 2 * groups)
        assert subject.journal.endpoints == {IMPORT: imports}
        new = [g for g in subject.read().groups.values() if g.name.startswith("G")]
        assert len(new) == groups
        assert {g.members for g in new} == {frozenset({ana.id})}


def entry(email: str, key: str) -> dict[str, Any]:
    """A member of an import's document."""
    return {"email": email, "externalId": key, "deleted": False}


def interrupt_at(number: int) -> Callable[[str, int, int | None], None]:
    """A progress that presses Ctrl-C before this call."""

    def progress(phase: str, done: int, total: int | None) -> None:
        if phase == "apply" and done == number:
            raise KeyboardInterrupt

    return progress


def content(current: Current) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """What an organization holds, without the ids of what is new."""
    emails = {m.id: m.email for m in current.members.values()}
    members = {(m.email, m.key, m.status, m.type) for m in current.members.values()}
    groups: Iterable[OrgGroup] = current.groups.values()
    return members, {(g.name, g.key, g.collections, frozenset(emails[i] for i in g.members)) for g in groups}
