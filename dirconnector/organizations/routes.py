"""Changes -> the fewest calls of the public API, in an order that is safe. Pure.

The order: whoever leaves (frees seats and addresses), new external ids (everything later finds people and
groups by them), restorations, invitations and adoptions, groups with their members, groups that go. Bodies
are not built here: a call carries its changes, and :mod:`dirconnector.organizations.execute` builds the body
when it sends it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from dirconnector.model import Current
from dirconnector.organizations import Call
from dirconnector.plan.model import Action, Change, Forecast, Seats, count_actions

GET_MEMBERS = "GET /public/members"
GET_MEMBER = "GET /public/members/{id}"
PUT_MEMBER = "PUT /public/members/{id}"
DELETE_MEMBER = "DELETE /public/members/{id}"
REVOKE = "POST /public/members/{id}/revoke"
RESTORE = "POST /public/members/{id}/restore"
REINVITE = "POST /public/members/{id}/reinvite"
GET_GROUPS = "GET /public/groups"
GET_GROUP = "GET /public/groups/{id}"
POST_GROUP = "POST /public/groups"
PUT_GROUP = "PUT /public/groups/{id}"
DELETE_GROUP = "DELETE /public/groups/{id}"
GET_GROUP_MEMBERS = "GET /public/groups/{id}/member-ids"
PUT_GROUP_MEMBERS = "PUT /public/groups/{id}/member-ids"
IMPORT = "POST /public/organization/import"

IMPORT_LIMIT = 2000
"""Members, and groups, that one import may hold without ``largeImport`` (bitwarden/server,
Public/OrganizationController).
"""

PERSON_ACTIONS = frozenset({Action.INVITE, Action.ADOPT})
"""What an import does with people."""

MEMBERSHIP_ACTIONS = frozenset({Action.ADD_MEMBERSHIP, Action.REMOVE_MEMBERSHIP})

GROUP_ACTIONS = MEMBERSHIP_ACTIONS | {Action.CREATE_GROUP, Action.RENAME_GROUP}
"""What an import does with groups."""

LEAVING = frozenset({Action.REVOKE, Action.REMOVE})
"""What takes somebody's seat away."""

_READ_FIRST = {PUT_MEMBER: GET_MEMBER, PUT_GROUP: GET_GROUP, DELETE_GROUP: GET_GROUP}


# ------------------------------------------------------------------------------------------------------------ routes


def plan_calls(changes: Iterable[Change], current: Current, *, import_limit: int = IMPORT_LIMIT) -> tuple[Call, ...]:
    """The calls that make these changes, in the order in which they are to be made.

    An import **replaces** the membership of a group and names people by externalId only. So a group goes into
    an import when everybody who shall be in it has one; otherwise its members are put by id, which leaves
    people made by hand in it.
    """
    by_action: dict[Action, list[Change]] = defaultdict(list)
    for change in changes:
        by_action[change.action].append(change)
    adopted = {change.group_id: change for change in by_action[Action.ADOPT_GROUP]}
    renamed = {c.group_id: c for c in by_action[Action.RENAME_GROUP] if c.group_id in adopted}
    imported = [c for c in by_action[Action.ADOPT] if adoptable_by_import(c, current)]
    put = [c for c in by_action[Action.ADOPT] if not adoptable_by_import(c, current)]
    groups = [c for action in GROUP_ORDER for c in by_action[action] if renamed.get(c.group_id) is not c]

    return (
        *_each(DELETE_MEMBER, by_action[Action.REMOVE]),
        *_each(REVOKE, by_action[Action.REVOKE]),
        *_each(PUT_MEMBER, [*by_action[Action.REKEY], *put]),
        *(
            Call(PUT_GROUP, group_id, (adopt, renamed[group_id]) if group_id in renamed else (adopt,))
            for group_id, adopt in adopted.items()
        ),
        *_restorations(by_action[Action.RESTORE], current),
        # adoptions first: a part that only adopts cannot fail for want of seats
        *_imports_and_groups([*imported, *by_action[Action.INVITE]], by_group(groups, current), current, import_limit),
        *(Call(DELETE_GROUP, c.group_id, (c,)) for c in by_action[Action.DELETE_GROUP]),
    )


GROUP_ORDER = (Action.RENAME_GROUP, Action.CREATE_GROUP, Action.ADD_MEMBERSHIP, Action.REMOVE_MEMBERSHIP)


def adoptable_by_import(change: Change, current: Current) -> bool:
    """True when an import would adopt this member: it compares the stored address exactly with the
    lower-cased one.

    A member whose stored address has capitals, or differs otherwise, would be skipped silently; it takes a
    PUT.
    """
    member = current.members.get(change.member_id)
    return member is None or member.email == change.email.lower()


def by_group(changes: Iterable[Change], current: Current) -> dict[str, list[Change]]:
    """Group changes by group: by its id, or by ``new:`` and its key when it does not exist yet."""
    return by_ref(changes, {group.key: group_id for group_id, group in current.groups.items() if group.key})


def by_ref(changes: Iterable[Change], group_id_of: Mapping[str, str]) -> dict[str, list[Change]]:
    """The same with the ids of groups by key."""
    grouped: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        key = change.group_key or change.key
        grouped[change.group_id or group_id_of.get(key) or f"new:{key}"].append(change)
    return grouped


def _each(endpoint: str, changes: Iterable[Change]) -> Iterator[Call]:
    return (Call(endpoint, change.member_id, (change,)) for change in changes)


def _restorations(changes: Iterable[Change], current: Current) -> Iterator[Call]:
    """Restoring sends no mail, and the link of an invitation of before has died: whoever never accepted it is
    invited again. The second call carries nothing, the change is done with the first.
    """
    for change in changes:
        yield Call(RESTORE, change.member_id, (change,))
        member = current.members.get(change.member_id)
        if member is not None and not member.linked:
            yield Call(REINVITE, change.member_id, ())


def _imports_and_groups(
    people: list[Change], groups: Mapping[str, list[Change]], current: Current, limit: int
) -> Iterator[Call]:
    nameless = _nameless(people, current)
    by_import = {ref: work for ref, work in groups.items() if not _needs_ids(ref, work, current, nameless)}
    people_parts = [tuple(people[i : i + limit]) for i in range(0, len(people), limit)]
    refs = list(by_import)
    group_parts = [
        tuple(change for ref in refs[i : i + limit] for change in by_import[ref]) for i in range(0, len(refs), limit)
    ]
    if len(people_parts) == len(group_parts) == 1 and not _keeps_adopted(refs, people, current):
        yield Call(IMPORT, "", people_parts[0] + group_parts[0])
    else:
        yield from (Call(IMPORT, "", part) for part in (*people_parts, *group_parts))
    for ref, work in groups.items():
        if ref not in by_import:
            yield from calls_by_id(ref, work)


def _nameless(people: Iterable[Change], current: Current) -> frozenset[str]:
    """Members that no import can name, now or after the adoptions."""
    adopted = {change.member_id for change in people}
    return frozenset(m.id for m in current.members.values() if not m.key and m.id not in adopted)


def _needs_ids(ref: str, work: Iterable[Change], current: Current, nameless: frozenset[str]) -> bool:
    group = current.groups.get(ref)
    present = set(group.members & nameless) if group else set()
    for change in work:
        if change.member_id in nameless:
            if change.action is Action.ADD_MEMBERSHIP:
                present.add(change.member_id)
            elif change.action is Action.REMOVE_MEMBERSHIP:
                present.discard(change.member_id)
    return bool(present)


def _keeps_adopted(refs: Iterable[str], people: Iterable[Change], current: Current) -> bool:
    """True when somebody who is in one of the groups gets the externalId in the very import that names the
    group's members.

    Should the server skip the adoption, that import would throw the person out: adopt first, look, and send
    the group then.
    """
    adopted = {change.member_id for change in people if change.action is Action.ADOPT}
    return any(group is not None and not adopted.isdisjoint(group.members) for group in map(current.groups.get, refs))


def calls_by_id(ref: str, work: Sequence[Change]) -> Iterator[Call]:
    """The calls for one group (``ref`` as in :func:`by_group`) some of whose members no import can name."""
    target = "" if ref.startswith("new:") else ref
    for change in work:
        if change.action is Action.CREATE_GROUP:
            yield Call(POST_GROUP, "", (change,))
        elif change.action is Action.RENAME_GROUP:
            yield Call(PUT_GROUP, target, (change,))
    members = tuple(change for change in work if change.action in MEMBERSHIP_ACTIONS)
    if members:
        yield Call(PUT_GROUP_MEMBERS, target, members)


# ---------------------------------------------------------------------------------------------------------- forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a server lets us go. None is no limit; latencies are seconds for one request."""

    writes_per_minute: int | None = None
    writes_per_second: int | None = None
    reads_per_minute: int | None = None
    read_latency: float = 0.0
    write_latency: float = 0.0

    def seconds(self, *, reads: int, writes: int) -> float:
        """Seconds that this many requests take, one after the other and inside the limits."""
        return max(
            _spread(writes, self.writes_per_minute, self.writes_per_second),
            _spread(reads, self.reads_per_minute, None),
            reads * self.read_latency + writes * self.write_latency,
        )


CLOUD = Pace(writes_per_minute=60, writes_per_second=5, reads_per_minute=200, read_latency=0.2, write_latency=0.2)
"""The rate limits of Bitwarden's cloud (bitwarden/server, ``src/Api/appsettings.json``)."""


def _spread(requests: int, per_minute: int | None, per_second: int | None) -> float:
    minutes, rest = divmod(max(requests - 1, 0), per_minute) if per_minute else (0, max(requests - 1, 0))
    return minutes * 60.0 + (rest / per_second if per_second else 0.0)


def forecast(
    calls: Sequence[Call],
    current: Current,
    changes: Sequence[Change],
    *,
    pace: Pace = Pace(),
    unverified: frozenset[str] = frozenset(),
    read_back: int | None = None,
) -> Forecast:
    """What making these calls costs: requests with every read they need, the read-back, time, mails and
    seats.

    ``unverified`` are ids of groups whose membership in ``current`` comes from memory: it is read again
    before it is replaced. ``read_back`` is of how many touched groups the members are read afterwards, all when
    None.
    """
    requests = Counter(call.endpoint for call in calls)
    for write, read in _READ_FIRST.items():
        requests[read] += requests[write]
    requests[GET_MEMBERS] += _looks_up_ids(calls)
    if unverified:
        requests[GET_GROUP_MEMBERS] += len(unverified & memberships_set(calls, current))
    if changes:
        requests.update(_read_back(changes, current, read_back))
    requests = +requests
    reads = sum(number for endpoint, number in requests.items() if endpoint.startswith("GET "))
    count = count_actions(changes)
    return Forecast(
        requests=dict(sorted(requests.items())),
        seconds=pace.seconds(reads=reads, writes=requests.total() - reads),
        seats=Seats(
            needed=count[Action.INVITE] + count[Action.RESTORE],
            freed=sum(_frees_seat(change, current) for change in changes if change.action in LEAVING),
            free=current.seats_free,
        ),
        mails=count[Action.INVITE] + requests[REINVITE],
    )


def carries(call: Call, actions: frozenset[Action]) -> bool:
    """True when the call has a change of one of these actions."""
    return any(change.action in actions for change in call.changes)


def _looks_up_ids(calls: Sequence[Call]) -> bool:
    """True when members are read once more, between importing people and a call that sets a group's members."""
    people = [call.endpoint == IMPORT and carries(call, PERSON_ACTIONS) for call in calls]
    if True not in people:
        return False
    later = calls[people.index(True) + 1 :]
    return any(
        call.endpoint == PUT_GROUP_MEMBERS or (call.endpoint == IMPORT and carries(call, GROUP_ACTIONS))
        for call in later
    )


def memberships_set(calls: Iterable[Call], current: Current) -> Set[str]:
    """The groups whose membership these calls replace."""
    replacing = (call.changes for call in calls if call.endpoint in (IMPORT, PUT_GROUP_MEMBERS))
    return by_group((c for changes in replacing for c in changes if c.action in GROUP_ACTIONS), current).keys()


def _read_back(changes: Iterable[Change], current: Current, at_most: int | None) -> dict[str, int]:
    """Afterwards: all members, and when groups are touched all groups and the members of those whose members
    should have changed, or of ``at_most`` of them.
    """
    touched = {c.group_id or c.group_key for c in changes if c.action in GROUP_ACTIONS}
    return {
        GET_MEMBERS: 1,
        GET_GROUPS: 1 if any(c.group for c in changes) else 0,
        GET_GROUP_MEMBERS: len(touched) if at_most is None else min(len(touched), at_most),
    }


def _frees_seat(change: Change, current: Current) -> bool:
    member = current.members.get(change.member_id)
    return member is not None and member.status.takes_seat
