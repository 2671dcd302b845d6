"""A client that knows nothing: it sends what it is told and shows what came back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.emulators.bitwarden import BitwardenEmulator

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IMPORT = "/public/organization/import"
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: ``headers`` in lower case, ``raw`` as it came."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def message(self) -> str:
        return str(self.json["message"])

    @property
    def errors(self) -> dict[str, list[str]]:
        errors: dict[str, list[str]] = self.json["errors"]
        return errors


def fetch(
    emulator: BitwardenEmulator,
    method: str,
    path: str,
    body: bytes | str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own, with TLS verified against the emulator's CA."""
    where = urlsplit(emulator.url)
    connection = HTTPSConnection(
        where.hostname or "", where.port, context=emulator.tls_context(), timeout=TIMEOUT_SECONDS
    )
    with closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())


class Api:
    """Calls of the public API with a valid token."""

    def __init__(self, emulator: BitwardenEmulator) -> None:
        self.emulator = emulator

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """``body`` is sent as JSON, or as it is when it is bytes."""
        sent = {"Authorization": f"Bearer {self.emulator.access_token()}", "Content-Type": "application/json"}
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        return fetch(self.emulator, method, f"/api{path}", raw, sent | extra)

    def get(self, path: str) -> Any:
        """The JSON of a GET that succeeds."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def post(self, path: str, body: object = None) -> Answer:
        return self.call("POST", path, body)

    def put(self, path: str, body: object = None) -> Answer:
        return self.call("PUT", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def imports(self, *members: dict[str, Any], groups: Sequence[Any] = (), **fields: Any) -> Answer:
        """An import with these members; ``overwriteExisting`` is false unless given."""
        body = {"groups": list(groups), "members": list(members), "overwriteExisting": False} | fields
        return self.post(IMPORT, body)

    def members(self) -> dict[str, Any]:
        """E-mail -> member, as the API shows them."""
        return {member["email"]: member for member in self.get("/public/members")["data"]}

    def token(self, **changes: str | None) -> Answer:
        """Ask for a token; fields that are None are left out."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.emulator.client_id,
            "client_secret": self.emulator.client_secret,
            "scope": "api.organization",
        }
        form = {name: value for name, value in (fields | changes).items() if value is not None}
        return fetch(self.emulator, "POST", "/identity/connect/token", urlencode(form), FORM)


def person(external_id: str, email: str | None = None, **fields: Any) -> dict[str, Any]:
    """An import's live member; the e-mail is made of the externalId unless given."""
    return {
        "email": email or f"{external_id}@example.org",
        "externalId": external_id,
        "deleted": False,
    } | fields


def group(external_id: str, *members: str, name: str | None = None) -> dict[str, Any]:
    """An import's group."""
    return {"name": name or external_id, "externalId": external_id, "memberExternalIds": list(members)}
