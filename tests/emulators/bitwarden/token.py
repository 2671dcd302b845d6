"""Access tokens: self-contained JWTs (RFC 7519)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from starlette.requests import Request

SCOPE = "api.organization"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Tokens:
    """Issues tokens and reads them back; nothing is stored, so a token works until it expires."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, organization_id: str, issuer: str, seconds: int, scope: str = SCOPE) -> str:
        now = int(time.time())
        claims = {
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "client_id": f"organization.{organization_id}",
            "client_sub": organization_id,
            "type": "Organization",
            "scope": [scope],
            "jti": secrets.token_hex(16),
        }
        head = _encode(json.dumps({"alg": "HS256", "typ": "at+jwt"}).encode())
        signed = f"{head}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self._signature(signed))}"

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a valid token, else None."""
        signed, _, signature = token.rpartition(".")
        try:
            if not hmac.compare_digest(self._signature(signed), _decode(signature)):
                return None
            claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        except (ValueError, binascii.Error):
            return None
        return claims if claims["exp"] > time.time() else None

    def _signature(self, signed: str) -> bytes:
        return hmac.new(self._key, signed.encode(), hashlib.sha256).digest()


def bearer(request: Request) -> str:
    """The token in ``Authorization: Bearer`` or in the query parameter ``access_token``, or an empty
    string.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query_params.get("access_token", "")
