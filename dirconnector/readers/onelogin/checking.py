"""``dirsync check`` for OneLogin: the cheapest calls that prove the configuration, one finding each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dirconnector.errors import ConfigError, DirectoryError
from dirconnector.model import Finding
from dirconnector.readers.onelogin.increments import EVENTS, USER_DELETED
from dirconnector.readers.onelogin.listing import Row, rows_of
from dirconnector.readers.onelogin.people import People, Wanted
from dirconnector.readers.onelogin.refusal import CREDENTIALS, ApiRefused, explained, scope_cure
from dirconnector.readers.onelogin.settings import OneLoginSettings
from dirconnector.readers.onelogin.stages import GROUPS, READ_ALL, READ_USERS, ROLES, USERS

if TYPE_CHECKING:
    from dirconnector.readers.onelogin.connection import Api

MANAGE_ALL_ONLY = "/api/2/api_authorizations"
"""A list that only the scope Manage All may see (https://developers.onelogin.com/api-docs/1/api-authorization/list)."""


def findings(api: Api, settings: OneLoginSettings, wanted: Wanted) -> Iterator[Finding]:
    """Token, users, roles, OneLogin groups, what increments need, and whether the scope is wider than needed."""
    name = api.directory
    try:
        api.authenticate()
        yield Finding(ok=True, subject=f"{name}: token", detail=f"{api.base} gave a token")
        yield from _users(api, wanted)
        if wanted.roles:
            yield from _roles(api)
        if wanted.groups:
            yield _groups(api)
        yield _events(api)
        yield _width(api)
    except (DirectoryError, ConfigError) as error:
        what = str(error).removeprefix(f"{name}: ")
        yield Finding(ok=False, subject=f"{name}: connection", detail=what, cure=what.rpartition(": ")[2])


def _page(api: Api, path: str, query: dict[str, str]) -> tuple[list[Row], str]:
    answer = api.get(path, query)
    return rows_of(api, path, answer), answer.headers.get("Total-Count", "")


def _users(api: Api, wanted: Wanted) -> Iterator[Finding]:
    subject = f"{api.directory}: users"
    try:
        rows, total = _page(api, USERS, {"fields": wanted.fields, "limit": "50"})
    except ApiRefused as error:
        yield _refused(subject, error, READ_USERS)
        return
    people = People(wanted)
    people.receive(rows)
    if not rows:
        cure = f"look at the scope of the credential pair, or make another one: {scope_cure(READ_USERS)}"
        yield Finding(ok=False, subject=subject, detail="there is not one user", cure=cure)
        return
    if not total:
        cure = "find out what between here and OneLogin removes headers of answers"
        yield Finding(ok=False, subject=subject, detail="the answer has no Total-Count header", cure=cure)
        return
    yield Finding(ok=True, subject=subject, detail=f"readable, there are {total}")
    if people.gaps:
        cure = "take these attributes out of the selection and of `email`, or ask OneLogin why they are not shown"
        yield Finding(ok=False, subject=subject, detail=f"not shown: {', '.join(people.gaps)}", cure=cure)
    addressed = sum(1 for user in people.users.values() if user.email)
    if people.users:
        yield Finding(
            ok=addressed > 0,
            subject=f"{api.directory}: e-mail",
            detail=f"{addressed} of {len(people.users)} users looked at have an address ({', '.join(wanted.email)})",
            cure="" if addressed else "name other fields in `email`, or a template such as '{username}@example.org'",
        )
    if wanted.roles:
        told = all(role_ids is not None for role_ids in people.roles.values())
        how = "come with the users: no call for each role" if told else "take a call for each role"
        yield Finding(ok=True, subject=f"{api.directory}: members of roles", detail=how)


def _roles(api: Api) -> Iterator[Finding]:
    subject = f"{api.directory}: roles"
    try:
        rows, total = _page(api, ROLES, {"fields": "id,name", "limit": "50"})
    except ApiRefused as error:
        yield _refused(subject, error, READ_USERS)
        return
    yield Finding(ok=True, subject=subject, detail=f"readable, there are {total or len(rows)}")


def _groups(api: Api) -> Finding:
    subject = f"{api.directory}: groups"
    try:
        api.get(GROUPS, {"limit": "1"})
    except ApiRefused as error:
        return _refused(subject, error, READ_ALL)
    return Finding(ok=True, subject=subject, detail="OneLogin groups are readable")


def _events(api: Api) -> Finding:
    """Not needed for anything but speed, so that their absence is no failure."""
    subject = f"{api.directory}: events"
    try:
        api.get(EVENTS, {"event_type_id": str(USER_DELETED), "limit": "1"})
    except ApiRefused:
        detail = "not readable: when people without a role are deleted, everything is read again (Read All would help)"
        return Finding(ok=True, subject=subject, detail=detail)
    return Finding(ok=True, subject=subject, detail="readable: increments know who was deleted")


def _width(api: Api) -> Finding:
    subject = f"{api.directory}: scope"
    try:
        api.get(MANAGE_ALL_ONLY)
    except ApiRefused:
        return Finding(ok=True, subject=subject, detail="it is not Manage All, which would be more than is needed")
    detail = (
        "wider than needed: it is Manage All, and may change everything in your account. Read Users (Read All for "
        f"OneLogin groups and events) is enough: make such a pair under {CREDENTIALS} and delete this one"
    )
    return Finding(ok=True, subject=subject, detail=detail)


def _refused(subject: str, error: ApiRefused, scope: str) -> Finding:
    return Finding(ok=False, subject=subject, detail=explained(error, scope), cure=scope_cure(scope))
