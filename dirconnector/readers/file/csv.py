"""People and groups from CSV tables (RFC 4180)."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dirconnector.errors import DirectoryRefused
from dirconnector.model import Evidence, Group, Progress, Snapshot, User
from dirconnector.readers.file.source import Source

USER_COLUMNS = ("key", "email", "name", "username", "enabled", "groups")
GROUP_COLUMNS = ("key", "name", "parent")

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_ALIKE = 0.8


class _Row(NamedTuple):
    line: int
    cells: Mapping[str, str]


class _Table(NamedTuple):
    rows: list[_Row]
    doubt: str


def read(
    users: Source, groups: Source | None, delimiter: str, attributes: frozenset[str], progress: Progress
) -> Snapshot:
    """The table of people, and the table of groups when there is one.

    Raises :class:`DirectoryRefused`, naming file and line, for a table that is damaged: a wrong number of
    columns, a key or a name twice, a group that is not in the table of groups, ``enabled`` that is neither
    true nor false.
    """
    people = _table(users, delimiter, required=("key", "email"), known=USER_COLUMNS, others=True)
    if not people.rows:
        raise DirectoryRefused(
            users.directory,
            f"{users.path}: there are no people under the header, which cannot be true; look at the export",
        )
    _unique(users, people, "key")
    listed = None
    if groups is not None:
        listed = _table(groups, delimiter, required=("key", "name"), known=GROUP_COLUMNS, others=False)
        _unique(groups, listed, "key")
        _unique(groups, listed, "name")
    found = {row.cells["key"]: _user(users, row, attributes) for row in people.rows}
    keys = {row.cells["name"]: row.cells["key"] for row in listed.rows} if listed else None
    members = _members(users, people, keys)
    progress(f"read {users.path.name}", len(people.rows), len(people.rows))
    tree = _listed_groups(groups, listed, members) if groups and listed else _named_groups(users, members)
    doubt = people.doubt or (listed.doubt if listed else "")
    return Snapshot(
        users=found,
        groups=tree,
        evidence=tuple(
            Evidence(
                directory=users.directory,
                query=query,
                complete=not doubt,
                pages=1,
                entries=number,
                why=doubt or "end of the file",
            )
            for query, number in (("users", len(found)), ("groups", len(tree)))
        ),
    )


def _table(
    source: Source, delimiter: str, *, required: tuple[str, ...], known: tuple[str, ...], others: bool
) -> _Table:
    text = source.text()
    # strict: a quote that is never closed is an error, not the rest of the file
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = _rows(source, reader)
    header_line, header = next(rows, (1, []))
    names = _header(source, header_line, header, required, known, others)
    table = []
    for line, cells in rows:
        if len(cells) != len(names):
            raise source.refused(
                line, f"the row has {len(cells)} columns and the header has {len(names)}; the file is damaged here"
            )
        row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        if not row["key"]:
            raise source.refused(line, "the row has no key")
        table.append(_Row(line, row))
    doubt = ""
    if not text.endswith("\n"):
        last = text.count("\n") + 1
        doubt = (
            f"{source.at(last)}: the last line has no line end, as in a file that was cut off; "
            "add one if the file is whole"
        )
    return _Table(table, doubt)


def _rows(source: Source, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """The rows with the number of their first line; empty lines are passed over."""
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise source.refused(start, f"not CSV ({error}); the file is damaged in this row") from None
        if cells:
            yield start, cells
        start = reader.line_num + 1  # type: ignore[attr-defined]  # the reader of csv has it


def _header(
    source: Source, line: int, cells: list[str], required: tuple[str, ...], known: tuple[str, ...], others: bool
) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    listed = ", ".join(names)
    missing = [name for name in required if name not in names]
    if missing:
        raise source.refused(
            line,
            f"the header has no column {' and no column '.join(missing)}; it has: {listed}. "
            "If that is one column, set delimiter",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise source.refused(line, f"the header has the column {twice[0]!r} twice")
    for name in names:
        if name in known:
            continue
        # "enabeld" taken for an attribute would make everybody enabled
        alike = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if not name or alike or not others:
            hint = f"; did you mean {alike[0]!r}?" if alike else f"; known are {', '.join(known)}"
            raise source.refused(line, f"unknown column {name!r}{hint}")
    return names


def _unique(source: Source, table: _Table, column: str) -> None:
    lines: dict[str, int] = {}
    for row in table.rows:
        value = row.cells[column]
        if not value:
            raise source.refused(row.line, f"the row has no {column}")
        before = lines.setdefault(value, row.line)
        if before != row.line:
            raise source.refused(row.line, f"the {column} {value!r} was already in line {before}; remove one of them")


def _user(source: Source, row: _Row, attributes: frozenset[str]) -> User:
    cells = row.cells
    enabled = _TRUTH.get(cells["enabled"].lower()) if "enabled" in cells else True
    if enabled is None:
        raise source.refused(row.line, f"enabled is {cells['enabled']!r}; write true or false")
    return User(
        key=cells["key"],
        email=cells["email"],
        name=cells.get("name", ""),
        enabled=enabled,
        directory=source.directory,
        username=cells.get("username", ""),
        entry=source.at(row.line),
        attributes={name: (cells[name],) for name in sorted(attributes & cells.keys()) if cells[name]},
    )


def _names(cell: str) -> list[str]:
    return [name for name in (part.strip() for part in cell.split(";")) if name]


def _members(source: Source, people: _Table, keys: Mapping[str, str] | None) -> dict[str, set[str]]:
    """Group key -> user keys. ``keys`` maps the names of the table of groups; without one a group's name is its key."""
    members: dict[str, set[str]] = {}
    for row in people.rows:
        for name in _names(row.cells.get("groups", "")):
            if keys is not None and name not in keys:
                raise source.refused(row.line, f"the group {name!r} is not in the table of groups")
            members.setdefault(name if keys is None else keys[name], set()).add(row.cells["key"])
    return members


def _named_groups(source: Source, members: Mapping[str, set[str]]) -> dict[str, Group]:
    return {
        name: Group(
            key=name,
            name=name,
            directory=source.directory,
            entry=f"{source.path.name}: {name}",
            members=frozenset(keys),
        )
        for name, keys in members.items()
    }


def _listed_groups(source: Source, table: _Table, members: Mapping[str, set[str]]) -> dict[str, Group]:
    keys = {row.cells["name"]: row.cells["key"] for row in table.rows}
    children: dict[str, set[str]] = {}
    for row in table.rows:
        for parent in _names(row.cells.get("parent", "")):
            if parent not in keys:
                raise source.refused(row.line, f"the parent {parent!r} is not in the table of groups")
            if keys[parent] != row.cells["key"]:
                children.setdefault(keys[parent], set()).add(row.cells["key"])
    return {
        row.cells["key"]: Group(
            key=row.cells["key"],
            name=row.cells["name"],
            directory=source.directory,
            entry=source.at(row.line),
            members=frozenset(members.get(row.cells["key"], ())),
            subgroups=frozenset(children.get(row.cells["key"], ())),
        )
        for row in table.rows
    }
