"""``POST /auth/oauth2/v2/token`` and its v1 form: three ways to give the credentials, one token until it expires."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.onelogin.answers import refuse, reply, v1_error, v1_status, v2_error
from tests.emulators.onelogin.state import Credential, State, stamp

_HEADER = re.compile(r"client_id:\s*([^,\s]+)\s*,\s*client_secret:\s*(\S+)")


@dataclass(slots=True)
class Issued:
    """A token of one credential pair."""

    value: str
    client_id: str
    created: float
    seconds: float


@dataclass(slots=True)
class Tokens:
    """The tokens in force. ``seconds`` is how long new ones live."""

    seconds: float = 36_000
    issued: dict[str, Issued] = field(default_factory=dict)
    refresh: str = field(default_factory=lambda: secrets.token_hex(32))

    def of(self, client_id: str) -> Issued:
        """The same pair gets the same token until it expires."""
        token = self.issued.get(client_id)
        if token is None or token.created + token.seconds <= time.time():
            token = Issued(secrets.token_hex(32), client_id, time.time(), self.seconds)
            self.issued[client_id] = token
        return token

    def void(self) -> None:
        """As if every token had expired."""
        self.issued.clear()

    def owner(self, authorization: str) -> str:
        """The client id behind ``bearer TOKEN`` (v1 also takes ``bearer:TOKEN``); empty when there is none."""
        scheme, _, value = authorization.replace(":", " ", 1).partition(" ")
        if scheme.lower() != "bearer":
            return ""
        now = time.time()
        return next(
            (t.client_id for t in self.issued.values() if t.value == value.strip() and t.created + t.seconds > now), ""
        )


async def token(request: Request, state: State, tokens: Tokens, *, v1: bool) -> Response:
    """Client credentials (RFC 6749 section 4.4)."""
    if request.method != "POST":
        return v2_error(404)
    body = await _body(request)
    pair = _pair(request, body)
    if body.get("grant_type") != "client_credentials":
        return v2_error(400, "grant_type must be client_credentials")
    if pair is None:
        return v1_error(400, "client_id and client_secret are required")
    found = _credential(state, *pair)
    if found is None:
        return v1_error(401, "Authentication Failure")
    if found.owner_deleted:
        return v2_error(500, "Internal Server Error")
    issued = tokens.of(found.client_id)
    content: dict[str, Any] = {
        "access_token": issued.value,
        "created_at": stamp(issued.created),
        "expires_in": int(issued.seconds),
        "refresh_token": tokens.refresh,
        "token_type": "bearer",
        "account_id": state.account_id,
    }
    return reply({"status": v1_status(200, "Success"), "data": [content]} if v1 else content)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(raw.decode(), strict_parsing=bool(raw)))
        parsed = json.loads(raw) if kind == "application/json" else None
    except ValueError:
        raise refuse(2, 400, "The body cannot be read") from None
    if not isinstance(parsed, dict):
        raise refuse(2, 400, "Content-Type must be application/json or application/x-www-form-urlencoded")
    return parsed


def _pair(request: Request, body: dict[str, Any]) -> tuple[str, str] | None:
    authorization = request.headers.get("authorization", "")
    found = _HEADER.fullmatch(authorization.strip())
    if found:
        return found[1], found[2]
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return client_id, secret
    if "client_id" in body and "client_secret" in body:
        return str(body["client_id"]), str(body["client_secret"])
    return None


def _credential(state: State, client_id: str, client_secret: str) -> Credential | None:
    return next(
        (c for c in state.credentials if (c.client_id, c.client_secret) == (client_id, client_secret)),
        None,
    )
