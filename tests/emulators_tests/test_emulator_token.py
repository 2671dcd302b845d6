"""The token endpoint and the guard of the API (identity service: OrganizationClientProvider; API: Startup)."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest

from tests.emulators_tests.client import FORM, Api, fetch


def test_a_token_lasts_an_hour_and_has_no_refresh_token(api: Api) -> None:
    """200 body: access_token, expires_in 3600, token_type Bearer, scope api.organization; no refresh token."""
    answer = api.token()
    body = answer.json
    assert answer.status == 200
    assert set(body) == {"access_token", "expires_in", "token_type", "scope"}
    assert (body["expires_in"], body["token_type"], body["scope"]) == (3600, "Bearer", "api.organization")
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert fetch(api.emulator, "GET", "/api/public/members", headers=headers).status == 200


def test_credentials_may_come_as_http_basic(api: Api) -> None:
    """Credentials may go in the body or as HTTP Basic."""
    pair = f"{api.emulator.client_id}:{api.emulator.client_secret}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"} | FORM
    form = urlencode({"grant_type": "client_credentials", "scope": "api.organization"})
    assert fetch(api.emulator, "POST", "/identity/connect/token", form, headers).status == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "organization.not-a-uuid"}, "invalid_client"),
        ({"client_id": "organization."}, "invalid_client"),
        ({"client_id": "organization.00000000-0000-0000-0000-000000000000"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"scope": "api"}, "invalid_scope"),
        ({"grant_type": "refresh_token"}, "unauthorized_client"),
        ({"grant_type": "something"}, "unsupported_grant_type"),
    ],
)
def test_failures_are_400_and_never_401(api: Api, changes: dict[str, str], error: str) -> None:
    """Trap 22: malformed or empty uuid, unknown organization and wrong secret are 400 invalid_client; wrong
    scope is invalid_scope; wrong grant is unsupported_grant_type or unauthorized_client.
    """
    answer = api.token(**changes)
    assert (answer.status, answer.json) == (400, {"error": error})


@pytest.mark.parametrize("setting", ["enabled", "use_api"])
def test_a_disabled_organization_or_a_plan_without_api_is_an_invalid_client(api: Api, setting: str) -> None:
    """The client counts as disabled when the organization is disabled or its plan lacks API use (trap 22)."""
    setattr(api.emulator.state.organization, setting, False)
    assert api.token().json == {"error": "invalid_client"}


def test_an_issued_token_outlives_a_rotated_key(api: Api) -> None:
    """The token is self-contained: the public controllers do not re-check key rotation or organization
    state.
    """
    token = api.token().json["access_token"]
    api.emulator.state.organization.client_secret = "rotated"
    api.emulator.state.organization.enabled = False
    headers = {"Authorization": f"Bearer {token}"}
    assert fetch(api.emulator, "GET", "/api/public/groups", headers=headers).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer a.b.c"}])
def test_a_missing_or_bad_token_is_a_401_without_a_body(api: Api, headers: dict[str, str]) -> None:
    """Missing or bad token: 401, empty body, WWW-Authenticate: Bearer."""
    answer = fetch(api.emulator, "GET", "/api/public/members", headers=headers)
    assert (answer.status, answer.raw) == (401, b"")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_token_is_a_401(api: Api) -> None:
    """An old token works until it expires; then it is a bad token."""
    expired = {"Authorization": f"Bearer {api.emulator.access_token(seconds=-1)}"}
    assert fetch(api.emulator, "GET", "/api/public/members", headers=expired).status == 401


def test_a_token_without_the_organization_scope_is_a_403(api: Api) -> None:
    """Valid token without the organization scope: 403, empty body."""
    headers = {"Authorization": f"Bearer {api.emulator.access_token(scope='api')}"}
    answer = fetch(api.emulator, "GET", "/api/public/members", headers=headers)
    assert (answer.status, answer.raw) == (403, b"")


def test_the_token_may_be_a_query_parameter(api: Api) -> None:
    """The API accepts the token in Authorization: Bearer or in an access_token query parameter."""
    token = api.emulator.access_token()
    assert fetch(api.emulator, "GET", f"/api/public/members?access_token={token}").status == 200


def test_urls_are_built_from_the_host_header(api: Api) -> None:
    """A self-hosted server is {base}/identity and {base}/api, whatever name the client reached it by."""
    path = "/identity/.well-known/openid-configuration"
    answer = fetch(api.emulator, "GET", path, headers={"Host": "vault.example.org:8443"})
    assert answer.json["token_endpoint"] == "https://vault.example.org:8443/identity/connect/token"
