"""A client of the OneLogin emulator that knows nothing: it sends what it is told and shows what came back."""

from __future__ import annotations

import json
import ssl
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.emulators.onelogin import OneLoginEmulator


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; ``headers`` as they were sent."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True, slots=True)
class Client:
    """Calls of one emulator, with a valid token unless another is given."""

    emulator: OneLoginEmulator

    def fetch(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        where = urlsplit(self.emulator.url)
        context = ssl.create_default_context(cafile=str(self.emulator.ca_file))
        with closing(HTTPSConnection(where.hostname or "", where.port, context=context, timeout=30)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def token(self, body: dict[str, str] | None = None, authorization: str | None = None, **more: str) -> Answer:
        """Ask for a token in the documented way, unless told otherwise."""
        emulator = self.emulator
        pair = f"client_id:{emulator.client_id}, client_secret:{emulator.client_secret}"
        headers = {
            "Content-Type": "application/json",
            "Authorization": pair if authorization is None else authorization,
        }
        sent = {"grant_type": "client_credentials"} if body is None else body
        return self.fetch("POST", more.get("path", "/auth/oauth2/v2/token"), json.dumps(sent), headers)

    def get(self, path: str, authorization: str | None = None, **query: str) -> Answer:
        """A GET with a token that works."""
        if authorization is None:
            authorization = f"bearer {self.token().json['access_token']}"
        target = f"{path}?{urlencode(query)}" if query else path
        return self.fetch("GET", target, None, {"Authorization": authorization} if authorization else {})
