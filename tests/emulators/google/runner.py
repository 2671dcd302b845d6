"""The emulator as a running server."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.emulators.google import batch, seeded, state
from tests.emulators.google.directory import TEMPLATES, Directory
from tests.emulators.google.quota import Quota
from tests.emulators.google.replies import RefusedError, Reply, of_status
from tests.emulators.google.state import Client, State
from tests.emulators.google.token import Tokens
from tests.emulators.serving import Service

ADMIN = "admin@example.com"
KEY_VARIABLE = "GOOGLE_SERVICE_ACCOUNT_KEY"


@functools.cache
def _key_pair(_number: int) -> tuple[str, str]:
    """A private and a public key as PEM. Making one takes a while, so all emulators of a process share them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


class GoogleEmulator(Service):
    """Google's token endpoint and Directory API. ``state`` can be edited at any time.

    ``quota`` holds queries per minute; ``wall`` is the service's clock, which a test may turn (``ahead_seconds``).
    Faults beside those of the base: ``reason:REASON`` (an error with this reason), ``empty-page`` (a page without
    entries and with a token), ``no-token`` (the token of the next page is missing), ``other-kind`` (200 with
    something else), ``no-deleted`` (the list of deleted users is refused).
    """

    name = "google"
    templates = ("/token", "/oauth2/v4/token", "/batch", "/batch/admin/directory_v1", *TEMPLATES)

    def __init__(self, *, users: int = 0, groups: int = 0, seed: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.ahead_seconds = 0.0
        self.state = State()
        self.seed = seed
        self.quota = Quota(time.monotonic)
        self.tokens = Tokens(self.state, self.now)
        self.api = Directory(self.state, self.tokens, self.quota, self.now)
        self._private, public = _key_pair(0)
        self.key_id = f"{seed:040x}"
        self.client_id = "104857600000000000001"
        self.client_email = "dirsync@example-project.iam.gserviceaccount.com"
        self._public = public
        self._begin()
        seeded.fill(self.state, users, groups, seed)

    def reset(self) -> None:
        """As newly started, without seeded users and groups."""
        new = State()
        for part in fields(State):
            setattr(self.state, part.name, getattr(new, part.name))
        self.quota.__dict__.update(Quota(time.monotonic).__dict__)
        self.tokens.revoke_all()
        self.faults.clear()
        self.calls.clear()
        self.log.clear()
        self.ahead_seconds = self.latency_seconds = 0.0
        self._begin()

    def _begin(self) -> None:
        self.state.clients[self.client_id] = Client(
            email=self.client_email,
            client_id=self.client_id,
            keys={self.key_id: self._public},
            scopes=[state.USER_READ, state.GROUP_READ],
        )
        self.admin = self.state.add_user(ADMIN, name="Ada Min", isAdmin=True)

    def now(self) -> float:
        """The service's clock, in seconds since the epoch."""
        return time.time() + self.ahead_seconds

    # --------------------------------------------------------------------------------------------- for clients

    def key_info(self, **changes: str) -> dict[str, str]:
        """The service account's key as the Cloud console gives it out, with the token URL of this emulator."""
        return {
            "type": "service_account",
            "project_id": "example-project",
            "private_key_id": self.key_id,
            "private_key": self._private,
            "client_email": self.client_email,
            "client_id": self.client_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"{self.url}/token",
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/dirsync",
            "universe_domain": "googleapis.com",
        } | changes

    @property
    def directory(self) -> dict[str, Any]:
        return {
            "kind": "google",
            "key": {"env": KEY_VARIABLE},
            "subject": ADMIN,
            "customer": "my_customer",
            "api_url": self.url,
            "token_url": f"{self.url}/token",
            "tls": {"ca_file": str(self.ca_file)},
        }

    @property
    def env(self) -> dict[str, str]:
        return {KEY_VARIABLE: json.dumps(self.key_info())}

    # ------------------------------------------------------------------------------------------------ as Service

    def failure(self, status: int) -> Response:
        return _response(of_status(status))

    def state_out(self) -> Any:
        return state.dumped(self.state)

    def state_in(self, posted: Any) -> None:
        state.load(self.state, posted)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route("/oauth2/v4/token", self._token, methods=["POST"]),
                Route("/batch", self._batch, methods=["POST"]),
                Route("/batch/admin/directory_v1", self._batch, methods=["POST"]),
                Route("/{path:path}", self._one, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0]
        body = (await request.body()).decode("utf-8", "replace")
        if kind == "application/json":
            form = {str(k): str(v) for k, v in json.loads(body).items()}
        else:
            form = dict(parse_qsl(body))
        return _response(self.tokens.answer(form))

    async def _one(self, request: Request) -> Response:
        faults: frozenset[str] = request.scope.get("emulator.faults", frozenset())
        path = request.scope["raw_path"].decode("ascii").partition("?")[0]
        method, query = request.method, request.scope["query_string"].decode("ascii")
        if method == "POST" and request.headers.get("x-http-method-override") == "GET":
            method, query = "GET", (await request.body()).decode()
        pairs = parse_qsl(query, keep_blank_values=True)
        return _response(self.api.answer(method, path, pairs, _lower(request), faults))

    async def _batch(self, request: Request) -> Response:
        headers = _lower(request)

        def one(method: str, path: str, pairs: Any, own: Any) -> Reply:
            label = self.label(method, path)
            faults = frozenset(self.faults.strike(label))
            self.calls[f"batched {label}"] += 1
            status = next((int(f.partition(":")[2]) for f in faults if f.startswith("status:")), 0)
            return of_status(status) if status else self.api.answer(method, path, pairs, own, faults)

        try:
            body, kind = batch.answer(await request.body(), headers.get("content-type", ""), headers, one)
        except RefusedError as refused:
            return _response(refused.reply)
        return Response(body, media_type=kind)


def _lower(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _response(reply: Reply) -> Response:
    return Response(
        json.dumps(reply.body, ensure_ascii=False, indent=1).encode(),
        reply.status,
        headers={"ETag": '"etag"', "Vary": "Origin, X-Origin, Referer", "Server": "ESF", **reply.headers},
        media_type="application/json",
    )
