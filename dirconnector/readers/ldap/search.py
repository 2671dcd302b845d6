"""Searches: requests out, pages of entries in, and how each search ended.

A page is decoded while the server already works on the next one: the end of a page is looked for before its entries
are decoded, and the next request leaves at once.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from socket import socket

from dirconnector.readers.ldap import ber, filters
from dirconnector.readers.ldap.ber import RANGE, Entry, MalformedMessage, Message, Result

BASE, SUBTREE = 0, 2
"""Scopes of a search (RFC 4511 section 4.5.1.2)."""

CHUNK = 256 * 1024
"""Bytes asked of the socket at once."""

EMPTY_PAGES = 100
"""So many pages in a row without an entry are a server that goes round in circles."""

SUCCESS = 0
PAGING_REFUSED = frozenset({2, 4, 11, 12, 53, 80})
"""Answers to the first page, without any entry, after which the search is worth a try without paging:
unavailableCriticalExtension as RFC 2696 wants it, and what servers say instead (OpenLDAP with
``size.prtotal=disabled`` reports a limit).
"""

PARTS_OF_A_SEARCH = (ber.SEARCH_ENTRY, ber.SEARCH_REFERENCE, ber.INTERMEDIATE_RESPONSE)

Receive = Callable[[Iterable[Entry]], None]


class ConnectionLost(Exception):
    """The stream of this connection cannot be used any more; another connection may work. Says what happened."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One search. ``name`` is what evidence calls it; ``controls`` are encoded, for every request of it."""

    name: str
    base: str
    filter: str = "(objectClass=*)"
    attributes: tuple[str, ...] = ()
    scope: int = SUBTREE
    controls: tuple[bytes, ...] = ()

    @cached_property
    def operation(self) -> bytes:
        """The encoded SearchRequest (RFC 4511 section 4.5.1): aliases never followed, no limits of our own."""
        return ber.tlv(
            0x63,
            ber.tlv(0x04, self.base.encode("utf-8", "surrogatepass")),
            ber.integer(self.scope, 0x0A),
            ber.integer(0, 0x0A),
            ber.integer(0),
            ber.integer(0),
            b"\x01\x01\x00",
            filters.encode(self.filter),
            ber.tlv(0x30, *(ber.tlv(0x04, name.encode("ascii")) for name in self.attributes or ("1.1",))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a search ended. ``broken`` is set when the server's own end cannot be trusted, and says why.

    ``referrals`` are continuation references that were skipped; ``more`` means that the reading stopped before the
    end because we chose to.
    """

    result: Result
    pages: int
    entries: int
    referrals: int = 0
    paged: bool = False
    broken: str = ""
    more: bool = False

    @property
    def complete(self) -> bool:
        """The server marked the end of the data."""
        return self.result.code == SUCCESS and not self.broken and not self.more


class Wire:
    """LDAP messages over a connected socket. ``next_id`` gives message ids that nobody else on this connection uses."""

    def __init__(self, connected: socket, next_id: Callable[[], int]) -> None:
        self._socket = connected
        self._next_id = next_id
        self._buffer = bytearray(CHUNK)
        self._filled = 0

    def send(self, operation: bytes, controls: list[bytes]) -> int:
        """Sends a request and returns its message id."""
        message_id = self._next_id()
        try:
            self._socket.sendall(ber.message(message_id, operation, controls))
        except (OSError, ssl.SSLError) as error:
            raise ConnectionLost(_words(error)) from None
        return message_id

    def receive(self, message_id: int) -> tuple[bytes, list[Message]]:
        """At least one whole message that answers ``message_id``, and where each lies in the bytes.

        Messages are returned as they come; what belongs to an earlier request is left out.
        """
        needed = self._filled + 1 if self._filled < 6 else 0
        while True:
            self._fill(needed)
            data = bytes(memoryview(self._buffer)[: self._filled])
            try:
                messages, used, needed = ber.split(data, ber.integer(message_id))
            except MalformedMessage as error:
                raise ConnectionLost(f"the answer is not LDAP: {error}") from None
            rest = self._filled - used
            if used:
                self._buffer[:rest] = data[used:]
                self._filled = rest
            if any(m[0] != message_id for m in messages):
                messages = [m for m in messages if _belongs(data, m, message_id)]
            if messages:
                return data, messages
            needed = max(needed, rest + 1)

    def _fill(self, needed: int) -> None:
        """Receives until at least ``needed`` bytes are there, and what else has arrived."""
        if needed > len(self._buffer):
            self._buffer.extend(bytes(needed + CHUNK - len(self._buffer)))
        while self._filled < needed:
            try:
                with memoryview(self._buffer) as view:
                    size = self._socket.recv_into(view[self._filled :])
            except (OSError, ssl.SSLError) as error:
                raise ConnectionLost(_words(error)) from None
            if not size:
                raise ConnectionLost("the server closed the connection in the middle of an answer")
            self._filled += size


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "the server sent nothing within the timeout"
    return error.strerror or str(error) or type(error).__name__


def _belongs(data: bytes, message: Message, message_id: int) -> bool:
    if message[0] == 0:  # unsolicited notification, RFC 4511 section 4.4.1: the server hangs up
        try:
            told = ber.decode_result(data, message[2], message[3])
        except MalformedMessage:
            raise ConnectionLost("the server announced that it hangs up") from None
        raise ConnectionLost(f"the server hung up: {told.diagnostic or f'result code {told.code}'}")
    return message[0] == message_id


@dataclass(slots=True)
class _Tally:
    pages: int = 0
    entries: int = 0
    referrals: int = 0
    empty_pages: int = 0

    def ending(self, result: Result, *, paged: bool, broken: str = "", more: bool = False) -> Ending:
        return Ending(
            result=result,
            pages=self.pages,
            entries=self.entries,
            referrals=self.referrals,
            paged=paged,
            broken=broken,
            more=more,
        )


def search(
    wire: Wire,
    query: Query,
    receive: Receive,
    *,
    page_size: int | None,
    partial: list[Entry] | None = None,
    first_page_only: bool = False,
) -> Ending:
    """Runs ``query`` and gives its entries to ``receive`` in the order of the server, some at a time.

    Entries that hold only a range of an attribute's values go to ``partial`` instead, when it is given: :func:`whole`
    completes them once the search has ended. With ``page_size`` None the search is not paged. A server that refuses
    the paging control is asked again without it; its answer is then complete only when it says success, because an
    unpaged answer has no other end. Raises :class:`ConnectionLost`.
    """
    tally = _Tally()
    names = ber.Names()
    paged, cookie = page_size is not None, b""
    message_id = _ask(wire, query, page_size, cookie)
    while True:
        result, following, before = None, b"", tally.entries
        while result is None:
            data, messages = wire.receive(message_id)
            try:
                if messages[-1][1] == ber.SEARCH_DONE:
                    last = messages.pop()
                    result = ber.decode_result(data, last[2], last[3])
                    following = _cookie(result) if paged else b""
                    if following and not first_page_only and result.code == SUCCESS:
                        message_id = _ask(wire, query, page_size, following)
                _decode(data, messages, names, receive, partial, tally)
            except MalformedMessage as error:
                raise ConnectionLost(f"the answer is not LDAP: {error}") from None
        tally.pages += 1
        tally.empty_pages = 0 if tally.entries > before else tally.empty_pages + 1
        if paged and tally.pages == 1 and not tally.entries and result.code in PAGING_REFUSED:
            return search(wire, query, receive, page_size=None, partial=partial)
        if result.code != SUCCESS or not following:
            return tally.ending(result, paged=paged, broken=_distrust(result, tally, paged=paged))
        if first_page_only:
            return tally.ending(result, paged=paged, more=True)
        if tally.empty_pages >= EMPTY_PAGES:
            why = f"the server sent {EMPTY_PAGES} pages without an entry and still says that more will come"
            return tally.ending(result, paged=paged, broken=why)


def _ask(wire: Wire, query: Query, page_size: int | None, cookie: bytes) -> int:
    controls = list(query.controls)
    if page_size is not None:
        controls.append(ber.paged_control(page_size, cookie, critical=True))
    return wire.send(query.operation, controls)


def _cookie(result: Result) -> bytes:
    return ber.decode_cookie(result.paged) if result.paged else b""


def _distrust(result: Result, tally: _Tally, *, paged: bool) -> str:
    if paged and tally.pages > 1 and result.code == SUCCESS and result.paged is None:
        return f"page {tally.pages} ended without the paged-results control that the pages before had"
    if not paged and result.code == SUCCESS and _cookie(result):
        return "the server sent a page although it was not asked for pages, and says that more will come"
    return ""


def _decode(
    data: bytes,
    messages: list[Message],
    names: ber.Names,
    receive: Receive,
    partial: list[Entry] | None,
    tally: _Tally,
) -> None:
    places = [(start, end) for _, tag, start, end in messages if tag == ber.SEARCH_ENTRY]
    if len(places) != len(messages):
        tally.referrals += sum(m[1] == ber.SEARCH_REFERENCE for m in messages)
        if any(m[1] not in PARTS_OF_A_SEARCH for m in messages):
            raise MalformedMessage("an operation that is no part of a search")
    tally.entries += len(places)
    if places:
        receive(_entries(data, places, names, partial))


def _entries(
    data: bytes, places: list[tuple[int, int]], names: ber.Names, partial: list[Entry] | None
) -> Iterator[Entry]:
    """One entry after the other, each gone before the next is made: that keeps memory and the garbage collector
    quiet.
    """
    decode = ber.decode_entry
    for start, end in places:
        entry = decode(data, start, end, names)
        if names.ranged and partial is not None and any(RANGE in name for name in entry[1]):
            partial.append(entry)
        else:
            yield entry


# ------------------------------------------------------------------------------------------------- ranged retrieval


def whole(wire: Wire, entry: Entry) -> tuple[Entry, str]:
    """A partial entry with all its values, and what went wrong on the way (empty when nothing did).

    ``member;range=a-b`` becomes ``member`` again; Active Directory leaves an empty ``member`` beside it. Raises
    :class:`ConnectionLost`.
    """
    dn, attributes = entry
    joined: dict[str, list[bytes]] = {}
    trouble = ""
    for description, values in attributes.items():
        joined.setdefault(description.partition(RANGE)[0], []).extend(values)
        if RANGE in description:
            more, why = rest_of_range(wire, dn, description)
            joined[description.partition(RANGE)[0]] += more
            trouble = trouble or why
    return (dn, joined), trouble


def rest_of_range(wire: Wire, dn: str, description: str) -> tuple[list[bytes], str]:
    """The values that follow a partial description, and what went wrong on the way (empty when nothing did)."""
    attribute, _, bounds = description.partition(RANGE)
    values: list[bytes] = []
    asked = 0
    while not bounds.endswith("-*"):
        upper = bounds.partition("-")[2]
        if not upper.isdecimal() or int(upper) < asked:
            return values, f"{attribute}: the server answered the odd range {bounds!r}"
        asked = int(upper) + 1
        found: list[Entry] = []
        query = Query(name="range", base=dn, scope=BASE, attributes=(f"{attribute}{RANGE}{asked}-*",))
        ending = search(wire, query, found.extend, page_size=None)
        if not ending.complete:
            return values, f"{attribute}: values from number {asked} on: {describe(ending.result)}"
        prefix = f"{attribute}{RANGE}{asked}-"
        answers = [name for entry in found for name in entry[1] if name.startswith(prefix)]
        if not answers:
            return values, f"{attribute}: the server did not answer for the values from number {asked} on"
        bounds = answers[0].partition(RANGE)[2]
        values += found[0][1][answers[0]]
    return values, ""


# --------------------------------------------------------------------------------------------------- naming results

NAMES = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    18: "inappropriateMatching",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}
"""Result codes (RFC 4511 appendix A) that searches and binds meet."""


def describe(result: Result) -> str:
    """``sizeLimitExceeded (4)`` and what the server says about it."""
    name = f"{NAMES.get(result.code, 'result code')} ({result.code})"
    return f"{name}: {result.diagnostic}" if result.diagnostic else name
