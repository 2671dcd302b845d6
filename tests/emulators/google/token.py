"""The token endpoint: signed assertions of service accounts (RFC 7523; "Using OAuth 2.0 for server to server").

https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from tests.emulators.google.replies import JsonObject, Reply
from tests.emulators.google.state import Client, State

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = (
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
)
"""Google's own, whatever URL the client reached us by."""

LIFE_SECONDS = 3600
SKEW_SECONDS = 300
SHORT_LIVED = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp "
    "values in the JWT claim."
)
UNAUTHORIZED = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the "
    "scopes requested."
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """What an access token stands for. ``subject`` is a user id, empty for the service account itself."""

    client_id: str
    subject: str
    scopes: frozenset[str]
    ends: float


class Tokens:
    """Tokens given out. ``now`` is the service's clock."""

    def __init__(self, state: State, now: Callable[[], float]) -> None:
        self._state = state
        self._now = now
        self.given: dict[str, Token] = {}

    def revoke_all(self) -> None:
        """None of the tokens given out counts any more."""
        self.given.clear()

    def find(self, word: str) -> Token | None:
        """The token, when it is still good."""
        token = self.given.get(word)
        return token if token is not None and token.ends > self._now() else None

    def answer(self, form: Mapping[str, str]) -> Reply:
        """One request for a token."""
        if form.get("grant_type") != GRANT:
            return _refused(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        if not form.get("assertion"):
            return _refused(400, "invalid_request", "Missing required parameter: assertion")
        try:
            header = jwt.get_unverified_header(form["assertion"])
            claims = jwt.decode(form["assertion"], options={"verify_signature": False})
        except jwt.PyJWTError:
            return _refused(400, "invalid_grant", "Invalid JWT")
        client = next((c for c in self._state.clients.values() if c.email == claims.get("iss")), None)
        if client is None:
            return _refused(400, "invalid_grant", "Invalid grant: account not found")
        return self._of(client, header, claims, form["assertion"])

    def _of(self, client: Client, header: Mapping[str, str], claims: JsonObject, assertion: str) -> Reply:
        if header.get("alg") != "RS256" or not _signed(assertion, client, header.get("kid")):
            return _refused(400, "invalid_grant", "Invalid JWT Signature.")
        if claims.get("aud") not in AUDIENCES:
            return _refused(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        now, begins, ends = self._now(), claims.get("iat"), claims.get("exp")
        timely = (
            isinstance(begins, (int, float))
            and isinstance(ends, (int, float))
            and begins - SKEW_SECONDS <= now <= ends
            and 0 < ends - begins <= LIFE_SECONDS
        )
        if not timely:
            return _refused(400, "invalid_grant", SHORT_LIVED)
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            return _refused(400, "invalid_scope", "Empty or missing scope not allowed.")
        subject = ""
        if claims.get("sub") and claims["sub"] != client.email:
            if not scopes <= set(client.scopes):
                return _refused(401, "unauthorized_client", UNAUTHORIZED)
            user = self._state.user(str(claims["sub"]))
            if user is None or user.get("suspended"):
                return _refused(400, "invalid_grant", "Invalid email or User ID")
            subject = user["id"]
        word = f"ya29.{secrets.token_urlsafe(48)}"
        self.given[word] = Token(client_id=client.client_id, subject=subject, scopes=scopes, ends=now + LIFE_SECONDS)
        return Reply(body={"access_token": word, "expires_in": LIFE_SECONDS - 1, "token_type": "Bearer"})


def _signed(assertion: str, client: Client, kid: str | None) -> bool:
    """Signed with the key of the service account that the header names, or any of them when it names none."""
    keys = [client.keys[kid]] if kid in client.keys else [] if kid else list(client.keys.values())
    for key in keys:
        try:
            jwt.decode(
                assertion,
                key,
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            continue
        return True
    return False


def _refused(status: int, code: str, description: str) -> Reply:
    return Reply(status=status, body={"error": code, "error_description": description})
