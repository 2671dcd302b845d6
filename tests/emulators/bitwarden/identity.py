"""The identity service of a Bitwarden server: the token endpoint and what leads to it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import json_response
from tests.emulators.bitwarden.core import base_url, core_of
from tests.emulators.bitwarden.entities import Organization
from tests.emulators.bitwarden.reading import as_uuid
from tests.emulators.bitwarden.token import SCOPE

OTHER_GRANTS = ("password", "authorization_code", "refresh_token")
"""Grants that the server has, but not for this kind of client."""

NO_STORE = {"Cache-Control": "no-store, no-cache, max-age=0", "Pragma": "no-cache"}


async def form_of(request: Request) -> dict[str, str] | None:
    """The fields of a form, or None when the content type is another."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        return None
    text = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True))


def credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """Client id and secret from HTTP Basic or from the body; both are advertised."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def token_error(error: str) -> Response:
    """Failures of the token endpoint are 400, never 401."""
    return json_response({"error": error}, 400, NO_STORE)


def _known_client(organization: Organization, client_id: str, secret: str) -> bool:
    """A disabled organization, or a plan without API use, is as good as unknown
    (OrganizationClientProvider).
    """
    prefix, _, id_ = client_id.partition(".")
    if prefix != "organization" or as_uuid(id_) != organization.id:
        return False
    right = hmac.compare_digest(secret.encode(), organization.client_secret.encode())
    return right and organization.enabled and organization.use_api


async def token(request: Request) -> Response:
    """POST /connect/token of the identity service."""
    core = core_of(request)
    organization = core.state.organization
    form = await form_of(request)
    if form is None:
        return token_error("invalid_request")
    client_id, secret = credentials(form, request.headers.get("authorization", ""))
    if not _known_client(organization, client_id, secret):
        return token_error("invalid_client")
    grant = form.get("grant_type", "")
    if grant != "client_credentials":
        return token_error("unauthorized_client" if grant in OTHER_GRANTS else "unsupported_grant_type")
    if form.get("scope", SCOPE).split() != [SCOPE]:
        return token_error("invalid_scope")
    seconds = core.options.token_seconds
    issued = core.tokens.issue(organization.id, f"{base_url(request)}/identity", seconds)
    body = {"access_token": issued, "expires_in": seconds, "token_type": "Bearer", "scope": SCOPE}
    return json_response(body, headers=NO_STORE)


async def discovery(request: Request) -> Response:
    """The part of the identity service's OpenID configuration that leads to the token endpoint."""
    issuer = f"{base_url(request)}/identity"
    return json_response(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/connect/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
    )
