"""``dirsync check`` for an LDAP directory: the cheapest things that prove the configuration, one finding each."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from dirconnector.errors import ConfigError, DirectoryError
from dirconnector.model import Finding
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.connect import Session
from dirconnector.readers.ldap.evidence import limit_cure, refusal
from dirconnector.readers.ldap.groups import GroupCollector
from dirconnector.readers.ldap.scope import GroupScope, UserScope
from dirconnector.readers.ldap.search import ConnectionLost, Ending, Query, Wire, describe, search, whole
from dirconnector.readers.ldap.server import Server, look_at, queries
from dirconnector.readers.ldap.settings import LdapSettings
from dirconnector.readers.ldap.users import UserCollector

RANGED = 3
"""So many entries that came with a part of their values are read to the end, to see that it works."""


def findings(directory: str, session: Session, settings: LdapSettings, selected: frozenset[str]) -> Iterator[Finding]:
    """Connects, binds, recognises the server, and reads the first page of users and of groups."""
    try:
        wire = session.open()
        yield _encryption(session)
        yield Finding(ok=True, subject="bind", detail=f"bound as {session.who}")
        server = look_at(directory, settings, wire, selected)
        yield _kind(server, settings)
        people = UserCollector(directory, server.users, datetime.now(UTC))
        if (yield from _first_pages(queries("users", server.users), people, wire, server, settings, session)):
            yield from _users(people, server.users, session.who)
        if server.groups is None:
            return
        groups = GroupCollector(directory, server.groups, people)
        if (yield from _first_pages(queries("groups", server.groups), groups, wire, server, settings, session)):
            yield from _groups(groups, server.groups, session.who)
    except (DirectoryError, ConfigError) as error:
        what = str(error).removeprefix(f"{directory}: ")
        yield Finding(ok=False, subject="connection", detail=what, cure=_cure(what))
    except ConnectionLost as error:
        yield Finding(
            ok=False,
            subject="connection",
            detail=f"{session.url}: {error}",
            cure="look at the server's log; is something between here and the server cutting connections?",
        )


def _cure(what: str) -> str:
    """Messages name what is wrong first and the cure after the last semicolon."""
    return what.rpartition("; ")[2]


def _encryption(session: Session) -> Finding:
    version = session.tls_version
    if version:
        return Finding(ok=True, subject="connection", detail=f"{session.url}, encrypted ({version})")
    if is_local(session.url):
        return Finding(ok=True, subject="connection", detail=f"{session.url}, not encrypted, on this machine")
    return Finding(
        ok=False,
        subject="connection",
        detail=f"{session.url} is not encrypted: the password and all data can be read on the way",
        cure="use an ldaps:// URL, or tls: {start_tls: true}",
    )


def is_local(url: str) -> bool:
    """The URL leads to this machine: a Unix socket, localhost, or a loopback address."""
    parts = urlsplit(url)
    if parts.scheme == "ldapi" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _kind(server: Server, settings: LdapSettings) -> Finding:
    if settings.server != "auto":
        return Finding(ok=True, subject="server", detail=f"taken for {server.preset.title}, as the config says")
    if server.preset.name != "other":
        return Finding(ok=True, subject="server", detail=f"recognised as {server.preset.title}")
    return Finding(
        ok=False,
        subject="server",
        detail="it does not say what kind of server it is; entryUUID, nsUniqueId or objectGUID will be the key",
        cure="set server: to the kind it resembles most (openldap, 389ds, freeipa, active-directory, jumpcloud)",
    )


def _first_pages(
    asked: list[Query],
    collector: UserCollector | GroupCollector,
    wire: Wire,
    server: Server,
    settings: LdapSettings,
    session: Session,
) -> Generator[Finding, None, bool]:
    """A finding for each query; True when there are answers worth a closer look."""
    worth = True
    for query in asked:
        partial: list[Entry] = []
        size = settings.page_size if server.paging else None
        ending = search(wire, query, collector.receive, page_size=size, partial=partial, first_page_only=True)
        collector.receive([whole(wire, entry)[0] for entry in partial[:RANGED]])
        finding = _about_page(query, ending, server, settings, session)
        worth = worth and (finding.ok or ending.entries > 0)
        yield finding
    collector.finish()
    return worth


def _about_page(query: Query, ending: Ending, server: Server, settings: LdapSettings, session: Session) -> Finding:
    refused = refusal(ending, query, session.who)
    if refused:
        return Finding(ok=False, subject=query.name, detail=refused, cure=_cure(refused))
    if ending.result.code != 0:
        cure = limit_cure(ending.result.code, server.preset, session.who)
        cut = f"{describe(ending.result)} after {ending.entries} entries"
        return Finding(ok=False, subject=query.name, detail=cut, cure=cure)
    detail = f"{query.base}: {_number(ending)}{_pages(ending, settings)}"
    return Finding(ok=True, subject=query.name, detail=detail)


def _number(ending: Ending) -> str:
    number = f"{ending.entries} entries"
    return f"more than {number}" if ending.more else number


def _pages(ending: Ending, settings: LdapSettings) -> str:
    if not ending.paged:
        return ", read without paging: the server must not limit the size of an answer"
    return f", read in pages of {settings.page_size}" if ending.more else ""


def _users(people: UserCollector, scope: UserScope, who: str) -> Iterator[Finding]:
    if people.without_key:
        yield _missing("users.key", people.without_key, scope.spelling(people.attribute), who)
    elif people.keys:
        yield Finding(
            ok=True,
            subject="users.key",
            detail=f"{scope.spelling(people.attribute)}, readable in all entries looked at",
        )
    else:
        cure = f"mend users.base and users.filter (now {scope.filter}), or give {who} the right to read"
        yield Finding(ok=False, subject="users", detail="no user was found", cure=cure)
    addressed = sum(1 for user in people.users.values() if user.email)
    if people.users:
        sources = ", ".join(source.template or scope.spelling(source.needs[0]) for source in scope.emails)
        yield Finding(
            ok=addressed > 0,
            subject="users.email",
            detail=f"{addressed} of {len(people.users)} users looked at have an address ({sources})",
            cure="" if addressed else f"mend users.email, or give {who} the right to read {sources}",
        )
    for why in sorted(set(people.unsyncable.values()))[:3]:
        yield Finding(
            ok=False, subject="users", detail=why, cure=f"give {who} the right to read it, or mend the config"
        )


def _groups(groups: GroupCollector, scope: GroupScope, who: str) -> Iterator[Finding]:
    if groups.without_key:
        yield _missing("groups.key", groups.without_key, scope.spelling(groups.attribute), who)
    elif groups.groups:
        yield Finding(
            ok=True,
            subject="groups.key",
            detail=f"{scope.spelling(groups.attribute)}, readable in all entries looked at",
        )
    else:
        cure = f"mend groups.base and groups.filter (now {scope.filter}), or switch groups off with groups: false"
        yield Finding(ok=False, subject="groups", detail="no group was found", cure=cure)
        return
    names = ", ".join(map(scope.spelling, scope.member))
    filled = sum(1 for group in groups.groups.values() if group.members or group.subgroups) + min(groups.outside, 1)
    if groups.unreadable:
        yield _missing("groups.member", groups.unreadable, names, who)
    elif not filled:
        cure = f"mend groups.member, or give {who} the right to read it"
        yield Finding(ok=False, subject="groups.member", detail=f"no group has a member in {names}", cure=cure)
    else:
        yield Finding(ok=True, subject="groups.member", detail=f"{names}, readable")


def _missing(subject: str, entries: list[str], attribute: str, who: str) -> Finding:
    return Finding(
        ok=False,
        subject=subject,
        detail=f"{len(entries)} entries have no readable {attribute}, the first is {entries[0]}",
        cure=f"give {who} the right to read {attribute}, or name another attribute",
    )
