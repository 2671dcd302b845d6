"""What every call passes before it reaches an endpoint: counting, rate limits, latency, injected faults."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.emulators.bitwarden.answers import public_error, too_many_requests, unauthorized
from tests.emulators.bitwarden.app import TEMPLATES, make_app
from tests.emulators.bitwarden.core import Answer, Core
from tests.emulators.bitwarden.faults import AFTER, Fault
from tests.emulators.bitwarden.limits import Allowed, Refused

IMPORT = "POST /public/organization/import"
_PATTERNS = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", template)), template) for template in TEMPLATES]
_TARGET = re.compile(r"/public/(members|groups)/([^/]+)")


def service_path(path: str) -> str:
    """The path below the service: ``/public/...``, ``/connect/...`` or SCIM's ``/v2/...``."""
    for prefix in ("/api/", "/identity/", "/scim/"):
        if path.startswith(prefix):
            return path[len(prefix) - 1 :]
    return path


def label_of(method: str, path: str) -> str:
    """A call as it is counted: method and path, ``{id}`` in place of ids."""
    template = next((t for pattern, t in _PATTERNS if pattern.fullmatch(path)), path)
    return f"{method} {template}"


class Front:
    """The ASGI application that the server runs."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.app: ASGIApp = make_app(core)
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/_emulator/"):
            await self.app(scope, receive, send)
            return
        if not self.core.options.vaultwarden:
            # ASP.NET Core matches paths in any case, with or without a slash at the end
            scope["path"] = scope["path"].rstrip("/").lower() or "/"
        path = service_path(scope["path"])
        label = label_of(scope["method"], path)
        self.core.calls[label] += 1
        body = await _whole_body(receive)
        recorder = Recorder(self.core, label, path, send)
        verdict = self._limit(scope, path)
        if isinstance(verdict, Refused):
            await too_many_requests(*verdict)(scope, receive, recorder)
            return
        recorder.allowed = verdict
        await self._serve(scope, _Replay(body, receive), recorder)

    def _limit(self, scope: Scope, path: str) -> Refused | Allowed | None:
        options = self.core.options
        if not options.limited or options.vaultwarden:
            return None
        forwarded = dict(scope["headers"]).get(b"x-connecting-ip", b"").decode("latin-1")
        address = forwarded or (scope["client"] or ("",))[0]
        return self.core.limiter.check(address, scope["method"], path)

    async def _serve(self, scope: Scope, receive: Receive, send: Recorder) -> None:
        faults = self.core.faults.strike(send.label)
        pause = self.core.options.latency_seconds + sum(f.number for f in faults if f.name == "slow")
        skip = frozenset(f.external_id for f in faults if f.name == "skip")
        scope["emulator.skip"] = skip
        fault = next((f for f in faults if f.name not in ("slow", "skip")), None)
        if fault and fault.name == "504_during":
            task = asyncio.create_task(self._work(scope, receive, _swallow, send.label, pause + fault.number))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            await _gateway(504)(scope, receive, send)
        elif fault and fault.name not in AFTER:
            await asyncio.sleep(pause)
            await _strike(fault, scope, receive, send)
        elif self._passed_over(send, skip):
            await asyncio.sleep(pause)
            await Response(b"", 200)(scope, receive, send)
        elif fault:
            await self._work(scope, receive, _swallow, send.label, pause)
            await _strike(fault, scope, receive, send)
        else:
            await self._work(scope, receive, send, send.label, pause)

    async def _work(self, scope: Scope, receive: Receive, send: Send, label: str, pause: float) -> None:
        """The endpoint. An import takes its time between reading and writing, everything else before it
        begins.
        """
        if label == IMPORT:
            scope["emulator.pause"] = pause
        else:
            await asyncio.sleep(pause)
        await self.app(scope, receive, send)

    def _passed_over(self, call: Recorder, skip: frozenset[str]) -> bool:
        target = _TARGET.match(call.path)
        if "*" in skip or not skip or call.label == IMPORT or target is None or call.label.startswith("GET "):
            return "*" in skip
        state = self.core.state
        entity = state.members.get(target[2]) or state.groups.get(target[2])
        return entity is not None and entity.external_id in skip


class Recorder:
    """Passes the response on, notes its status, and adds the limiter's headers (X-Rate-Limit-...)."""

    def __init__(self, core: Core, label: str, path: str, send: Send) -> None:
        self.label, self.path, self.send = label, path, send
        self.allowed: Allowed | None = None
        self._answers = core.answers

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.note(message["status"])
            message = {**message, "headers": [*message.get("headers", ()), *self._headers()]}
        await self.send(message)

    def note(self, status: int) -> None:
        self._answers.append(Answer(self.label, self.path, status))

    def _headers(self) -> Sequence[tuple[bytes, bytes]]:
        if self.allowed is None:
            return ()
        reset = datetime.fromtimestamp(time.time() + self.allowed.reset_seconds, UTC)
        stamp = reset.isoformat().replace("+00:00", "Z")
        return (
            (b"x-rate-limit-limit", self.allowed.period.encode()),
            (b"x-rate-limit-remaining", str(self.allowed.remaining).encode()),
            (b"x-rate-limit-reset", stamp.encode()),
        )


class _Replay:
    """Gives a body that has been read to whoever reads it next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._receive = receive

    async def __call__(self) -> Message:
        return self._messages.pop() if self._messages else await self._receive()


async def _whole_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


async def _swallow(_: Message) -> None:
    """For responses that nobody receives."""


def _gateway(status: int) -> Response:
    """The page of a reverse proxy."""
    title = {502: "502 Bad Gateway", 504: "504 Gateway Time-out"}[status]
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return HTMLResponse(page, status)


async def _strike(fault: Fault, scope: Scope, receive: Receive, send: Recorder) -> None:
    if fault.name.startswith("drop"):
        send.note(0)
        await _drop(receive, send)
        return
    responses: dict[str, Callable[[], Response]] = {
        "401": lambda: unauthorized("The token expired"),
        "429": lambda: too_many_requests("1m", round(fault.number)),
        "500": lambda: public_error(500, "An unhandled server error has occurred."),
        "500_after": lambda: public_error(500, "An unhandled server error has occurred."),
    }
    make = responses.get(fault.name, lambda: _gateway(int(fault.name[:3])))
    await make()(scope, receive, send)


async def _drop(receive: Receive, send: Recorder) -> None:
    """Close the connection under the client, without a response."""
    cycle: Any = getattr(send.send, "__self__", None)
    assert cycle is not None, "the server's own send is needed to reach the connection"
    cycle.transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
