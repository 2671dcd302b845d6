"""A scripted LDAP server on a socket of its own, for answers that no real server can be made to give.

It reads and writes the bytes itself (RFC 4511, X.690), so that it shares no code with the reader under test.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

BIND, SEARCH = 0x60, 0x63
PAGED_RESULTS = "1.2.840.113556.1.4.319"
ACTIVE_DIRECTORY = {
    "defaultNamingContext": ["DC=corp,DC=example,DC=org"],
    "rootDomainNamingContext": ["DC=corp,DC=example,DC=org"],
    "supportedCapabilities": ["1.2.840.113556.1.4.800"],
    "supportedControl": [PAGED_RESULTS],
}


Element = tuple[int, bytes]
"""Tag and content."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A search that came in. ``cookie`` and ``page_size`` are None without the paged results control."""

    id: int
    base: str
    scope: int
    attributes: tuple[str, ...]
    page_size: int | None
    cookie: bytes | None
    connection: int


Script = Callable[[Request], Sequence[bytes]]
"""What to send as the answer to a search; an empty answer hangs up."""


@dataclass(kw_only=True)
class Responder:
    """``with Responder(script=...) as server:`` answers the root DSE with ``root``, and binds with ``bind``: a code
    and a text; None hangs up.

    ``requests`` are the other searches that came in, in order. ``url``, ``bind_dn`` and ``password`` are what
    a reader needs.
    """

    script: Script
    root: Mapping[str, Sequence[str]] = field(default_factory=lambda: ACTIVE_DIRECTORY)
    bind: tuple[int, str] | None = (0, "")
    requests: list[Request] = field(default_factory=list)
    binds: int = 0
    connections: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # the end of the test
            self.connections += 1
            self._open.append(client)
            thread = threading.Thread(target=self._serve, args=(client, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, connection: int) -> None:
        data = b""
        with contextlib.suppress(OSError), client:
            while more := client.recv(65536):
                data += more
                while whole := complete(data):
                    (_, message), data = whole
                    answer = self._answer(elements(message), connection)
                    if not answer:
                        return
                    client.sendall(b"".join(answer))

    def _answer(self, message: list[Element], connection: int) -> Sequence[bytes]:
        number = int.from_bytes(message[0][1], "big")
        operation, body = message[1]
        if operation == BIND:
            self.binds += 1
            return [result(number, *self.bind, tag=0x61)] if self.bind else []
        if operation != SEARCH:
            return []
        request = _search(number, elements(body), message[2:], connection)
        if request.base == "" and request.scope == 0:
            return [entry(number, "", self.root), result(number)]
        self.requests.append(request)
        return self.script(request)


def _search(number: int, search: list[Element], controls: list[Element], connection: int) -> Request:
    size, cookie = None, None
    for _, control in elements(controls[0][1]) if controls else ():
        oid, *_, value = (content for _, content in elements(control))
        if oid == PAGED_RESULTS.encode():
            (_, asked), (_, cookie) = elements(first(value)[0][1])
            size = int.from_bytes(asked, "big")
    base, scope, *_, attributes = (content for _, content in search)
    return Request(
        id=number,
        base=base.decode(),
        scope=scope[0],
        attributes=tuple(name.decode() for _, name in elements(attributes)),
        page_size=size,
        cookie=cookie,
        connection=connection,
    )


def complete(data: bytes) -> tuple[Element, bytes] | None:
    """As :func:`first`; None when the rest of the first element is still on its way."""
    try:
        return first(data)
    except IndexError:
        return None


def first(data: bytes) -> tuple[Element, bytes]:
    """The first element of BER and what follows it. Raises IndexError when it is not all there."""
    length, start = data[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise IndexError
    return (data[0], data[start : start + length]), data[start + length :]


def elements(data: bytes) -> list[Element]:
    """The elements that a constructed element is made of."""
    found = []
    while data:
        element, data = first(data)
        found.append(element)
    return found


def tlv(tag: int, *parts: bytes) -> bytes:
    """Tag, definite length, value (X.690 section 8.1)."""
    data = b"".join(parts)
    size = len(data)
    if size < 0x80:
        return bytes((tag, size)) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + data


def _integer(tag: int, number: int) -> bytes:
    return tlv(tag, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def entry(number: int, dn: str, attributes: Mapping[str, Sequence[str | bytes]]) -> bytes:
    """A SearchResultEntry (RFC 4511 section 4.5.2) with the message id of the request."""
    listed = b"".join(
        tlv(
            0x30,
            tlv(0x04, name.encode()),
            tlv(0x31, *(tlv(0x04, v if isinstance(v, bytes) else v.encode()) for v in values)),
        )
        for name, values in attributes.items()
    )
    return tlv(0x30, _integer(0x02, number), tlv(0x64, tlv(0x04, dn.encode()), tlv(0x30, listed)))


def reference(number: int, url: str) -> bytes:
    """A SearchResultReference: more data is elsewhere."""
    return tlv(0x30, _integer(0x02, number), tlv(0x73, tlv(0x04, url.encode())))


def result(
    number: int, code: int = 0, diagnostic: str = "", *, cookie: bytes | None = None, tag: int = 0x65, matched: str = ""
) -> bytes:
    """A SearchResultDone (or a BindResponse, tag 0x61); with ``cookie`` it carries the paged results control
    (RFC 2696).
    """
    body = tlv(tag, _integer(0x0A, code), tlv(0x04, matched.encode()), tlv(0x04, diagnostic.encode()))
    if cookie is None:
        return tlv(0x30, _integer(0x02, number), body)
    value = tlv(0x30, _integer(0x02, 0), tlv(0x04, cookie))
    control = tlv(0x30, tlv(0x04, PAGED_RESULTS.encode()), tlv(0x04, value))
    return tlv(0x30, _integer(0x02, number), body, tlv(0xA0, control))


def notice_of_disconnection(code: int = 52, diagnostic: str = "going down") -> bytes:
    """The unsolicited notification of RFC 4511 section 4.4.1."""
    name = tlv(0x8A, b"1.3.6.1.4.1.1466.20036")
    return tlv(
        0x30,
        _integer(0x02, 0),
        tlv(0x78, _integer(0x0A, code), tlv(0x04), tlv(0x04, diagnostic.encode()), name),
    )
