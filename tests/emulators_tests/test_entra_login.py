"""The login service of the Entra ID emulator, asked by hand and by Microsoft's own library."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.emulators.entra import EntraEmulator
from tests.emulators.entra.certificates import made, pem_file, pfx_file
from tests.entra import Raw, entra, running

__all__ = ["entra"]

SCOPE = "https://graph.microsoft.com/.default"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def raw(entra: EntraEmulator) -> Raw:
    return Raw(entra)


def fields(entra: EntraEmulator, **changes: str) -> dict[str, str]:
    app = entra.tenant.app
    usual = {
        "grant_type": "client_credentials",
        "client_id": app.client_id,
        "client_secret": app.secret,
        "scope": SCOPE,
    }
    return {k: v for k, v in (usual | changes).items() if v}


def token_path(entra: EntraEmulator) -> str:
    return f"/{entra.tenant.id}/oauth2/v2.0/token"


def test_a_token_is_a_bearer_with_an_hour_to_live(entra: EntraEmulator, raw: Raw) -> None:
    reply = raw.form(token_path(entra), **fields(entra))
    assert reply.status == 200
    assert {k: v for k, v in reply.body.items() if k != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 3599,
        "ext_expires_in": 3599,
    }
    claims = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    assert claims["aud"] == "https://graph.microsoft.com"
    assert claims["roles"] == ["GroupMember.Read.All", "User.Read.All"]
    assert claims["tid"] == entra.tenant.id


def test_without_consent_there_is_a_token_without_roles(entra: EntraEmulator, raw: Raw) -> None:
    entra.tenant.app.roles.clear()
    token = raw.form(token_path(entra), **fields(entra)).body["access_token"]
    assert "roles" not in jwt.decode(token, options={"verify_signature": False})


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": "the-old-one"}, 401, "invalid_client", 7000222),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"client_id": str(uuid.uuid4())}, 400, "unauthorized_client", 700016),
        ({"scope": "https://graph.microsoft.com/User.Read.All"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://graph.microsoft.us/.default"}, 400, "invalid_resource", 500011),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_refusals(
    entra: EntraEmulator, raw: Raw, changes: dict[str, str], status: int, error: str, number: int
) -> None:
    entra.tenant.app.expired_secret = "the-old-one"
    reply = raw.form(token_path(entra), **fields(entra, **changes))
    assert (reply.status, reply.body["error"], reply.body["error_codes"]) == (status, error, [number])
    assert reply.body["error_description"].startswith(f"AADSTS{number}: ")
    assert {"timestamp", "trace_id", "correlation_id"} <= reply.body.keys()


def test_an_unknown_tenant_is_refused_at_both_endpoints(entra: EntraEmulator, raw: Raw) -> None:
    nowhere = str(uuid.uuid4())
    assert raw.form(f"/{nowhere}/oauth2/v2.0/token", **fields(entra)).body["error_codes"] == [90002]
    found = raw.send("GET", f"/{nowhere}/v2.0/.well-known/openid-configuration")
    assert (found.status, found.body["error_codes"]) == (400, [90002])


def test_the_tenant_may_be_named_by_its_domain(entra: EntraEmulator, raw: Raw) -> None:
    assert raw.form(f"/{entra.tenant.domain}/oauth2/v2.0/token", **fields(entra)).status == 200


def test_the_older_endpoint_takes_a_resource(entra: EntraEmulator, raw: Raw) -> None:
    given = fields(entra, scope="", resource="https://graph.microsoft.com")
    assert raw.form(f"/{entra.tenant.id}/oauth2/token", **given).status == 200


def test_discovery_has_what_msal_reads_unconditionally(entra: EntraEmulator, raw: Raw) -> None:
    found = raw.send("GET", f"/{entra.tenant.id}/v2.0/.well-known/openid-configuration").body
    assert {"token_endpoint", "authorization_endpoint", "issuer"} <= found.keys()
    assert found["token_endpoint"].startswith(entra.url)


# ------------------------------------------------------------------------------------------------- signed assertions


def thumbprint(certificate: x509.Certificate) -> str:
    return jwt.utils.base64url_encode(certificate.fingerprint(hashes.SHA256())).decode()


def assertion(
    entra: EntraEmulator, key: rsa.RSAPrivateKey, certificate: x509.Certificate, **changes: Any
) -> dict[str, str]:
    app, now = entra.tenant.app, time.time()
    claims = {
        "aud": entra.url + token_path(entra),
        "iss": app.client_id,
        "sub": app.client_id,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 600.5,
    }
    headers = {"x5t#S256": thumbprint(certificate)}
    signed = jwt.encode(claims | changes, key, algorithm="PS256", headers=headers)
    return fields(entra, client_secret="", client_assertion_type=ASSERTION, client_assertion=signed)


def test_a_signed_assertion_with_float_times_is_taken(entra: EntraEmulator, raw: Raw) -> None:
    key, certificate = made()
    entra.tenant.app.certificates = [certificate.public_bytes(Encoding.PEM).decode()]
    assert raw.form(token_path(entra), **assertion(entra, key, certificate)).status == 200


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"}, 700023),
        ({"iss": "somebody"}, 700021),
        ({"exp": 1.5}, 700024),
    ],
)
def test_claims_are_checked(entra: EntraEmulator, raw: Raw, changes: dict[str, Any], number: int) -> None:
    key, certificate = made()
    entra.tenant.app.certificates = [certificate.public_bytes(Encoding.PEM).decode()]
    reply = raw.form(token_path(entra), **assertion(entra, key, certificate, **changes))
    assert (reply.status, reply.body["error_codes"]) == (401, [number])


def test_the_signature_is_checked(entra: EntraEmulator, raw: Raw) -> None:
    key, certificate = made()
    other, _ = made()
    unknown = raw.form(token_path(entra), **assertion(entra, key, certificate))
    entra.tenant.app.certificates = [certificate.public_bytes(Encoding.PEM).decode()]
    forged = raw.form(token_path(entra), **assertion(entra, other, certificate))
    assert unknown.body["error_codes"] == forged.body["error_codes"] == [700027]


# --------------------------------------------------------------------------------------------- Microsoft's own library


@pytest.fixture
def session(entra: EntraEmulator) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(entra.ca_file)
        yield session


def msal_app(
    entra: EntraEmulator, session: requests.Session, credential: Any, tenant: str = ""
) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        entra.tenant.app.client_id,
        client_credential=credential,
        authority=f"{entra.url}/{tenant or entra.tenant.id}",
        instance_discovery=False,
        http_client=session,
    )


def test_msal_gets_a_token_with_a_secret_and_serves_the_second_from_memory(
    entra: EntraEmulator, session: requests.Session
) -> None:
    app = msal_app(entra, session, entra.tenant.app.secret)
    assert app.acquire_token_for_client(scopes=[SCOPE])["token_source"] == "identity_provider"
    assert app.acquire_token_for_client(scopes=[SCOPE])["token_source"] == "cache"
    assert entra.calls["POST /{tenant}/oauth2/v2.0/token"] == 1


def test_msal_gets_a_token_with_a_certificate(entra: EntraEmulator, session: requests.Session, tmp_path: Path) -> None:
    pem, public = pem_file(tmp_path)
    pfx, public_of_pfx = pfx_file(tmp_path, password="p")
    entra.tenant.app.certificates = [public, public_of_pfx]
    text = pem.read_text()
    sha1 = x509.load_pem_x509_certificate(public.encode()).fingerprint(hashes.SHA1()).hex()
    for credential in (
        {"private_key": text, "public_certificate": public},
        {"private_key": text, "thumbprint": sha1},
        {"private_key_pfx_path": str(pfx), "passphrase": "p"},
    ):
        assert "access_token" in msal_app(entra, session, credential).acquire_token_for_client(scopes=[SCOPE])


def test_msal_meets_an_unknown_tenant_in_its_constructor(entra: EntraEmulator, session: requests.Session) -> None:
    entra.tenant.id, known = str(uuid.uuid4()), entra.tenant.id
    with pytest.raises(ValueError, match="Unable to get authority configuration"):
        msal_app(entra, session, entra.tenant.app.secret, tenant=known)


# ------------------------------------------------------------------------------------------------- tokens at Graph


def test_graph_wants_a_living_token_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch) as entra:
        raw = Raw(entra)
        assert raw.send("GET", "/v1.0/users").status == 401
        for claims in ({"aud": "https://management.azure.com"}, {"exp": int(time.time()) - 10}):
            raw.token = entra.login.issue(**claims)
            reply = raw.graph("/v1.0/users")
            assert (reply.status, reply.body["error"]["code"]) == (401, "InvalidAuthenticationToken")
        raw.token = "not.a.token"
        assert raw.graph("/v1.0/users").status == 401
