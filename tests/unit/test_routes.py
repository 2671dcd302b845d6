"""Changes to calls, and what they will cost: plain values in, plain values out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dirconnector.model import Current, Member, OrgGroup, Status
from dirconnector.organizations import Call
from dirconnector.organizations.routes import CLOUD, IMPORT, Pace, forecast, plan_calls
from dirconnector.plan.model import Action, Change

ADD, TAKE = Action.ADD_MEMBERSHIP, Action.REMOVE_MEMBERSHIP


def current(members: Iterable[Member] = (), groups: Iterable[OrgGroup] = (), seats: int | None = None) -> Current:
    return Current(
        organization="test", members={m.id: m for m in members}, groups={g.id: g for g in groups}, seats=seats
    )


def member(name: str, key: str = "", status: Status = Status.CONFIRMED) -> Member:
    return Member(id=f"id-{name}", email=f"{name}@example.org", key=key, status=status)


def group(name: str, *members: Member, key: str = "") -> OrgGroup:
    return OrgGroup(id=f"id-{name}", name=name, key=key or f"g-{name}", members=frozenset(m.id for m in members))


def on(action: Action, who: Member, key: str = "", before: str = "") -> Change:
    return Change(action, key or who.key, who.email, "", "because", member_id=who.id, before=before)


def invite(name: str) -> Change:
    return Change(Action.INVITE, f"k-{name}", f"{name}@example.org", "", "because")


def of_group(action: Action, which: OrgGroup, name: str = "") -> Change:
    return Change(action, which.key, "", name or which.name, "because", group_key=which.key, group_id=which.id)


def create(name: str) -> Change:
    return Change(Action.CREATE_GROUP, f"g-{name}", "", name, "because", group_key=f"g-{name}")


def in_group(action: Action, who: Member | Change, which: OrgGroup | Change) -> Change:
    member_id = who.id if isinstance(who, Member) else ""
    name, group_id = (which.name, which.id) if isinstance(which, OrgGroup) else (which.group, "")
    return Change(action, who.key, who.email, name, "because", which.key, member_id, group_id)


ANA, BEN, EVE = member("ana", "k-ana"), member("ben", "k-ben"), member("eve", "k-eve", Status.REVOKED)
HAND = member("hand")


def test_no_changes_no_calls() -> None:
    assert plan_calls([], current()) == ()
    assert forecast((), current(), ()).requests == {}


def test_the_order_is_safe_whatever_the_order_of_the_changes() -> None:
    hand_made, eng = group("hand", BEN), group("eng", ANA)
    changes = [
        of_group(Action.DELETE_GROUP, eng),
        in_group(ADD, invite("zoe"), create("new")),
        create("new"),
        invite("zoe"),
        on(Action.RESTORE, EVE),
        of_group(Action.ADOPT_GROUP, hand_made),
        on(Action.REKEY, BEN, "k-2", "k-ben"),
        on(Action.REVOKE, ANA),
        on(Action.REMOVE, HAND),
    ]
    calls = plan_calls(changes, current([ANA, BEN, EVE, HAND], [hand_made, eng]))
    assert [(call.endpoint, call.target) for call in calls] == [
        ("DELETE /public/members/{id}", "id-hand"),
        ("POST /public/members/{id}/revoke", "id-ana"),
        ("PUT /public/members/{id}", "id-ben"),
        ("PUT /public/groups/{id}", "id-hand"),
        ("POST /public/members/{id}/restore", "id-eve"),
        (IMPORT, ""),
        ("DELETE /public/groups/{id}", "id-eng"),
    ]
    assert sorted(change for call in calls for change in call.changes) == sorted(changes)


def test_people_and_groups_share_one_import() -> None:
    changes = [invite("zoe"), create("new"), in_group(ADD, invite("zoe"), create("new"))]
    assert plan_calls(changes, current()) == (Call(IMPORT, "", tuple(changes)),)


@pytest.mark.parametrize(("people", "parts"), [(1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_people_in_parts(people: int, parts: list[int]) -> None:
    changes = [invite(str(i)) for i in range(people)]
    calls = plan_calls(changes, current(), import_limit=3)
    assert [len(call.changes) for call in calls] == parts
    assert [change for call in calls for change in call.changes] == changes


def test_adoptions_come_before_invitations_that_may_lack_seats() -> None:
    calls = plan_calls([invite("1"), invite("2"), on(Action.ADOPT, HAND, "k-h")], current([HAND]), import_limit=2)
    assert [[c.action for c in call.changes] for call in calls] == [[Action.ADOPT, Action.INVITE], [Action.INVITE]]


def test_the_members_of_one_group_are_never_split() -> None:
    groups = [create(str(i)) for i in range(4)]
    joins = [in_group(ADD, ANA, which) for _ in range(5) for which in groups]
    calls = plan_calls([*groups, *joins], current([ANA]), import_limit=3)
    assert [len({change.group_key for change in call.changes}) for call in calls] == [3, 1]
    assert [len(call.changes) for call in calls] == [18, 6]


def test_more_than_one_part_of_either_keeps_people_before_groups() -> None:
    calls = plan_calls([create("new"), *(invite(str(i)) for i in range(4))], current(), import_limit=3)
    assert [{change.action for change in call.changes} for call in calls] == [
        {Action.INVITE},
        {Action.INVITE},
        {Action.CREATE_GROUP},
    ]


def test_a_group_with_somebody_made_by_hand_is_put_by_id() -> None:
    mixed = group("mixed", ANA, HAND)
    changes = [of_group(Action.RENAME_GROUP, mixed, "New name"), in_group(ADD, BEN, mixed), in_group(TAKE, ANA, mixed)]
    calls = plan_calls(changes, current([ANA, BEN, HAND], [mixed]))
    assert calls == (
        Call("PUT /public/groups/{id}", "id-mixed", (changes[0],)),
        Call("PUT /public/groups/{id}/member-ids", "id-mixed", (changes[1], changes[2])),
    )


def test_a_group_that_somebody_made_by_hand_leaves_or_enters() -> None:
    mixed, plain = group("mixed", ANA, HAND), group("plain", ANA)
    now = current([ANA, HAND], [mixed, plain])
    assert [c.endpoint for c in plan_calls([in_group(TAKE, HAND, mixed)], now)] == [IMPORT]
    assert [c.endpoint for c in plan_calls([in_group(ADD, HAND, plain)], now)] == ["PUT /public/groups/{id}/member-ids"]


def test_a_new_group_for_somebody_made_by_hand_is_posted() -> None:
    new = create("new")
    calls = plan_calls([new, in_group(ADD, HAND, new)], current([HAND]))
    assert [(c.endpoint, c.target) for c in calls] == [
        ("POST /public/groups", ""),
        ("PUT /public/groups/{id}/member-ids", ""),
    ]


def test_adoption_by_import_only_where_the_server_compares_equal() -> None:
    capitals = Member(id="id-cap", email="Cap@Example.org")
    adopt = on(Action.ADOPT, capitals, "k-cap")
    assert [c.endpoint for c in plan_calls([adopt], current([capitals]))] == ["PUT /public/members/{id}"]
    assert [c.endpoint for c in plan_calls([on(Action.ADOPT, HAND, "k-h")], current([HAND]))] == [IMPORT]


def test_a_group_that_has_an_adopted_person_waits_for_the_adoption() -> None:
    """Should the server skip the adoption, the same import would throw the person out of the group."""
    mixed, plain = group("mixed", ANA, HAND), group("plain", ANA)
    now = current([ANA, BEN, HAND], [mixed, plain])
    adopt = on(Action.ADOPT, HAND, "k-hand")
    apart = plan_calls([adopt, in_group(ADD, BEN, mixed)], now)
    assert [(call.endpoint, [c.action for c in call.changes]) for call in apart] == [
        (IMPORT, [Action.ADOPT]),
        (IMPORT, [ADD]),
    ]
    together = plan_calls([adopt, in_group(ADD, BEN, plain)], now)
    assert [[c.action for c in call.changes] for call in together] == [[Action.ADOPT, ADD]]


def test_memberships_find_their_group_by_key() -> None:
    eng = group("eng", ANA)
    without_id = in_group(ADD, BEN, eng)._replace(group_id="")
    calls = plan_calls([of_group(Action.RENAME_GROUP, eng, "Other"), without_id], current([ANA, BEN, HAND], [eng]))
    assert [len(call.changes) for call in calls] == [2]


# ---------------------------------------------------------------------------------------------------------- forecast


def cost(changes: list[Change], now: Current, *, unverified: frozenset[str] = frozenset()) -> dict[str, int]:
    return dict(forecast(plan_calls(changes, now), now, changes, unverified=unverified).requests)


def test_reading_before_writing_and_reading_back_are_counted() -> None:
    hand_made, eng = group("hand", BEN), group("eng", ANA)
    now = current([ANA, BEN], [hand_made, eng])
    changes = [
        on(Action.REKEY, ANA, "k-2", "k-ana"),
        of_group(Action.ADOPT_GROUP, hand_made),
        of_group(Action.DELETE_GROUP, eng),
    ]
    assert cost(changes, now) == {
        "GET /public/members/{id}": 1,
        "PUT /public/members/{id}": 1,
        "GET /public/groups/{id}": 2,
        "PUT /public/groups/{id}": 1,
        "DELETE /public/groups/{id}": 1,
        "GET /public/members": 1,
        "GET /public/groups": 1,
    }


def test_looking_up_new_members_is_counted_once() -> None:
    mixed, other = group("mixed", HAND), group("other", HAND)
    now = current([HAND], [mixed, other])
    changes = [invite("zoe"), in_group(ADD, invite("zoe"), mixed), in_group(ADD, invite("zoe"), other)]
    assert cost(changes, now)["GET /public/members"] == 2
    assert cost(changes[:1], now)["GET /public/members"] == 1


def test_memberships_from_memory_are_read_again() -> None:
    eng = group("eng", ANA)
    now = current([ANA, BEN], [eng])
    changes = [in_group(ADD, BEN, eng)]
    assert cost(changes, now)["GET /public/groups/{id}/member-ids"] == 1
    assert cost(changes, now, unverified=frozenset({eng.id}))["GET /public/groups/{id}/member-ids"] == 2


def test_seats_and_mails() -> None:
    now = current([ANA, BEN, EVE], seats=4)
    changes = [invite("zoe"), on(Action.RESTORE, EVE), on(Action.REVOKE, ANA), on(Action.REMOVE, EVE)]
    result = forecast(plan_calls(changes, now), now, changes)
    assert (result.seats.needed, result.seats.freed, result.seats.free) == (2, 1, 2)
    assert result.mails == 1


@pytest.mark.parametrize(
    ("reads", "writes", "seconds"),
    [
        (0, 0, 0.0),
        (0, 1, 0.0),
        (0, 6, 1.0),
        (0, 60, 11.8),
        (0, 61, 60.0),
        (0, 121, 120.0),
        (201, 0, 60.0),
        (401, 61, 120.0),
    ],
)
def test_the_pace_of_the_cloud(reads: int, writes: int, seconds: float) -> None:
    limits = Pace(writes_per_minute=60, writes_per_second=5, reads_per_minute=200)
    assert limits.seconds(reads=reads, writes=writes) == pytest.approx(seconds)
    assert CLOUD.seconds(reads=reads, writes=writes) >= seconds
