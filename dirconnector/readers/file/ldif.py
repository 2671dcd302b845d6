"""LDIF (RFC 2849), read as a stream: what ldapsearch, slapcat, ldifde, db2ldif and people write.

Accepted beyond the RFC: raw UTF-8 in values, ``version: 1`` between files that were put together, and the
lines that ``ldapsearch`` adds when it is called without ``-LLL``. Those tell how the search ended, which an
LDIF file itself never does. Messages never quote a value: it may be a password.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Refused = Callable[[int, str], Exception]
"""Makes the error for a line of the file, see :meth:`dirconnector.readers.file.source.Source.refused`."""


class Entry(NamedTuple):
    """One entry. ``attributes`` are by lower-case description (``member;range=0-1499``), values are bytes."""

    line: int
    dn: str
    attributes: Mapping[str, list[bytes]]


class Remark(NamedTuple):
    """Something that the file says about itself.

    ``doubt``: entries may be missing because of it. ``problem``: something was left out. ``end``: the export
    says that it is whole.
    """

    line: int
    kind: Literal["doubt", "problem", "end"]
    why: str


class _Line(NamedTuple):
    number: int
    name: str
    mark: bytes
    value: bytes


# attribute type, options (RFC 4512 section 2.5; "=" and "*" for the ranges of Active Directory), then ":", "::" or ":<"
_LINE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9._-]*(?:;[A-Za-z0-9._=*-]+)*)(::|:<|:) *(.*)", re.DOTALL)
_RESULT = re.compile(r"(\d+)\s*(.*)")


def records(
    lines: Iterable[bytes], refused: Refused, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[Entry | Remark]:
    """The entries of a file, and remarks on it, in file order. ``wanted`` says which attributes are kept.

    ``lines`` are the physical lines with their line ends. Raises what ``refused`` makes for the first line
    that is not LDIF, or is LDIF that describes changes instead of a directory.
    """
    seen = _Seen()
    block: list[_Line] = []
    for number, text in _unfold(seen.passing(lines), refused):
        if text:
            block.append(_parse(number, text, refused))
        elif block:
            record = _record(block, refused, wanted)
            if isinstance(record, _SearchResult):
                seen.results.append(record)
            elif record is not None:
                yield record
            block = []
    yield from seen.remarks()


class _SearchResult(NamedTuple):
    line: int
    code: str
    words: str


@dataclass(slots=True)
class _Seen:
    """What went by and tells how the export ended: the last physical line, and what ldapsearch adds to the entries.

    ldapsearch without ``-L`` writes a header and a result for each page, and a cookie that is not empty while
    there are more pages; with ``-LLL`` it writes the cookie as a comment and nothing else.
    """

    number: int = 0
    last: bytes = b"\n"
    headers: int = 0
    results: list[_SearchResult] = field(default_factory=list)
    cookie_at: int = 0

    def passing(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for self.number, self.last in enumerate(lines, 1):
            if self.last.startswith(_HEADER):
                self.headers += 1
            elif self.last.startswith(_COOKIES):
                self.cookie_at = self.number if self.last.partition(b"cookie=")[2].strip() else 0
            yield self.last

    def remarks(self) -> Iterator[Remark]:
        if not self.last.endswith(b"\n"):
            why = "the last line has no line end, as in a file that was cut off; add one if the file is whole"
            yield Remark(self.number, "doubt", why)
        if self.headers > len(self.results):
            why = "ldapsearch ends its output with 'result:', which is missing: the file was cut off; export again"
            yield Remark(self.number, "doubt", why)
        if self.cookie_at:
            why = "ldapsearch stopped after a page and there are more; export again, with -E pr=1000/noprompt"
            yield Remark(self.cookie_at, "doubt", why)
        for result in self.results:
            if result.code != "0":
                why = f"ldapsearch ended with result {result.code} {result.words}".rstrip()
                yield Remark(result.line, "doubt", f"{why}; export again, with paging (-E pr=1000/noprompt)")
        if self.results:
            yield Remark(self.results[-1].line, "end", "ldapsearch ended with result 0")


_HEADER = b"# extended LDIF"
_COOKIES = (b"pagedresults:", b"# pagedresults:")


def _unfold(lines: Iterable[bytes], refused: Refused) -> Iterator[tuple[int, bytes]]:
    """Logical lines with the number of their first physical line, comments left out, an empty one at the end."""
    start, parts = 0, [b""]
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\r\n")
        if b"\x00" in line:
            raise refused(number, "NUL byte: the file is damaged")
        if line.startswith(b" "):
            if not parts[0]:
                raise refused(number, "the line continues another one (it starts with a space), but there is none")
            parts.append(line[1:])
            continue
        if start and not parts[0].startswith(b"#"):
            yield start, b"".join(parts)
        start, parts = number, [line]
    if start and not parts[0].startswith(b"#"):
        yield start, b"".join(parts)
    yield start + 1, b""


def _parse(number: int, text: bytes, refused: Refused) -> _Line:
    match = _LINE.fullmatch(text)
    if match is None:
        raise refused(number, "not a line of LDIF: it should be 'attribute: value'; the file is damaged here")
    name, mark, value = match.groups()
    return _Line(number, name.decode("ascii").lower(), mark, value)


def _record(
    block: list[_Line], refused: Refused, wanted: Callable[[str], bool]
) -> Entry | Remark | _SearchResult | None:
    if block[0].name == "version":
        if block[0].value.strip() != b"1":
            raise refused(block[0].number, "only LDIF version 1 can be read")
        block = block[1:]
        if not block:
            return None
    first = block[0]
    if first.name == "search":
        return _search_result(block, refused)
    if first.name == "ref":
        return Remark(first.number, "problem", "the search was referred to another server, which was not asked")
    if first.name != "dn":
        raise refused(first.number, f"an entry starts with 'dn:', not with '{first.name}:'; the file is damaged here")
    return _entry(first, block[1:], refused, wanted)


def _entry(first: _Line, rest: list[_Line], refused: Refused, wanted: Callable[[str], bool]) -> Entry:
    dn = _text(first, refused)
    changetype = next((line for line in rest if line.name == "changetype"), None)
    if changetype:
        if _text(changetype, refused).strip().lower() != "add":
            raise refused(
                changetype.number,
                "changetype says that this is a change, not an entry; export the entries themselves",
            )
        rest = [line for line in rest if line.name not in ("changetype", "control")]
    if not rest:
        raise refused(first.number, f"the entry {dn!r} has no attributes; the file is damaged here")
    attributes: dict[str, list[bytes]] = {}
    for line in rest:
        if line.name == "dn":
            raise refused(line.number, "a second 'dn:' in one entry; entries are separated by an empty line")
        if wanted(line.name):
            attributes.setdefault(line.name, []).append(_value(line, refused))
    return Entry(first.number, dn, attributes)


def _value(line: _Line, refused: Refused) -> bytes:
    if line.mark == b":":
        return line.value
    if line.mark == b":<":
        raise refused(
            line.number,
            f"the value of {line.name} is in another file (':<'), which is not read; export it inline "
            "(ldapsearch: without -t)",
        )
    try:
        return binascii.a2b_base64(line.value.rstrip(), strict_mode=True)
    except binascii.Error:
        raise refused(line.number, f"the value of {line.name} is not base64; the file is damaged here") from None


def _text(line: _Line, refused: Refused) -> str:
    try:
        return _value(line, refused).decode("utf-8")
    except UnicodeDecodeError:
        raise refused(line.number, f"the value of {line.name} is not UTF-8; export the file as UTF-8") from None


def _search_result(block: list[_Line], refused: Refused) -> _SearchResult:
    """The end of a search as ldapsearch prints it: ``search: 2``, ``result: 4 Size limit exceeded``."""
    for line in block:
        match = _RESULT.fullmatch(_text(line, refused)) if line.name == "result" else None
        if match:
            return _SearchResult(line.number, match.group(1), match.group(2))
    raise refused(block[0].number, "'search:' without 'result:'; the file is damaged here")
