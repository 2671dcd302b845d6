"""The calls of a full read: users, roles with their members, OneLogin groups; and the evidence of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from dirconnector.errors import DirectoryRefused
from dirconnector.model import Evidence, Progress, Snapshot
from dirconnector.readers.onelogin.listing import Listing, OnPage, Paging, Row, one_row, read_list, read_v1
from dirconnector.readers.onelogin.people import People, Wanted
from dirconnector.readers.onelogin.refusal import ApiRefused, explained
from dirconnector.readers.onelogin.roles import (
    MOST_UNLISTED,
    Roles,
    doubtful,
    groups_of_groups,
    groups_of_roles,
    inverted,
    listed,
    name_of,
    same,
)
from dirconnector.readers.onelogin.settings import OneLoginSettings

if TYPE_CHECKING:
    from dirconnector.readers.onelogin.connection import Api

USERS, ROLES, GROUPS = "/api/2/users", "/api/2/roles", "/api/1/groups"
READ_USERS, READ_ALL = "Read Users", "Read Users or Read All"
NEWEST_FIRST = "-id"


@dataclass(slots=True, kw_only=True)
class Whole:
    """A directory that was read, and what the next read has to know: the server's time before this one (None when it
    does not tell), whether the list of roles may be believed, and how those are called who cannot be synced.
    """

    snapshot: Snapshot
    since: datetime | None
    believed: bool
    labels: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Found:
    """Roles or OneLogin groups by id, with the evidence of their queries."""

    roles: Roles = field(default_factory=Roles)
    names: dict[int, str] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    believed: bool = True


def users_paging(settings: OneLoginSettings) -> Paging:
    """Pages of users: the size of the config, else what every account takes."""
    return Paging.of(settings.page_size, 100, 50, sort=NEWEST_FIRST)


def roles_paging() -> Paging:
    """Pages of roles: 650 is the most (https://developers.onelogin.com/api-docs/2/roles)."""
    return Paging.of(650, 100, 50, sort=NEWEST_FIRST)


def read_all(api: Api, settings: OneLoginSettings, wanted: Wanted, progress: Progress) -> Whole:
    """Everything, from nothing. Raises :class:`DirectoryRefused` and :class:`DirectoryUnreachable`."""
    people, listing = _users(api, settings, wanted, progress)
    since = listing.began
    evidence = [evidence_of_users(people, listing)]
    found = Found()
    if wanted.roles:
        _roles(api, settings, people, found, progress)
    if wanted.groups:
        _onelogin_groups(api, people, found, progress)
    groups = groups_of_roles(wanted.directory, found.roles, people.keys)
    groups |= groups_of_groups(wanted.directory, found.names, people.groups)
    snapshot = Snapshot(
        users=people.users,
        groups=groups,
        evidence=(*evidence, *found.evidence),
        problems=tuple(people.problems()),
        unsyncable=people.unsyncable,
    )
    labels = {key: people.labels[key] for key in people.unsyncable}
    return Whole(snapshot=snapshot, since=since, believed=found.believed, labels=labels)


# --------------------------------------------------------------------------------------------------------------- users


def _users(api: Api, settings: OneLoginSettings, wanted: Wanted, progress: Progress) -> tuple[People, Listing]:
    people = People(wanted)
    watch = _watch(progress, f"{wanted.directory}: users")
    try:
        listing = read_list(api, USERS, {"fields": wanted.fields}, users_paging(settings), on_page=watch)
    except ApiRefused as error:
        refusal = explained(error, READ_USERS)
    else:
        people.receive(listing.rows.values())
        listing.rows.clear()
        return people, listing
    raise DirectoryRefused(api.directory, refusal)


def _watch(progress: Progress, phase: str) -> OnPage:
    return lambda done, total: progress(phase, done, None if total is None else max(done, total))


def evidence_of_users(people: People, listing: Listing) -> Evidence:
    """Whether the users are whole, and why."""
    gaps = [] if listing.complete else [listing.why]
    if people.gaps:
        gaps.append(f"no user shows the fields that were asked for: {', '.join(people.gaps)}")
    if not people.keys:
        gaps.append("there is not one user, and every account has its owner: look at the scope of the credential pair")
    return Evidence(
        directory=people.wanted.directory,
        query="users",
        complete=not gaps,
        pages=listing.pages,
        entries=listing.entries,
        why="; ".join(gaps) or listing.why,
    )


# --------------------------------------------------------------------------------------------------------------- roles


def _roles(api: Api, settings: OneLoginSettings, people: People, found: Found, progress: Progress) -> None:
    told = all(role_ids is not None for role_ids in people.roles.values())
    listing = list_roles(api, backed=told, on_page=_watch(progress, f"{api.directory}: roles"))
    roles = found.roles = listed(listing.rows, people.keys)
    by_user = inverted(people.roles)
    gaps = [] if listing.complete else [listing.why]
    gaps += _unlisted(by_user.keys() - roles.names.keys(), roles.names, lambda number: _one_role(api, number))
    doubt = doubtful(roles, by_user, people.roles)
    asked = _by_calls(api, settings, doubt, people.keys, found, progress) if doubt else {}
    for number in roles.names:
        roles.members[number] = frozenset(by_user.get(number, set()) | asked.get(number, set()))
    found.believed = told and not doubt and not gaps and same(roles)
    note = "" if doubt else ", members from the users' role_ids"
    found.evidence.insert(0, evidence_of(api.directory, "groups", listing, gaps, f"roles: {listing.why}{note}"))


def list_roles(api: Api, *, backed: bool, on_page: OnPage) -> Listing:
    """The list of roles. Raises :class:`DirectoryRefused` when it is refused."""
    try:
        return read_list(api, ROLES, {"fields": "id,name,users"}, roles_paging(), on_page=on_page, backed=backed)
    except ApiRefused as error:
        refusal = explained(error, READ_USERS)
    raise DirectoryRefused(api.directory, refusal)


def evidence_of(directory: str, query: str, listing: Listing, gaps: list[str], why: str) -> Evidence:
    """The evidence of a list of groups."""
    return Evidence(
        directory=directory,
        query=query,
        complete=not gaps,
        pages=listing.pages,
        entries=listing.entries,
        why="; ".join(gaps) or why,
    )


def _unlisted(numbers: Iterable[int], names: dict[int, str], one: Callable[[int], str | None]) -> list[str]:
    """Users have roles (or groups) that the list does not show: it moved while it was read, or they are gone since.
    Those that exist are added; what is left is a gap.
    """
    missing = sorted(numbers)
    if len(missing) > MOST_UNLISTED:
        return [f"users are in {len(missing)} of them that the list does not show, such as {missing[0]}: run again"]
    gaps = []
    for number in missing:
        try:
            name = one(number)
        except ApiRefused as error:
            gaps.append(f"users are in {number}, which the list does not show: {error}")
        else:
            if name is not None:
                names[number] = name
    return gaps


def _one_role(api: Api, number: int) -> str | None:
    try:
        rows = one_row(api, f"{ROLES}/{number}")
    except ApiRefused as error:
        if error.status == 404:
            return None
        raise
    return name_of(rows)


def _by_calls(
    api: Api,
    settings: OneLoginSettings,
    numbers: set[int],
    known: set[str],
    found: Found,
    progress: Progress,
) -> dict[int, set[str]]:
    """The members of roles, by a call (or several) for each role."""
    members: dict[int, set[str]] = {}
    gaps: list[str] = []
    every = Listing()
    paging = Paging.of(1000, 100, 50)
    with ThreadPoolExecutor(settings.concurrency, "onelogin-roles") as pool:
        futures = {pool.submit(_members, api, number, paging): number for number in sorted(numbers)}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                number, listing = futures[future], future.result()
                progress(f"{api.directory}: members of roles", done, len(futures))
                if listing is None:
                    # deleted meanwhile
                    found.roles.names.pop(number, None)
                    continue
                every.pages += listing.pages
                every.entries += listing.entries
                members[number] = set(map(str, listing.rows)) & known
                if not listing.complete:
                    gaps.append(f"{found.roles.names.get(number) or number}: {listing.why}")
        except BaseException:
            api.throttle.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    gaps.sort()
    why = f"asked for each of {len(numbers)} roles, as the users do not tell"
    cut = [*gaps[:3], f"and {len(gaps) - 3} more"] if len(gaps) > 3 else gaps
    found.evidence.append(evidence_of(api.directory, "members of roles", every, cut, why))
    return members


def _members(api: Api, number: int, paging: Paging) -> Listing | None:
    """The users of a role; None when it is gone."""
    try:
        return read_list(api, f"{ROLES}/{number}/users", {}, paging, backed=True)
    except ApiRefused as error:
        if error.status == 404:
            return None
        refusal = explained(error, READ_USERS)
    raise DirectoryRefused(api.directory, refusal)


# ---------------------------------------------------------------------------------------------------- OneLogin groups


def _onelogin_groups(api: Api, people: People, found: Found, progress: Progress) -> None:
    listing = list_groups(api, _watch(progress, f"{api.directory}: groups"))
    found.names = {number: name_of(row) for number, row in listing.rows.items()}
    gaps = [] if listing.complete else [listing.why]
    gaps += _unlisted(set(people.groups.values()) - found.names.keys(), found.names, lambda n: _one_group(api, n))
    why = f"OneLogin groups: {listing.why}, members from the users' group_id"
    found.evidence.append(evidence_of(api.directory, "groups", listing, gaps, why))


def list_groups(api: Api, on_page: OnPage) -> Listing:
    """The list of OneLogin groups. Raises :class:`DirectoryRefused` when it is refused."""
    try:
        return read_v1(api, GROUPS, {}, on_page=on_page)
    except ApiRefused as error:
        refusal = explained(error, READ_ALL)
    raise DirectoryRefused(api.directory, refusal)


def _one_group(api: Api, number: int) -> str | None:
    try:
        row: Row = one_row(api, f"{GROUPS}/{number}")
    except ApiRefused as error:
        if error.status == 404:
            return None
        raise
    return name_of(row)
