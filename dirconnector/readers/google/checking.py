"""``dirsync check`` for Google: key, token, scopes, roles; the first page of each listing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dirconnector.errors import ConfigError
from dirconnector.model import Finding
from dirconnector.readers.google import attributes
from dirconnector.readers.google.members import Members, Roster
from dirconnector.readers.google.people import People, fields_wanted
from dirconnector.readers.google.refusals import (
    DELEGATION,
    WIDER,
    ApiError,
    TokenError,
    api_cure,
    grant_cure,
    token_cure,
    told,
)
from dirconnector.readers.google.settings import GoogleSettings

if TYPE_CHECKING:
    from dirconnector.readers.google.client import Client

SAMPLED = 5
"""So many groups have their members looked at."""


def findings(
    client: Client, settings: GoogleSettings, selected: frozenset[str], scopes: tuple[str, ...]
) -> Iterator[Finding]:
    """One finding for everything that a run needs. Raises :class:`~dirconnector.http.NoAnswer`."""
    try:
        client.open(*scopes)
    except TokenError as error:
        yield _no_token(client, error, scopes)
        return
    except ConfigError as error:
        yield Finding(ok=False, subject="key", detail=str(error), cure="do what the message says and check again")
        return
    yield Finding(ok=True, subject="token", detail=f"{client.who.email} reads as {client.who.subject}")
    yield _width(client, scopes)
    yield from _unknown_attributes(selected)
    yield from _users(client, settings, selected)
    if settings.groups:
        yield from _groups(client, settings)


def _no_token(client: Client, error: TokenError, scopes: tuple[str, ...]) -> Finding:
    """Google does not say which scope is missing, so each is asked for alone."""
    detail, cure = f"no token for {client.who.subject} ({error})", token_cure(error, client.who, scopes)
    if error.code in ("unauthorized_client", "access_denied"):
        missing = tuple(scope for scope in scopes if not client.grants(scope))
        if missing and missing != scopes:
            detail = f"the delegation of {client.who.email} lacks {', '.join(missing)}"
            cure = grant_cure(client.who, missing)
        elif missing:
            detail = f"{client.who.email} has no domain-wide delegation for any of the scopes ({error})"
    return Finding(ok=False, subject="token", detail=detail, cure=cure)


def _width(client: Client, scopes: tuple[str, ...]) -> Finding:
    """Whoever holds the key may do whatever the delegation allows."""
    wider = [scope for scope in WIDER if client.grants(scope)]
    if not wider:
        return Finding(ok=True, subject="scopes", detail=f"{', '.join(scopes)}, and none of those that allow changes")
    return Finding(
        ok=False,
        subject="scopes",
        detail=f"the delegation allows more than reading: {', '.join(wider)}; with the key one could change accounts",
        cure=f"{DELEGATION}: leave only {','.join(scopes)} for client ID {client.who.client_id}",
    )


def _unknown_attributes(selected: frozenset[str]) -> Iterator[Finding]:
    unknown = sorted(name for name in selected if not attributes.field_of(name))
    if unknown:
        yield Finding(
            ok=False,
            subject="select",
            detail=f"no Google user has the attribute {', '.join(unknown)}, so no rule with it can match",
            cure="correct the rule; the names are listed in docs/directories/google.md",
        )


def _users(client: Client, settings: GoogleSettings, selected: frozenset[str]) -> Iterator[Finding]:
    people = People(directory="", settings=settings.users, selected=selected)
    asked = settings.scope | {"orderBy": "email", "fields": fields_wanted(settings.users, selected)}
    if settings.users.query is not None:
        asked["query"] = settings.users.query
    try:
        page = next(client.users(**asked))
    except ApiError as error:
        yield Finding(ok=False, subject="users", detail=told(error), cure=api_cure(error, client.who))
        return
    people.receive(page.entries)
    people.finish()
    subject = _subject(client, settings)
    number = f"{len(people.keys)} users" if page.last else f"more than {len(people.keys)} users"
    if settings.whole and (not subject or (page.last and subject.get("id") not in people)):
        yield _blind(settings.subject)
    elif not people.keys:
        yield Finding(ok=False, subject="users", detail="no user was found", cure="check customer, domain, users.query")
    else:
        yield Finding(ok=True, subject="users", detail=f"{number}{_role(subject)}")
    if not people.keys:
        return
    addressed = sum(1 for user in people.users.values() if user.email)
    sources = ", ".join(settings.users.emails)
    yield Finding(
        ok=addressed > 0,
        subject="users.email",
        detail=f"{addressed} of {len(people.users)} users looked at have an address ({sources})",
        cure="" if addressed else "mend users.email: the attribute must hold addresses",
    )
    for why in sorted(set(people.unsyncable.values())):
        yield Finding(ok=False, subject="users", detail=why, cure="see whether Google reports a problem")


def _role(subject: attributes.JsonObject) -> str:
    if subject.get("isAdmin") is True:
        return "; the subject is a super administrator: a role with Users, Read and Groups, Read would do"
    return ""


def _subject(client: Client, settings: GoogleSettings) -> attributes.JsonObject:
    """The user in whose name everything is read; empty when the service does not show it."""
    try:
        return client.user(settings.subject)
    except ApiError:
        return {}


def _blind(subject: str) -> Finding:
    """A role for one organizational unit shows that unit alone, and does not say so."""
    return Finding(
        ok=False,
        subject="users",
        detail=f"{subject} is not among the users that were listed, so others are missing too",
        cure=f"give {subject} its role for all organizational units",
    )


def _groups(client: Client, settings: GoogleSettings) -> Iterator[Finding]:
    assert settings.groups
    asked = settings.scope | {"orderBy": "email", "fields": "kind,nextPageToken,groups(id,email)"}
    if settings.groups.query is not None:
        asked["query"] = settings.groups.query
    members, roster, sampled = Members(), Roster(), 0
    try:
        page = next(client.groups(**asked))
        for group in page.entries[:SAMPLED]:
            roster.receive(members, next(client.members(str(group.get("id")))).entries)
            sampled += 1
    except ApiError as error:
        yield Finding(ok=False, subject=error.what, detail=told(error), cure=api_cure(error, client.who))
        return
    number = f"{len(page.entries)} groups" if page.last else f"more than {len(page.entries)} groups"
    if not page.entries:
        cure = "check customer, domain and groups.query, or switch groups off with groups: false"
        yield Finding(ok=False, subject="groups", detail="no group was found", cure=cure)
        return
    yield Finding(ok=True, subject="groups", detail=number)
    detail = f"{len(members)} members in the first {sampled} groups"
    yield Finding(ok=True, subject="members", detail=detail)
