"""A TCP proxy between a client and a server that breaks the connection at a chosen place."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

CHUNK = 65536


@dataclass(kw_only=True)
class Proxy:
    """``with Proxy(to=389) as proxy:`` listens on ``proxy.port`` of 127.0.0.1 and connects to port ``to``.

    ``cut_after`` resets the connection (RST, as a broken firewall does) once that many bytes came from the
    server;
    with ``orderly`` it is closed (FIN) instead. ``stall_after`` passes nothing on after that many bytes and
    keeps the
    connection open. ``cut_at_page`` resets instead of passing on the answer to the k-th request that the
    client sends
    with ``page_marker`` in it on one connection (the OID of the paged results control by default: the k-th page).
    With ``faulty`` only so many connections are broken, the first ones: the client's next try succeeds.
    The counters are of all connections: ``connections``, ``from_server`` and ``from_client`` in bytes,
    ``requests``
    with the marker.
    """

    to: int
    cut_after: int | None = None
    stall_after: int | None = None
    cut_at_page: int | None = None
    orderly: bool = False
    faulty: int | None = None
    page_marker: bytes = b"1.2.840.113556.1.4.319"
    connections: int = 0
    from_server: int = 0
    from_client: int = 0
    requests: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.ldaps_url = f"ldaps://127.0.0.1:{self.port}"
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._sockets):
            self._end(one)
        for thread in list(self._threads):
            thread.join()

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # the listener was closed: the end of the test
            server = socket.create_connection(("127.0.0.1", self.to))
            self.connections += 1
            self._sockets += [client, server]
            breaks = self.faulty is None or self.connections <= self.faulty
            self._run(self._from_client, client, server, breaks)
            self._run(self._from_server, client, server, breaks)

    def _from_client(self, client: socket.socket, server: socket.socket, breaks: bool) -> None:
        requests = 0
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK):
                self.from_client += len(data)
                self.requests += data.count(self.page_marker)
                requests += data.count(self.page_marker)
                if breaks and self.cut_at_page and requests >= self.cut_at_page:
                    self._cut(client)
                    break
                server.sendall(data)
        self._end(server)

    def _from_server(self, client: socket.socket, server: socket.socket, breaks: bool) -> None:
        passed = 0
        limit = (self.cut_after if self.cut_after is not None else self.stall_after) if breaks else None
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                self.from_server += len(data)
                allowed = data if limit is None else data[: max(0, limit - passed)]
                passed += len(allowed)
                client.sendall(allowed)
                if breaks and self.cut_after is not None and passed >= self.cut_after:
                    self._cut(client)
                    break
        self._end(client)

    def _cut(self, client: socket.socket) -> None:
        if not self.orderly:
            # lingering for zero seconds turns close() into a reset, once the other thread let go of the socket
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.shutdown(socket.SHUT_RD)
            client.close()
        else:
            self._end(client)

    @staticmethod
    def _end(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
