"""The login service: OpenID discovery, tokens for client credentials, and the check of signed assertions."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.entra.schema import Refused
from tests.emulators.entra.state import Tenant

GRAPH = "https://graph.microsoft.com"
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefused(Exception):
    """An error of the token endpoint (OAuth 2.0, RFC 6749 section 5.2, with Microsoft's own fields)."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.number, self.text = status, error, number, text

    @property
    def response(self) -> Response:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        tail = f" Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        body = {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.text}{tail}",
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }
        return _json(body, self.status)


def _json(body: object, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache", "x-ms-request-id": str(uuid.uuid4())}
    return Response(json.dumps(body), status, headers=headers, media_type="application/json; charset=utf-8")


class Login:
    """Issues tokens for one tenant and reads them back. ``token_seconds`` is how long they last."""

    def __init__(self, tenant: Tenant, *, token_seconds: int = 3599) -> None:
        self.tenant = tenant
        self.token_seconds = token_seconds
        self._key = secrets.token_bytes(32)

    # ----------------------------------------------------------------------------------------------------- discovery

    async def discovery(self, request: Request) -> Response:
        """``/{tenant}/v2.0/.well-known/openid-configuration``."""
        try:
            self._known_tenant(request.path_params["tenant"])
        except TokenRefused as error:
            return error.response
        base, tenant = _base(request), request.path_params["tenant"]
        return _json(
            {
                "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
                "issuer": f"{base}/{self.tenant.id}/v2.0",
                "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
                "cloud_graph_host_name": "graph.windows.net",
                "msgraph_host": "graph.microsoft.com",
            }
        )

    async def instances(self, request: Request) -> Response:
        """``/common/discovery/instance``: which hosts are login hosts of one cloud; here, this one."""
        host = request.headers.get("host", "")
        tenant = f"{_base(request)}/{self.tenant.id}/v2.0/.well-known/openid-configuration"
        cloud = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
        return _json({"tenant_discovery_endpoint": tenant, "api-version": "1.1", "metadata": [cloud]})

    def _known_tenant(self, name: str) -> None:
        if name.casefold() not in (self.tenant.id, self.tenant.domain.casefold()):
            text = f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID."
            raise TokenRefused(400, "invalid_tenant", 90002, text)

    # -------------------------------------------------------------------------------------------------------- tokens

    async def token(self, request: Request) -> Response:
        """``/{tenant}/oauth2/v2.0/token``, and the older one, with ``resource`` in place of ``scope``."""
        try:
            self._known_tenant(request.path_params["tenant"])
            form = await _form(request)
            self._authenticated(request, form)
            if form.get("grant_type") != "client_credentials":
                raise TokenRefused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
            _resource(form, old="/v2.0/" not in request.url.path)
        except TokenRefused as error:
            return error.response
        lasts = self.token_seconds
        body = {"token_type": "Bearer", "expires_in": lasts, "ext_expires_in": lasts, "access_token": self.issue()}
        return _json(body)

    def issue(self, **claims: Any) -> str:
        """A token without asking for it; ``claims`` replace those that the endpoint would give."""
        now = int(time.time())
        usual: dict[str, Any] = {
            "aud": GRAPH,
            "iss": f"https://sts.windows.net/{self.tenant.id}/",
            "iat": now,
            "nbf": now,
            "exp": now + self.token_seconds,
            "appid": self.tenant.app.client_id,
            "idtyp": "app",
            "tid": self.tenant.id,
            "uti": secrets.token_urlsafe(12),
            "ver": "1.0",
        }
        # without consent there is a token all the same: it has no roles
        if self.tenant.app.roles:
            usual["roles"] = sorted(self.tenant.app.roles)
        return jwt.encode(usual | claims, self._key, algorithm="HS256")

    def roles(self, request: Request) -> frozenset[str]:
        """The permissions in the token of a request to Graph. Raises :class:`Refused` (401)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token or scheme.casefold() != "bearer":
            raise _unauthorized("Access token is empty.")
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            raise _unauthorized("Lifetime validation failed, the token is expired.") from None
        except jwt.InvalidTokenError:
            raise _unauthorized("CompactToken parsing failed with error code: 80049217") from None
        if claims["aud"] not in (GRAPH, f"{GRAPH}/", GRAPH_APP):
            raise _unauthorized("Access token validation failure. Invalid audience.")
        return frozenset(claims.get("roles", ()))

    # --------------------------------------------------------------------------------------------------- credentials

    def _authenticated(self, request: Request, form: Mapping[str, str]) -> None:
        app = self.tenant.app
        client_id, secret = _credentials(request, form)
        if not client_id:
            text = "The request body must contain the following parameter: 'client_id'."
            raise TokenRefused(400, "invalid_request", 900144, text)
        if client_id.casefold() != app.client_id:
            text = f"Application with identifier '{client_id}' was not found in the directory '{self.tenant.domain}'."
            raise TokenRefused(400, "unauthorized_client", 700016, text)
        if form.get("client_assertion_type") == ASSERTION:
            self._assertion(request, form.get("client_assertion", ""))
            return
        if not secret:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise TokenRefused(401, "invalid_client", 7000218, text)
        if app.expired_secret and hmac.compare_digest(secret.encode(), app.expired_secret.encode()):
            text = f"The provided client secret keys for app '{client_id}' are expired."
            raise TokenRefused(401, "invalid_client", 7000222, text)
        if not hmac.compare_digest(secret.encode(), app.secret.encode()):
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client_id}'."
            )
            raise TokenRefused(401, "invalid_client", 7000215, text)

    def _assertion(self, request: Request, assertion: str) -> None:
        """RFC 7523 section 3, with the certificate named by ``x5t`` (SHA-1) or ``x5t#S256``."""
        try:
            head = jwt.get_unverified_header(assertion)
        except jwt.InvalidTokenError:
            raise TokenRefused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
        certificate = self._certificate(head)
        algorithms = ["PS256", "RS256"] if "x5t#S256" in head else ["RS256"]
        try:
            claims = jwt.decode(
                assertion,
                certificate.public_key(),  # type: ignore[arg-type]  # only RSA keys are registered
                algorithms=algorithms,
                options={"verify_aud": False, "verify_iat": False, "require": ["exp", "aud", "iss", "sub", "jti"]},
                leeway=300,
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            text = "Client assertion is not within its valid time range."
            raise TokenRefused(401, "invalid_client", 700024, text) from None
        except jwt.InvalidTokenError:
            text = "Client assertion failed signature validation."
            raise TokenRefused(401, "invalid_client", 700027, text) from None
        client_id = self.tenant.app.client_id
        if claims["iss"] != client_id or claims["sub"] != client_id:
            text = "Client assertion contains an invalid signature: 'iss' and 'sub' must be the client ID."
            raise TokenRefused(401, "invalid_client", 700021, text)
        if claims["aud"] not in self._audiences(request):
            text = "Client assertion audience claim does not match Realm issuer."
            raise TokenRefused(401, "invalid_client", 700023, text)

    def _certificate(self, head: Mapping[str, Any]) -> x509.Certificate:
        for pem in self.tenant.app.certificates:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            for name, algorithm in (("x5t#S256", hashes.SHA256()), ("x5t", hashes.SHA1())):
                digest = base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).rstrip(b"=").decode()
                if str(head.get(name, "")).rstrip("=") == digest:
                    return certificate
        text = "Client assertion contains an invalid signature. [Reason - The key was not found.]"
        raise TokenRefused(401, "invalid_client", 700027, text)

    def _audiences(self, request: Request) -> set[str]:
        base = _base(request)
        names = (self.tenant.id, self.tenant.domain, request.path_params["tenant"])
        tails = ("oauth2/v2.0/token", "oauth2/token", "v2.0")
        return {f"{base}/{name}/{tail}" for name in names for tail in tails}


def _unauthorized(message: str) -> Refused:
    challenge = {
        "WWW-Authenticate": f'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/'
        f'oauth2/authorize", client_id="{GRAPH_APP}"'
    }
    return Refused(401, "InvalidAuthenticationToken", message, challenge)


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


async def _form(request: Request) -> dict[str, str]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if media != "application/x-www-form-urlencoded":
        raise TokenRefused(400, "invalid_request", 900144, "The request body must contain: 'grant_type'.")
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _resource(form: Mapping[str, str], *, old: bool) -> None:
    if old:
        resource = form.get("resource", "").rstrip("/")
    else:
        scopes = form.get("scope", "").split()
        if len(scopes) != 1 or not scopes[0].endswith("/.default"):
            text = (
                f"The provided value for scope {form.get('scope', '')} is not valid. Client credential flows must have "
                "a scope value with /.default suffixed to the resource identifier (application ID URI)."
            )
            raise TokenRefused(400, "invalid_scope", 1002012 if scopes else 90014, text)
        resource = scopes[0].removesuffix("/.default").rstrip("/")
    if resource not in (GRAPH, GRAPH_APP):
        text = f"The resource principal named {resource} was not found in the tenant."
        raise TokenRefused(400, "invalid_resource", 500011, text)
