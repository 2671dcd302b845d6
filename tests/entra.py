"""What the tests of ``kind: entra`` share: a clock that does not tick, a reader of an emulator, a raw client."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from dirconnector.readers.entra import EntraReader, EntraSettings
from tests.emulators.entra import EntraEmulator


class Clock:
    """Time that passes only by waiting. ``waits`` are all of them, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.waits.append(seconds)


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[EntraEmulator]:
    """An emulator whose secret is in the environment."""
    with EntraEmulator(**options) as emulator:
        for name, value in emulator.env.items():
            monkeypatch.setenv(name, value)
        yield emulator


def reader(
    entra: EntraEmulator, *, attributes: frozenset[str] = frozenset(), clock: Clock | None = None, **changes: Any
) -> EntraReader:
    """A reader of the emulator, named ``hq``; ``changes`` to the config entry, None removes a key."""
    entry = {k: v for k, v in (entra.directory | changes).items() if k != "kind" and v is not None}
    clock = clock or Clock()
    return EntraReader("hq", EntraSettings.model_validate(entry), attributes, clock=clock, sleep=clock.sleep)


def nobody_there() -> str:
    """The URL of a port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{probe.getsockname()[1]}"


class Reply(NamedTuple):
    """An answer: status, headers with names in lower case, and the body, parsed where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class Raw:
    """A client that sends exactly what it is told. ``token`` goes into every request to Graph."""

    def __init__(self, entra: EntraEmulator) -> None:
        self._entra = entra
        self._context = ssl.create_default_context(cafile=str(entra.ca_file))
        self.token = ""

    def send(self, method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        """One request; ``url`` may be a path."""
        parts = urlsplit(url if url.startswith("https://") else self._entra.url + url)
        connection = HTTPSConnection(str(parts.hostname), parts.port, context=self._context, timeout=20)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            raw = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            parsed = json.loads(raw) if "json" in found.get("content-type", "") else raw.decode()
            return Reply(response.status, found, parsed)
        finally:
            connection.close()

    def form(self, path: str, **fields: str) -> Reply:
        """A POST of a form."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, headers=headers, body=urlencode(fields).encode())

    def sign_in(self) -> None:
        """Get a token with the seeded secret."""
        tenant = self._entra.tenant
        reply = self.form(
            f"/{tenant.id}/oauth2/v2.0/token",
            grant_type="client_credentials",
            client_id=tenant.app.client_id,
            client_secret=tenant.app.secret,
            scope="https://graph.microsoft.com/.default",
        )
        assert reply.status == 200, reply.body
        self.token = reply.body["access_token"]

    def graph(self, path: str, *, method: str = "GET", posted: Any = None, **headers: str) -> Reply:
        """A request to Graph; ``ConsistencyLevel="eventual"`` and the like are headers."""
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        body = None
        if posted is not None:
            sent["Content-Type"] = "application/json"
            body = json.dumps(posted).encode()
        return self.send(method, path, headers=sent, body=body)

    def pages(self, path: str, **headers: str) -> list[Any]:
        """Every page from ``path`` on."""
        found: list[Any] = []
        url: str | None = path
        while url:
            reply = self.graph(url, **headers)
            assert reply.status == 200, reply.body
            found.append(reply.body)
            url = reply.body.get("@odata.nextLink")
        return found


@pytest.fixture
def entra(monkeypatch: pytest.MonkeyPatch) -> Iterator[EntraEmulator]:
    """An empty tenant."""
    with running(monkeypatch) as emulator:
        yield emulator
