"""From the entries of an LDIF file to users and groups."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dirconnector.dn import normalise
from dirconnector.errors import DirectoryRefused
from dirconnector.model import Evidence, Group, Problem, Progress, Snapshot, User
from dirconnector.readers.file import ldif, members
from dirconnector.readers.file.ldif import Entry
from dirconnector.readers.file.people import disabled, email, first, text
from dirconnector.readers.file.settings import FileSettings, placeholders
from dirconnector.readers.file.source import Source

AUTO_KEYS = ("objectguid", "ipauniqueid", "nsuniqueid", "entryuuid")
"""Immutable ids, the one of the more particular server first: FreeIPA's entries have those of 389-ds too."""

_EVERY = 1000


@dataclass(slots=True)
class _Content:
    """What the file holds. ``lines`` is normalised DN -> line, ``doubts`` say why entries may be missing."""

    users: list[Entry] = field(default_factory=list)
    groups: list[Entry] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    end: str = "end of the file"


def read(source: Source, settings: FileSettings, attributes: frozenset[str], progress: Progress) -> Snapshot:
    """Everything that the file says. Raises what :meth:`FileReader.read` raises."""
    content = _content(source, settings, attributes, progress)
    if not content.users:
        raise DirectoryRefused(
            source.directory,
            f"{source.path}: none of {len(content.lines)} entries is a person; correct users.object_classes, or the "
            f"export. Object classes in the file: {', '.join(sorted(content.classes)) or 'none'}",
        )
    user_keys, user_doubts = _keys(source, content, content.users, settings.users.key)
    group_keys, group_doubts = _keys(source, content, content.groups, settings.groups.key)
    users, unsyncable = _users(source, content, user_keys, settings, attributes)
    tree = members.Tree.of(content.users, user_keys, content.groups, group_keys, settings)
    groups = {}
    for group in content.groups:
        if group.line not in group_keys:
            continue
        found = tree.members(group)
        groups[group_keys[group.line]] = Group(
            key=group_keys[group.line],
            name=first(group, settings.groups.name),
            directory=source.directory,
            entry=group.dn,
            members=found.users,
            subgroups=found.groups,
        )
        group_doubts += [f"{source.at(group.line)}: {why}" for why in found.doubts]
        content.problems += [Problem(directory=source.directory, entry=group.dn, why=why) for why in found.problems]
    return Snapshot(
        users=users,
        groups=groups,
        evidence=(
            _evidence(source, content, "users", len(content.users), user_doubts),
            _evidence(source, content, "groups", len(content.groups), group_doubts),
        ),
        problems=tuple(content.problems),
        unsyncable=unsyncable,
    )


def _wanted(settings: FileSettings, attributes: frozenset[str]) -> Callable[[str], bool]:
    users, groups = settings.users, settings.groups
    names = {"objectclass", "objectsid", "primarygroupid", *AUTO_KEYS, *attributes}
    names |= {"useraccountcontrol", "nsaccountlock", "pwdaccountlockedtime"}
    names |= {n.lower() for n in (*users.name, *users.username, users.key, *groups.name, *groups.member, groups.key)}
    names |= {n.lower() for item in users.email for n in placeholders(item) or [item]}
    if not isinstance(users.disabled, str):
        rules = users.disabled if isinstance(users.disabled, list) else [users.disabled]
        names |= {rule.attribute.lower() for rule in rules}
    return lambda name: name in names or ";range=" in name


def _content(source: Source, settings: FileSettings, attributes: frozenset[str], progress: Progress) -> _Content:
    content = _Content()
    person = {c.lower() for c in settings.users.object_classes}
    never = {c.lower() for c in settings.users.except_classes}
    group = {c.lower() for c in settings.groups.object_classes}
    with source.opened() as file:
        for record in ldif.records(file, source.refused, _wanted(settings, attributes)):
            if isinstance(record, ldif.Remark):
                _remark(source, content, record)
                continue
            _once(source, content, record)
            classes = {text(value).lower() for value in record.attributes.get("objectclass", ())}
            content.classes |= classes
            if not classes:
                why = "the entry has no objectClass, so that nobody knows what it is; export objectClass too"
                content.problems.append(Problem(directory=source.directory, entry=record.dn, why=why))
                content.doubts.append(f"{source.at(record.line)}: {why}")
            elif classes & group:
                content.groups.append(record)
            elif classes & person and not classes & never:
                content.users.append(record)
            if len(content.lines) % _EVERY == 0:
                progress(f"read {source.path.name}", len(content.lines), None)
    progress(f"read {source.path.name}", len(content.lines), len(content.lines))
    return content


def _remark(source: Source, content: _Content, remark: ldif.Remark) -> None:
    where = source.at(remark.line)
    if remark.kind == "end":
        content.end = f"{where}: {remark.why}"
        return
    content.problems.append(Problem(directory=source.directory, entry=where, why=remark.why))
    if remark.kind == "doubt":
        content.doubts.append(f"{where}: {remark.why}")


def _once(source: Source, content: _Content, entry: Entry) -> None:
    spelling = normalise(entry.dn)
    before = content.lines.setdefault(spelling, entry.line)
    if before != entry.line:
        raise source.refused(entry.line, f"the entry {entry.dn!r} was already in line {before}; remove one of them")


def _keys(source: Source, content: _Content, found: Iterable[Entry], setting: str) -> tuple[dict[int, str], list[str]]:
    """Line of the entry -> its key, and why some have none (then absence of a key proves nothing)."""
    entries = list(found)
    name = setting.lower()
    if name == "auto":
        name = next((n for n in AUTO_KEYS if any(n in e.attributes for e in entries)), "dn")
    keys: dict[int, str] = {}
    lines: dict[str, int] = {}
    missing: list[str] = []
    for entry in entries:
        key = entry.dn if name == "dn" else _key(source, entry, name)
        if not key:
            why = f"the entry has no {name}, which is its key"
            content.problems.append(Problem(directory=source.directory, entry=entry.dn, why=why))
            missing.append(f"{source.at(entry.line)}: {why}")
            continue
        before = lines.setdefault(key, entry.line)
        if before != entry.line:
            raise source.refused(
                entry.line, f"the {name} of {entry.dn!r} is already that of the entry in line {before}"
            )
        keys[entry.line] = key
    return keys, missing


def _key(source: Source, entry: Entry, name: str) -> str:
    values = entry.attributes.get(name, [])
    if len(values) > 1:
        raise source.refused(entry.line, f"{entry.dn!r} has {len(values)} values of {name}, which is its key")
    value = values[0].strip() if name != "objectguid" and values else b"".join(values)
    if name == "objectguid" and len(value) == 16:
        # [MS-DTYP] 2.3.4.2: the first three fields are little-endian
        return str(uuid.UUID(bytes_le=value))
    try:
        key = value.decode("utf-8")
        return str(uuid.UUID(key)) if name in ("objectguid", "entryuuid") and key else key
    except ValueError:
        raise source.refused(entry.line, f"the {name} of {entry.dn!r} is not an id; the file is damaged") from None


def _users(
    source: Source, content: _Content, keys: Mapping[int, str], settings: FileSettings, attributes: frozenset[str]
) -> tuple[dict[str, User], dict[str, str]]:
    users: dict[str, User] = {}
    unsyncable: dict[str, str] = {}
    for entry in content.users:
        key = keys.get(entry.line)
        if key is None:
            continue
        off = disabled(entry, settings.users.disabled)
        if isinstance(off, str):
            unsyncable[key] = off
            content.problems.append(Problem(directory=source.directory, entry=entry.dn, why=off))
            continue
        users[key] = User(
            key=key,
            email=email(entry, settings.users),
            name=first(entry, settings.users.name),
            enabled=not off,
            directory=source.directory,
            username=first(entry, settings.users.username),
            entry=entry.dn,
            attributes={
                name: tuple(text(value) for value in entry.attributes[name])
                for name in sorted(attributes & entry.attributes.keys())
            },
        )
    return users, unsyncable


def _evidence(source: Source, content: _Content, query: str, number: int, doubts: list[str]) -> Evidence:
    why = content.doubts + doubts
    more = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
    return Evidence(
        directory=source.directory,
        query=query,
        complete=not why,
        pages=1,
        entries=number,
        why=why[0] + more if why else content.end,
    )
