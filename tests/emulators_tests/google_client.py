"""A client of the Google emulator that knows nothing of the vendor's libraries."""

from __future__ import annotations

import json
import ssl
import time
from http.client import HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import jwt

from tests.emulators.google import ADMIN, GROUP_READ, USER_READ, GoogleEmulator

AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    """A response; headers in lower case."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        """The reason of an error of the API."""
        return str(self.body["error"]["errors"][0]["reason"])


def send(google: GoogleEmulator, method: str, target: str, body: str = "", **headers: str) -> Answer:
    """One request on a connection of its own."""
    context = ssl.create_default_context(cafile=str(google.ca_file))
    where = urlsplit(google.url)
    connection = HTTPSConnection(where.hostname or "", where.port, context=context, timeout=20)
    try:
        connection.request(method, target, body.encode() or None, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        raw = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        return Answer(response.status, json.loads(raw) if is_json else raw.decode(), found)
    finally:
        connection.close()


def assertion(google: GoogleEmulator, *, alg: str = "RS256", kid: str | None = None, **changes: Any) -> str:
    """A signed assertion; claims that are None are left out."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": google.client_email,
        "sub": ADMIN,
        "scope": f"{USER_READ} {GROUP_READ}",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 3600,
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    key = google.key_info()["private_key"] if alg == "RS256" else "x" * 64
    return jwt.encode(claims, key, algorithm=alg, headers={"kid": kid or google.key_id})


def ask_token(google: GoogleEmulator, signed: str, *, path: str = "/token", grant: str = GRANT) -> Answer:
    """One request for a token."""
    return send(google, "POST", path, urlencode({"grant_type": grant, "assertion": signed}), **FORM)


def token(google: GoogleEmulator, **claims: Any) -> str:
    """An access token."""
    return str(ask_token(google, assertion(google, **claims)).body["access_token"])


def get(google: GoogleEmulator, path: str, word: str = "", **params: Any) -> Answer:
    """One call of the API."""
    query = f"?{urlencode(params)}" if params else ""
    headers = {"Authorization": f"Bearer {word}"} if word else {}
    return send(google, "GET", f"/admin/directory/v1/{path}{query}", **headers)


def path_of(group: str) -> str:
    """The path of a group's members."""
    return f"groups/{quote(group, safe='')}/members"
