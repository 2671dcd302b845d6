"""The emulated token endpoint of Google says no as the real one does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.google import ADMIN, USER_READ, USER_WRITE, GoogleEmulator
from tests.emulators_tests.google_client import GRANT, ask_token, assertion, get, send, token


@pytest.fixture(scope="module")
def _running() -> Iterator[GoogleEmulator]:
    with GoogleEmulator() as emulator:
        yield emulator


@pytest.fixture
def google(_running: GoogleEmulator) -> GoogleEmulator:
    _running.reset()
    return _running


def test_a_token_is_given_for_a_signed_assertion(google: GoogleEmulator) -> None:
    answer = ask_token(google, assertion(google))
    assert answer.status == 200
    assert answer.body.keys() == {"access_token", "expires_in", "token_type"}
    assert answer.body["access_token"].startswith("ya29.")
    assert (answer.body["expires_in"], answer.body["token_type"]) == (3599, "Bearer")


@pytest.mark.parametrize(
    "audience",
    ["https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"],
)
def test_the_audience_is_googles_whatever_url_we_have(google: GoogleEmulator, audience: str) -> None:
    assert ask_token(google, assertion(google, aud=audience), path="/oauth2/v4/token").status == 200
    assert ask_token(google, assertion(google, aud=f"{google.url}/token")).status == 400


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "status", "code", "description"),
    [
        ({"aud": "https://admin.googleapis.com/"}, 400, "invalid_grant", "Invalid JWT: Failed audience check."),
        ({"iss": "nobody@x.iam.gserviceaccount.com"}, 400, "invalid_grant", "account not found"),
        ({"sub": "nobody@example.com"}, 400, "invalid_grant", "Invalid email or User ID"),
        ({"scope": USER_WRITE}, 401, "unauthorized_client", "not authorized for any of the scopes requested."),
        ({"scope": f"{USER_READ} {USER_WRITE}"}, 401, "unauthorized_client", "not authorized for any"),
        ({"scope": None}, 400, "invalid_scope", "Empty or missing scope"),
        ({"exp": NOW + 7200}, 400, "invalid_grant", "short-lived token"),
        ({"iat": NOW - 7200, "exp": NOW - 3600}, 400, "invalid_grant", "short-lived token"),
        ({"iat": NOW + 3000, "exp": NOW + 6000}, 400, "invalid_grant", "short-lived token"),
        ({"exp": None}, 400, "invalid_grant", "short-lived token"),
        ({"kid": "another"}, 400, "invalid_grant", "Invalid JWT Signature."),
        ({"alg": "HS256"}, 400, "invalid_grant", "Invalid JWT Signature."),
    ],
)
def test_what_is_refused(
    google: GoogleEmulator, changes: dict[str, Any], status: int, code: str, description: str
) -> None:
    answer = ask_token(google, assertion(google, **changes))
    assert (answer.status, answer.body["error"]) == (status, code)
    assert description in answer.body["error_description"]


def test_another_grant_is_refused(google: GoogleEmulator) -> None:
    answer = ask_token(google, assertion(google), grant="client_credentials")
    assert (answer.status, answer.body["error"]) == (400, "unsupported_grant_type")
    assert ask_token(google, "not.a.jwt").body["error"] == "invalid_grant"
    assert ask_token(google, "").body["error"] == "invalid_request"


def test_a_signature_of_somebody_else_is_refused(google: GoogleEmulator) -> None:
    head, claims, signature = assertion(google).split(".")
    other = assertion(google, sub="x@example.com").split(".")[1]
    answer = ask_token(google, f"{head}.{other}.{signature}")
    assert answer.body["error_description"] == "Invalid JWT Signature."
    assert claims != other


def test_a_suspended_subject_gets_none(google: GoogleEmulator) -> None:
    google.admin["suspended"] = True
    assert ask_token(google, assertion(google)).body["error_description"] == "Invalid email or User ID"


def test_without_a_subject_there_is_a_token_and_no_right(google: GoogleEmulator) -> None:
    answer = get(google, "users", token(google, sub=None), customer="my_customer")
    assert (answer.status, answer.reason) == (403, "forbidden")
    assert answer.body["error"]["message"] == "Not Authorized to access this resource/api"


def test_a_token_ends_after_an_hour(google: GoogleEmulator) -> None:
    word = token(google)
    assert get(google, "users", word, customer="my_customer").status == 200
    google.ahead_seconds = 3601
    answer = get(google, "users", word, customer="my_customer")
    assert (answer.status, answer.reason) == (401, "authError")
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_the_body_may_be_json_as_some_clients_send_it(google: GoogleEmulator) -> None:
    body = json.dumps({"grant_type": GRANT, "assertion": assertion(google)})
    assert send(google, "POST", "/token", body, Content_Type="application/json").status == 200


def test_the_subject_may_be_an_id_or_an_alias(google: GoogleEmulator) -> None:
    google.admin["aliases"] = ["root@example.com"]
    for subject in (google.admin["id"], "root@example.com", ADMIN.upper()):
        assert ask_token(google, assertion(google, sub=subject)).status == 200
