"""The token endpoint of the emulator of Okta: private_key_jwt (RFC 7523), scopes, DPoP (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.emulators.okta import OktaEmulator

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def okta() -> Iterator[OktaEmulator]:
    with OktaEmulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def send(okta: OktaEmulator, method: str, path: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(okta.ca_file)
        return session.request(method, okta.url + path, timeout=10, **options)


def assertion(okta: OktaEmulator, *, key: Any = None, kid: str | None = None, **claims: Any) -> str:
    app = okta.service_app
    now = int(time.time())
    whole = {
        "iss": app.client_id,
        "sub": app.client_id,
        "aud": f"{okta.url}/oauth2/v1/token",
        "iat": now,
        "exp": now + 3000,
        "jti": str(uuid.uuid4()),
    }
    whole |= claims
    return jwt.encode(whole, key or app.key, "RS256", {"kid": kid} if kid else None)


def ask(okta: OktaEmulator, *, headers: dict[str, str] | None = None, **form: str) -> requests.Response:
    whole = {
        "grant_type": "client_credentials",
        "scope": "okta.users.read okta.groups.read",
        "client_assertion_type": ASSERTION,
    }
    whole |= form
    whole.setdefault("client_assertion", assertion(okta))
    return send(okta, "POST", "/oauth2/v1/token", data=whole, headers=headers)


def error_of(answer: requests.Response) -> tuple[int, str]:
    assert set(answer.json()) == {"error", "error_description"}, "OAuth errors are not errors of the API"
    return answer.status_code, answer.json()["error"]


def test_a_token_opens_the_api(okta: OktaEmulator) -> None:
    answer = ask(okta)
    issued = answer.json()
    assert (answer.status_code, issued["token_type"], issued["expires_in"]) == (200, "Bearer", 3600)
    assert issued["scope"] == "okta.groups.read okta.users.read"
    for spelling in ("Bearer ", "Bearer"):
        sent = {"Authorization": f"{spelling}{issued['access_token']}"}
        assert send(okta, "GET", "/api/v1/users", headers=sent).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.okta.com/oauth2/v1/token"},
        {"exp": int(time.time()) - 900},
        {"exp": int(time.time()) + 9000},
        {"iss": "0oasomebodyelse"},
        {"sub": "0oasomebodyelse"},
    ],
)
def test_wrong_claims_are_invalid_client(okta: OktaEmulator, claims: dict[str, Any]) -> None:
    assert error_of(ask(okta, client_assertion=assertion(okta, **claims))) == (401, "invalid_client")


def test_a_wrong_signature_and_a_wrong_kid_are_invalid_client(okta: OktaEmulator, other_key: rsa.RSAPrivateKey) -> None:
    assert error_of(ask(okta, client_assertion=assertion(okta, key=other_key))) == (401, "invalid_client")
    assert error_of(ask(okta, client_assertion=assertion(okta, kid="nix"))) == (401, "invalid_client")
    assert ask(okta, client_assertion=assertion(okta, kid=okta.service_app.kid)).status_code == 200


def test_an_assertion_works_once(okta: OktaEmulator) -> None:
    made = assertion(okta)
    assert ask(okta, client_assertion=made).status_code == 200
    assert error_of(ask(okta, client_assertion=made)) == (401, "invalid_client")


def test_other_ways_in_are_refused(okta: OktaEmulator) -> None:
    assert error_of(ask(okta, grant_type="password")) == (400, "unsupported_grant_type")
    assert error_of(ask(okta, client_assertion_type="x")) == (401, "invalid_client")
    assert error_of(ask(okta, client_assertion="x.y.z")) == (401, "invalid_client")
    sent = {"grant_type": "client_credentials", "client_id": okta.service_app.client_id, "client_secret": "s"}
    assert error_of(send(okta, "POST", "/oauth2/v1/token", data=sent)) == (401, "invalid_client")
    assert send(okta, "POST", "/oauth2/v1/token", json=sent).status_code == 415


def test_scopes_are_those_granted_and_a_missing_one_is_named_in_the_challenge(okta: OktaEmulator) -> None:
    assert error_of(ask(okta, scope="openid")) == (400, "invalid_scope")
    assert error_of(ask(okta, scope="okta.apps.read")) == (400, "consent_required")
    issued = ask(okta, scope="okta.users.read okta.apps.read").json()
    assert issued["scope"] == "okta.users.read"
    answer = send(okta, "GET", "/api/v1/groups", headers={"Authorization": f"Bearer {issued['access_token']}"})
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "E0000006")
    challenge = answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="okta.groups.read"' in challenge


def test_without_an_administrator_role_scopes_are_not_enough(okta: OktaEmulator) -> None:
    okta.service_app.role = ""
    sent = {"Authorization": f"Bearer {ask(okta).json()['access_token']}"}
    assert send(okta, "GET", "/api/v1/users", headers=sent).status_code == 403


def test_tokens_expire(okta: OktaEmulator) -> None:
    sent = {"Authorization": f"Bearer {ask(okta).json()['access_token']}"}
    okta.door.expire_all()
    assert send(okta, "GET", "/api/v1/users", headers=sent).status_code == 401


def proof(key: rsa.RSAPrivateKey, method: str, url: str, **claims: Any) -> str:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    head = {"typ": "dpop+jwt", "jwk": {name: public[name] for name in ("kty", "n", "e")}}
    whole = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())} | claims
    return jwt.encode(whole, key, "RS256", head)


def test_dpop(okta: OktaEmulator, other_key: rsa.RSAPrivateKey) -> None:
    okta.service_app.dpop = True
    endpoint, users = f"{okta.url}/oauth2/v1/token", f"{okta.url}/api/v1/users"
    assert error_of(ask(okta)) == (400, "invalid_dpop_proof")
    first = ask(okta, headers={"DPoP": proof(other_key, "POST", endpoint)})
    assert error_of(first) == (400, "use_dpop_nonce")
    nonce = first.headers["dpop-nonce"]
    wrong = proof(other_key, "GET", endpoint, nonce=nonce)
    assert error_of(ask(okta, headers={"DPoP": wrong})) == (400, "invalid_dpop_proof")
    issued = ask(okta, headers={"DPoP": proof(other_key, "POST", endpoint, nonce=nonce)}).json()
    assert issued["token_type"] == "DPoP"
    token = issued["access_token"]
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()

    def call(scheme: str, sent: str) -> int:
        headers = {"Authorization": f"{scheme} {token}", "DPoP": sent}
        return send(okta, "GET", "/api/v1/users?limit=1", headers=headers).status_code

    good = proof(other_key, "GET", users, ath=ath)
    assert call("DPoP", good) == 200
    assert call("DPoP", good) == 401, "a proof works once"
    assert call("Bearer", proof(other_key, "GET", users, ath=ath)) == 401
    assert call("DPoP", proof(other_key, "GET", users)) == 401, "bound to the token"
    assert call("DPoP", proof(okta.service_app.key, "GET", users, ath=ath)) == 401, "bound to the key"
    assert call("DPoP", proof(other_key, "GET", f"{okta.url}/api/v1/groups", ath=ath)) == 401
