"""Who calls: API tokens, access tokens of service apps (private_key_jwt, DPoP), scopes and administrator roles.

Sources: https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/, RFC 7523, RFC 9449.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request

SEES_ALL = frozenset({"SUPER_ADMIN", "ORG_ADMIN", "READ_ONLY_ADMIN", "APP_ADMIN"})
LOG_ROLES = frozenset({"SUPER_ADMIN", "ORG_ADMIN", "READ_ONLY_ADMIN"})
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = 3600
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]


@dataclass(slots=True, kw_only=True)
class ApiToken:
    """An API token. It has the administrator role of ``owner``, who made it."""

    value: str
    owner: str
    role: str = "READ_ONLY_ADMIN"
    targets: frozenset[str] = frozenset()
    """Groups that a group administrator is limited to."""


@dataclass(slots=True, kw_only=True)
class ServiceApp:
    """An API services integration. ``granted`` are the Okta API scopes granted to it."""

    client_id: str
    key: rsa.RSAPrivateKey
    kid: str = "key-1"
    granted: frozenset[str] = frozenset({"okta.users.read", "okta.groups.read"})
    role: str = "READ_ONLY_ADMIN"
    targets: frozenset[str] = frozenset()
    dpop: bool = False
    token_seconds: int = 3600

    @property
    def pem(self) -> str:
        """The private key, PKCS#8 in PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def jwk(self) -> str:
        """The private key as a JSON Web Key."""
        made: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key))
        made.pop("key_ops", None)
        return json.dumps(made | {"kid": self.kid})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and what they may. ``scopes`` is None for API tokens, which have none."""

    role: str
    targets: frozenset[str]
    owner: str = ""
    scopes: frozenset[str] | None = None

    def lacks(self, scope: str) -> bool:
        """Whether an access token was issued without this scope (or the one that includes it)."""
        wider = scope.replace(".read", ".manage")
        return self.scopes is not None and not self.scopes & {scope, wider}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    app: ServiceApp
    scopes: frozenset[str]
    expires: float
    thumbprint: str


class OAuthError(Exception):
    """Refused by the token endpoint."""

    def __init__(self, status: int, error: str, description: str, **headers: str) -> None:
        self.status, self.error, self.description, self.headers = status, error, description, headers
        super().__init__(error)


class Unauthorized(Exception):
    """401 E0000011."""


@dataclass(slots=True)
class Door:
    """Everything that opens this organization."""

    base: str
    tokens: dict[str, ApiToken] = field(default_factory=dict)
    apps: dict[str, ServiceApp] = field(default_factory=dict)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    _access: dict[str, _Access] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def expire_all(self) -> None:
        """Access tokens that were issued are worthless from now on."""
        self._access.clear()

    def caller(self, request: Request) -> Caller:
        """Who sent a request. Raises :class:`Unauthorized`.

        ``SSWS<token>`` and ``Bearer<token>`` without a space are understood: generated methods of Okta's own Python
        SDK 3.4 send them.
        """
        sent = request.headers.get("authorization", "")
        for scheme in ("SSWS", "Bearer", "DPoP"):
            if sent[: len(scheme)].lower() == scheme.lower():
                value = sent[len(scheme) :].strip()
                return self._of_api_token(value) if scheme == "SSWS" else self._of_access(scheme, value, request)
        raise Unauthorized

    def _of_api_token(self, value: str) -> Caller:
        token = self.tokens.get(value)
        if token is None:
            raise Unauthorized
        return Caller(role=token.role, targets=token.targets, owner=token.owner)

    def _of_access(self, scheme: str, value: str, request: Request) -> Caller:
        access = self._access.get(value)
        if access is None or access.expires < time.time() or bool(access.thumbprint) != (scheme == "DPoP"):
            raise Unauthorized
        if access.thumbprint:
            path = f"{self.base}{request.url.path}"
            thumbprint = self._proof(request, path, access_token=value, nonce=False)
            if thumbprint != access.thumbprint:
                raise Unauthorized
        return Caller(role=access.app.role, targets=access.app.targets, scopes=access.scopes)

    # --------------------------------------------------------------------------------------------- token endpoint

    def issue(self, form: Mapping[str, str], request: Request) -> dict[str, Any]:
        """Answer a token request. Raises :class:`OAuthError`."""
        if "client_id" in form and "client_assertion" not in form:
            raise OAuthError(
                401,
                "invalid_client",
                "Client Credentials requests to the Org Authorization Server must use the private_key_jwt "
                "token_endpoint_auth_method.",
            )
        if form.get("grant_type") != "client_credentials":
            raise OAuthError(400, "unsupported_grant_type", "The authorization grant type is not supported.")
        app = self._asserted(form)
        thumbprint = ""
        if app.dpop:
            if "dpop" not in request.headers:
                raise OAuthError(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")
            try:
                thumbprint = self._proof(request, f"{self.base}/oauth2/v1/token", nonce=True)
            except Unauthorized:
                raise OAuthError(400, "invalid_dpop_proof", "The DPoP proof JWT is not valid.") from None
        asked = frozenset(form.get("scope", "").split())
        if not asked:
            raise OAuthError(400, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
        if any(not scope.startswith("okta.") for scope in asked):
            raise OAuthError(
                400, "invalid_scope", "One or more scopes are not configured for the authorization server resource."
            )
        scopes = asked & app.granted
        if not scopes:
            raise OAuthError(400, "consent_required", "You are not allowed any of the requested scopes.")
        value = f"eyJ.{secrets.token_urlsafe(24)}"
        self._access[value] = _Access(
            app=app, scopes=scopes, expires=time.time() + app.token_seconds, thumbprint=thumbprint
        )
        return {
            "token_type": "DPoP" if thumbprint else "Bearer",
            "expires_in": app.token_seconds,
            "access_token": value,
            "scope": " ".join(sorted(scopes)),
        }

    def _asserted(self, form: Mapping[str, str]) -> ServiceApp:
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise OAuthError(
                401,
                "invalid_client",
                "Client authentication failed. Either the client or the client credentials are invalid.",
            )
        assertion = form["client_assertion"]
        try:
            head = jwt.get_unverified_header(assertion)
            told = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise OAuthError(401, "invalid_client", "The parsing of the client_assertion failed.") from None
        app = self.apps.get(str(told.get("iss")))
        if app is None or told.get("sub") != app.client_id:
            raise OAuthError(
                401,
                "invalid_client",
                "Client authentication failed. Either the client or the client credentials are invalid.",
            )
        if head.get("kid") not in (None, app.kid):
            raise OAuthError(401, "invalid_client", "The client_assertion token has a kid that is not registered.")
        self._claims(assertion, app)
        return app

    def _claims(self, assertion: str, app: ServiceApp) -> None:
        """The checks of RFC 7523 section 3, with Okta's own: one hour at most, ``jti`` once."""
        audience = [f"{self.base}/oauth2/v1/token", self.base]
        try:
            claims = jwt.decode(assertion, app.key.public_key(), _ALGORITHMS, audience=audience, leeway=300)
        except jwt.InvalidAudienceError:
            raise OAuthError(
                401,
                "invalid_client",
                "The audience claim for client_assertion must be the endpoint invoked for the request.",
            ) from None
        except jwt.ExpiredSignatureError:
            raise OAuthError(401, "invalid_client", "The client_assertion token is expired.") from None
        except jwt.InvalidTokenError:
            raise OAuthError(401, "invalid_client", "The client_assertion signature is invalid.") from None
        if claims.get("exp", 0) > time.time() + LONGEST + 300:
            raise OAuthError(
                401, "invalid_client", "The client_assertion token has an expiration too far into the future."
            )
        self._once(
            claims.get("jti"), OAuthError(401, "invalid_client", "The client_assertion token has already been used.")
        )

    def _once(self, jti: object, refused: Exception) -> None:
        if jti is None:
            return
        if str(jti) in self._used:
            raise refused
        self._used.add(str(jti))

    def _proof(self, request: Request, url: str, *, access_token: str = "", nonce: bool) -> str:
        """Check a DPoP proof (RFC 9449 section 4.3); the thumbprint of its key (RFC 7638)."""
        proof = request.headers.get("dpop", "")
        try:
            head = jwt.get_unverified_header(proof)
            public = jwt.PyJWK(head["jwk"], algorithm="RS256").key
            claims = jwt.decode(proof, public, _ALGORITHMS, options={"verify_iat": False})
        except (jwt.InvalidTokenError, jwt.PyJWKError, KeyError):
            raise Unauthorized from None
        if nonce and claims.get("nonce") != self.nonce:
            raise OAuthError(
                400,
                "use_dpop_nonce",
                "Authorization server requires nonce in DPoP proof.",
                **{"dpop-nonce": self.nonce},
            )
        fits = (
            head.get("typ") == "dpop+jwt"
            and "d" not in head["jwk"]
            and claims.get("htm") == request.method
            and claims.get("htu") == url
            and abs(claims.get("iat", 0) - time.time()) < 300
            and bool(claims.get("jti"))
            and (not access_token or claims.get("ath") == _digest(access_token))
        )
        if not fits:
            raise Unauthorized
        self._once(claims["jti"], Unauthorized())
        required = {name: head["jwk"][name] for name in sorted(("e", "kty", "n"))}
        return _digest(json.dumps(required, separators=(",", ":")))


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
