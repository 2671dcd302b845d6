"""What the emulators of the hosted directories share: TLS on loopback, counted calls, latency, faults, side doors.

A service is a subclass of :class:`Service` that makes its Starlette application (:meth:`Service.app`) and names the
templates of its paths. ``/_emulator/calls`` (GET, DELETE), ``/_emulator/state`` (GET, POST) and ``/_emulator/faults``
(GET, POST) are side doors: not counted, not delayed, not hit by faults, no token needed.

A fault is ``{"match": "GET /v1.0/users", "fault": F}`` with, optionally, one of ``nth`` (only the k-th matching call),
``every`` (each k-th), ``probability`` (with ``seed``), and ``times`` (at most so often). ``match`` is a glob over
``METHOD /path/{id}``. F is ``status:CODE`` (the service's own error body and headers for that code), ``drop`` (the
connection breaks without an answer), ``cut`` (it breaks in the middle of the answer), ``slow:SECONDS``, or a word that
the service itself knows; such words are in ``scope["emulator.faults"]`` for its endpoints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import trustme
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

START_SECONDS = 20.0
DOORS = "/_emulator/"


class EmulatorError(Exception):
    """The emulator did not start or stop, or failed where the service that it imitates would not have."""


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault and when it strikes; see the module's docstring."""

    match: str
    fault: str
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    times: int | None = None
    seen: int = 0
    struck: int = 0
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.nth, self.every, self.probability)) > 1:
            raise ValueError("a rule has at most one of nth, every, probability")
        self._random = Random(self.seed)

    def strikes(self, label: str) -> bool:
        """Whether this call is hit; counts it."""
        if not fnmatchcase(label, self.match):
            return False
        self.seen += 1
        if self.times is not None and self.struck >= self.times:
            return False
        if self.nth is not None:
            hit = self.seen == self.nth
        elif self.every is not None:
            hit = self.seen % self.every == 0
        else:
            hit = self.probability is None or self._random.random() < self.probability
        self.struck += hit
        return hit


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, match: str, fault: str, **when: Any) -> None:
        """Add a rule: ``faults.add("GET /v1.0/users", "status:429", nth=2)``."""
        self._rules.append(Rule(match=match, fault=fault, **when))

    def replace(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Put these rules in place of all others."""
        self._rules = [Rule(**rule) for rule in rules]

    def clear(self) -> None:
        """No faults any more."""
        self._rules = []

    def strike(self, label: str) -> list[str]:
        """The faults that hit this call."""
        return [rule.fault for rule in self._rules if rule.strikes(label)]

    def shown(self) -> list[dict[str, Any]]:
        """The rules and how often each struck."""
        return [{k: v for k, v in asdict(rule).items() if not k.startswith("_")} for rule in self._rules]


class Service:
    """A running emulator, as a context manager."""

    name = "service"
    ca_file: Path
    url: str

    def __init__(
        self, *, port: int = 0, cert: str | None = None, key: str | None = None, latency_seconds: float = 0.0
    ) -> None:
        self.port, self.cert, self.key = port, cert, key
        self.latency_seconds = latency_seconds
        self.calls: Counter[str] = Counter()
        self.log: list[str] = []
        self.faults = Faults()
        self.crashes: list[Exception] = []
        self.running = 0
        """Calls that are being answered now, latency included."""
        self._exits = ExitStack()

    # ------------------------------------------------------------------------------------------- for subclasses

    templates: Sequence[str] = ()
    """Path templates such as ``/v1.0/groups/{id}/members``; calls are counted by them."""

    dates = True
    """Whether the server sends Date; a service with a clock of its own sends it itself."""

    def app(self) -> ASGIApp:
        """The service itself."""
        raise NotImplementedError

    def failure(self, status: int) -> Response:
        """The service's own answer with this status: its headers and its error body."""
        return JSONResponse({"error": status}, status)

    @property
    def directory(self) -> dict[str, Any]:
        """The config entry that reads this service, secrets as ``{"env": NAME}``."""
        raise NotImplementedError

    @property
    def env(self) -> dict[str, str]:
        """The environment that :attr:`directory` refers to."""
        raise NotImplementedError

    def state_out(self) -> Any:
        """The whole state as JSON."""
        raise NotImplementedError

    def state_in(self, posted: Any) -> None:
        """Change the state; raises ValueError, KeyError or TypeError for what cannot be."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- running

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            folder = Path(exits.enter_context(TemporaryDirectory(prefix=f"{self.name}-emulator-")))
            cert, key = self._certificate(folder)
            # asyncio switches Nagle's algorithm off only where the protocol is named
            listener = exits.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            self.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            server = _Server(_config(Front(self), cert, key, dates=self.dates))
            thread = threading.Thread(
                target=server.run, kwargs={"sockets": [listener]}, name=f"{self.name}-emulator", daemon=True
            )
            thread.start()
            exits.callback(_stop, server, thread)
            _wait_until_ready(server, thread)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()
        if self.crashes and error is None:
            raise EmulatorError(f"the {self.name} emulator itself failed") from self.crashes[0]

    def _certificate(self, folder: Path) -> tuple[str, str]:
        self.ca_file = folder / "ca.pem"
        if self.cert is not None and self.key is not None:
            self.ca_file.write_bytes(Path(self.cert).read_bytes())
            return self.cert, self.key
        authority = trustme.CA(organization_name=f"{self.name} emulator")
        leaf = authority.issue_cert("localhost", "127.0.0.1", "::1")
        cert, key = folder / "cert.pem", folder / "key.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        leaf.private_key_pem.write_to_path(str(key))
        for number, blob in enumerate(leaf.cert_chain_pems):
            blob.write_to_path(str(cert), append=number > 0)
        return str(cert), str(key)

    def label(self, method: str, path: str) -> str:
        """A call as it is counted: method and path template."""
        for template in self.templates:
            if re.fullmatch(re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(template)), path):
                return f"{method} {template}"
        return f"{method} {path}"


class Front:
    """What every call passes before it reaches the service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = service.app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(DOORS):
            response = await _door(self.service, Request(scope, receive))
            await response(scope, receive, send)
            return
        self.service.running += 1
        try:
            await self._call(scope, receive, send)
        finally:
            self.service.running -= 1

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self.service
        label = service.label(scope["method"], scope["path"])
        service.calls[label] += 1
        service.log.append(label)
        faults = service.faults.strike(label)
        slow = sum(float(f.partition(":")[2]) for f in faults if f.startswith("slow:"))
        if service.latency_seconds + slow:
            await asyncio.sleep(service.latency_seconds + slow)
        if "drop" in faults:
            await _drop(receive, send)
            return
        status = next((int(f.partition(":")[2]) for f in faults if f.startswith("status:")), 0)
        if status:
            await service.failure(status)(scope, receive, send)
            return
        scope["emulator.faults"] = frozenset(faults)
        try:
            await self.app(scope, receive, _Cut(send) if "cut" in faults else send)
        except _CutShort:
            await _drop(receive, send)
        except Exception as error:
            service.crashes.append(error)
            raise


class _CutShort(Exception):
    pass


class _Cut:
    """Sends the head and half of the body, then breaks the connection."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise _CutShort
        await self._send(message)


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection under the client."""
    cycle: Any = getattr(send, "__self__", None)
    assert cycle is not None, "the server's own send is needed to reach the connection"
    cycle.transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _door(service: Service, request: Request) -> Response:
    try:
        posted = json.loads(await request.body()) if request.method == "POST" else None
        match request.url.path.removeprefix(DOORS), request.method:
            case "calls", "GET":
                return JSONResponse(dict(service.calls))
            case "calls", "DELETE":
                service.calls.clear()
                service.log.clear()
                return JSONResponse({})
            case "faults", "GET":
                return JSONResponse(service.faults.shown())
            case "faults", "POST":
                service.faults.replace([posted] if isinstance(posted, dict) else posted or [])
                return JSONResponse(service.faults.shown())
            case "state", "POST":
                service.state_in(posted)
                return JSONResponse(service.state_out())
            case "state", "GET":
                return JSONResponse(service.state_out())
    except (ValueError, KeyError, TypeError) as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
    return JSONResponse({"error": "no such door"}, 404)


class _Server(uvicorn.Server):
    """Ends connections at once: a client that keeps its connections open would never say goodbye (TLS close_notify),
    and the loop would end with transports open.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)
        await super().shutdown(sockets)
        await asyncio.sleep(0.01)


def _config(app: ASGIApp, cert: str, key: str, *, dates: bool) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=dates,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )


def _wait_until_ready(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise EmulatorError("the emulator did not start")
        time.sleep(0.005)


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(START_SECONDS)
    if thread.is_alive():
        raise EmulatorError("the emulator did not stop")


def arguments(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every emulator has when it runs alone."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.emulators.{name}", description=description)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--cert", metavar="FILE", help="PEM certificate, its own CA (default: of a private CA)")
    parser.add_argument("--key", metavar="FILE", help="PEM key of --cert")
    parser.add_argument("--users", type=int, default=0, metavar="N", help="seeded users")
    parser.add_argument("--groups", type=int, default=0, metavar="M", help="seeded groups")
    parser.add_argument("--latency-ms", type=float, default=0.0, metavar="L", help="every answer takes this long")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the users, groups and secrets")
    return parser


def run_alone(service: Service) -> int:
    """Run until interrupted or terminated; prints one line of JSON when ready."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with service:
        ready = {
            "url": service.url,
            "ca_file": str(service.ca_file),
            "directory": service.directory,
            "env": service.env,
        }
        print(json.dumps(ready), flush=True)
        ended.wait()
    return 0
