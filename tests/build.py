"""Short ways to write down both sides in a test, and an organization that takes a plan in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dirconnector.model import (
    Accepts,
    Current,
    Evidence,
    Group,
    Member,
    MemberType,
    OrgGroup,
    Snapshot,
    Status,
    User,
)
from dirconnector.plan.baseline import baseline_of
from dirconnector.plan.build import Baselines, make_plan
from dirconnector.plan.model import Action, Change, Forecast, Plan
from dirconnector.plan.policy import Limit, Limits, Policy
from dirconnector.plan.recall import Recall, nothing_remembered
from dirconnector.rules.desired import Desired, desire
from dirconnector.rules.rule import Select

NO_LIMITS = Limits(
    removals=Limit(percent=100, floor=10_000),
    group_members=Limit(percent=100, floor=10_000),
    shrink=Limit(percent=100, floor=10_000),
)


def user(key: str, email: str | None = None, **more: object) -> User:
    """``user("ana")`` has the address ana@example.org."""
    address = f"{key}@example.org" if email is None else email
    fields: dict[str, object] = {"name": key.title(), "directory": "hq", "username": key, "entry": f"uid={key}"}
    return User(key=key, email=address, **(fields | more))  # type: ignore[arg-type]


def group(key: str, members: Iterable[str] = (), subgroups: Iterable[str] = (), **more: object) -> Group:
    """``group("sales", ["ana"])`` is called Sales."""
    fields: dict[str, object] = {"name": key.title(), "directory": "hq", "entry": f"cn={key}"}
    return Group(key=key, members=frozenset(members), subgroups=frozenset(subgroups), **(fields | more))  # type: ignore[arg-type]


def evidence(directory: str = "hq", *, complete: bool = True) -> Evidence:
    """Evidence of one query."""
    return Evidence(directory=directory, query="users", complete=complete, pages=1, entries=1)


def snapshot(
    users: Iterable[User] = (),
    groups: Iterable[Group] = (),
    *,
    directory: str = "hq",
    complete: bool = True,
    **more: object,
) -> Snapshot:
    """One directory."""
    return Snapshot(
        users={u.key: replace(u, directory=directory) for u in users},
        groups={g.key: replace(g, directory=directory) for g in groups},
        evidence=(evidence(directory, complete=complete),),
        **more,  # type: ignore[arg-type]
    )


def member(key: str = "", email: str = "", *, id: str = "", **more: object) -> Member:
    """``member("ana")`` is confirmed, has the id m-ana and the address ana@example.org."""
    name = key or email.partition("@")[0]
    fields: dict[str, object] = {"status": Status.CONFIRMED, "type": MemberType.USER}
    return Member(id=id or f"m-{name}", email=email or f"{key}@example.org", key=key, **(fields | more))  # type: ignore[arg-type]


def org_group(
    key: str = "", members: Iterable[str] = (), *, name: str = "", id: str = "", collections: int = 0
) -> OrgGroup:
    """``org_group("sales", ["m-ana"])`` is called Sales and has the id g-sales."""
    called = name or key.title()
    return OrgGroup(
        id=id or f"g-{key or called.lower()}", name=called, key=key, members=frozenset(members), collections=collections
    )


def current(
    members: Iterable[Member] = (),
    groups: Iterable[OrgGroup] = (),
    *,
    seats: int | None = None,
    accepts: Accepts = Accepts(),
) -> Current:
    """An organization."""
    return Current(
        organization="test",
        members={m.id: m for m in members},
        groups={g.id: g for g in groups},
        seats=seats,
        accepts=accepts,
    )


def desired(*snapshots: Snapshot, select: Select = Select(), accepts: Accepts = Accepts()) -> Desired:
    """The rules applied."""
    return desire(snapshots, select, accepts)


def plan(
    directories: Snapshot | Sequence[Snapshot],
    organization: Current,
    *,
    policy: Policy = Policy(limits=NO_LIMITS),
    select: Select = Select(),
    last: Snapshot | None = None,
    recall: Recall = nothing_remembered,
    approved: str = "",
) -> Plan:
    """The plan between both. ``last`` is the last good snapshot of the directory hq."""
    snapshots = [directories] if isinstance(directories, Snapshot) else list(directories)
    named = [(s.evidence[0].directory if s.evidence else "hq", s) for s in snapshots]
    baselines = Baselines(
        last=(baseline_of("hq", last),) if last is not None else (),
        now=tuple(baseline_of(name, s) for name, s in named),
    )
    return make_plan(
        desire(snapshots, select, organization.accepts),
        organization,
        policy,
        forecast=lambda changes, now: Forecast(),
        baselines=baselines,
        recall=recall,
        approved=approved,
    )


def actions(made: Plan) -> list[tuple[str, str]]:
    """The plan's changes as (action, what)."""
    return [(change.action.value, change.what) for change in made.changes]


def applied(changes: Sequence[Change], now: Current) -> Current:
    """The organization after the changes, with the rules of the real one: one member per address, seats, addresses that
    never change.
    """
    members: dict[str, Member] = dict(now.members)
    groups: dict[str, OrgGroup] = dict(now.groups)
    taken = {m.email: m.id for m in members.values()}
    of_key = {m.key: m.id for m in members.values() if m.key}
    group_of = {g.key: g.id for g in groups.values() if g.key}
    for change in changes:
        _apply(change, members, groups, taken, of_key, group_of)
        used = sum(1 for m in members.values() if m.status.takes_seat)
        assert now.seats is None or used <= now.seats, f"no seat for {change}"
    return replace(now, members=members, groups=groups)


def _apply(
    change: Change,
    members: dict[str, Member],
    groups: dict[str, OrgGroup],
    taken: dict[str, str],
    of_key: dict[str, str],
    group_of: Mapping[str, str],
) -> None:
    match change.action:
        case Action.INVITE:
            assert change.email not in taken, f"{change.email} is a member already"
            assert change.key not in of_key, f"{change.key} is a member already"
            new = Member(id=f"new-{change.key}", email=change.email, key=change.key, status=Status.INVITED)
            members[new.id] = new
            taken[new.email] = of_key[new.key] = new.id
        case Action.ADOPT | Action.REKEY:
            was = members[change.member_id]
            assert was.key == change.before
            assert change.key not in of_key
            of_key.pop(was.key, None)
            members[was.id] = replace(was, key=change.key)
            of_key[change.key] = was.id
        case Action.RESTORE:
            assert members[change.member_id].status is Status.REVOKED
            members[change.member_id] = replace(members[change.member_id], status=Status.CONFIRMED)
        case Action.REVOKE:
            assert members[change.member_id].status is not Status.REVOKED
            members[change.member_id] = replace(members[change.member_id], status=Status.REVOKED)
        case Action.REMOVE:
            gone = members.pop(change.member_id)
            taken.pop(gone.email)
            of_key.pop(gone.key, None)
            for key, held in groups.items():
                groups[key] = replace(held, members=held.members - {gone.id})
        case Action.CREATE_GROUP:
            groups[f"new-{change.key}"] = OrgGroup(id=f"new-{change.key}", name=change.group, key=change.key)
        case Action.ADOPT_GROUP:
            assert groups[change.group_id].key == change.before
            groups[change.group_id] = replace(groups[change.group_id], key=change.key)
        case Action.RENAME_GROUP:
            assert groups[change.group_id].name == change.before
            groups[change.group_id] = replace(groups[change.group_id], name=change.group)
        case Action.DELETE_GROUP:
            assert not groups[change.group_id].collections
            del groups[change.group_id]
        case Action.ADD_MEMBERSHIP | Action.REMOVE_MEMBERSHIP:
            target = groups[change.group_id or f"new-{change.group_key}"]
            who = change.member_id or of_key[change.key]
            if change.action is Action.ADD_MEMBERSHIP:
                assert who not in target.members
                groups[target.id] = replace(target, members=target.members | {who})
            else:
                groups[target.id] = replace(target, members=target.members - {who})
