"""A snapshot that ``dirsync snapshot --json`` wrote, read again.

Everything gets the name of this directory; the name in the document stays in the evidence and in ``entry``.
What the document says about its own completeness holds: an incomplete snapshot stays incomplete.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Set
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dirconnector.errors import DirectoryRefused
from dirconnector.model import Evidence, Group, Problem, Progress, Snapshot, User
from dirconnector.readers.file.source import Source

QUERIES = ("users", "groups")


class _Part(BaseModel):
    # fields may be added to the document by later versions
    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


Key = Annotated[str, Field(min_length=1)]


class _User(_Part):
    key: Key
    email: str
    name: str
    enabled: bool
    directory: str = ""
    username: str = ""
    entry: str = ""
    attributes: dict[str, list[str]] = {}


class _Group(_Part):
    key: Key
    name: str
    directory: str = ""
    entry: str = ""
    members: list[str]
    subgroups: list[str] = []


class _Evidence(_Part):
    directory: str
    query: str
    complete: bool
    pages: int
    entries: int
    why: str = ""


class _Problem(_Part):
    directory: str
    entry: str
    why: str


class _Document(_Part):
    users: list[_User]
    groups: list[_Group]
    evidence: list[_Evidence]
    problems: list[_Problem]
    unsyncable: dict[str, str] | None = None
    deleted: dict[str, str] = {}


def read(source: Source, attributes: frozenset[str], progress: Progress) -> Snapshot:
    """The snapshot. Raises :class:`DirectoryRefused` for a document that is not one, naming the place in it."""
    document = _document(source)
    for what, keys in (("user", [u.key for u in document.users]), ("group", [g.key for g in document.groups])):
        key, times = next(iter(Counter(keys).most_common(1)), ("", 0))
        if times > 1:
            raise DirectoryRefused(
                source.directory, f"{source.path}: the {what} with key {key!r} is in it {times} times"
            )
    users = {u.key: _user(source, u, attributes) for u in document.users}
    progress(f"read {source.path.name}", len(users), len(users))
    problems = [
        Problem(directory=source.directory, entry=_from(p.entry, p.directory), why=p.why) for p in document.problems
    ]
    known = users.keys() | (document.unsyncable or {}).keys()
    names = {group.key for group in document.groups}
    doubts = []
    for group in document.groups:
        lost = (set(group.members) - known) | (set(group.subgroups) - names)
        if lost:
            why = f"{len(lost)} of its members are not in the file, like {min(lost)}"
            problems.append(Problem(directory=source.directory, entry=_from(group.name, group.directory), why=why))
            doubts.append(f"{group.name}: {why}")
    return Snapshot(
        users=users,
        groups={group.key: _group(source, group, known, names) for group in document.groups},
        evidence=_evidence(source, document, doubts),
        problems=tuple(problems),
        unsyncable=document.unsyncable or {},
        deleted=document.deleted,
    )


def _document(source: Source) -> _Document:
    text = source.text()
    try:
        return _Document.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise source.refused(error.lineno, f"not JSON ({error.msg}); the file is damaged here, or cut off") from None
    except RecursionError:
        raise source.refused(1, "not a snapshot: nested too deeply") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise DirectoryRefused(
            source.directory,
            f"{source.path}: {place}: {first['msg']}; the file must be what 'dirsync snapshot --json' prints",
        ) from None


def _user(source: Source, user: _User, attributes: frozenset[str]) -> User:
    values = {name.lower(): tuple(value) for name, value in user.attributes.items()}
    return User(
        key=user.key,
        email=user.email,
        name=user.name,
        enabled=user.enabled,
        directory=source.directory,
        username=user.username,
        entry=_from(user.entry or user.username or user.email or user.key, user.directory),
        attributes={name: values[name] for name in sorted(attributes & values.keys())},
    )


def _group(source: Source, group: _Group, users: Set[str], groups: Set[str]) -> Group:
    return Group(
        key=group.key,
        name=group.name,
        directory=source.directory,
        entry=_from(group.entry or group.name, group.directory),
        members=frozenset(group.members) & users,
        subgroups=frozenset(group.subgroups) & groups,
    )


def _from(entry: str, directory: str) -> str:
    return f"{entry} (from {directory})" if directory else entry


def _evidence(source: Source, document: _Document, lost: list[str]) -> tuple[Evidence, ...]:
    told = [
        Evidence(
            directory=source.directory,
            query=e.query,
            complete=e.complete,
            pages=e.pages,
            entries=e.entries,
            why=f"snapshot of {e.directory or 'a directory'}: {e.why or 'no reason given'}",
        )
        for e in document.evidence
    ]
    silent = [query for query in QUERIES if query not in {e.query for e in document.evidence}]
    doubts = dict.fromkeys(silent, "the snapshot does not say how this read ended")
    if document.problems and document.unsyncable is None:
        doubts["unsyncable"] = (
            "the snapshot has problems, but not the keys (unsyncable) of those who are therefore left out"
        )
    if lost:
        doubts["members"] = lost[0] if len(lost) == 1 else f"{lost[0]} (and {len(lost) - 1} more groups)"
    numbers = {"users": len(document.users), "groups": len(document.groups)}
    return tuple(told) + tuple(
        Evidence(
            directory=source.directory, query=query, complete=False, pages=0, entries=numbers.get(query, 0), why=why
        )
        for query, why in doubts.items()
    )
