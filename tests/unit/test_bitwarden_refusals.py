"""Every shape of a refusal, as the server's own words."""

from __future__ import annotations

import json

import pytest

from dirconnector.http import Answer
from dirconnector.organizations.bitwarden.explaining import explain_token, explain_write
from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.refusals import refused, words


def answer(status: int, body: object = None, **headers: str) -> Answer:
    data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status=status, headers=headers, body=data)


LIMITED = {
    "object": "error",
    "message": "Slow down! Too many requests. Try again in 1m.",
    "validationErrors": None,
    "exceptionMessage": None,
    "exceptionStackTrace": None,
    "innerExceptionMessage": None,
}
VAULTWARDEN = {
    "message": "Incorrect client_secret",
    "validationErrors": {"": ["Incorrect client_secret"]},
    "errorModel": {"message": "Incorrect client_secret", "object": "error"},
    "error": "",
    "error_description": "",
    "object": "error",
}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(400, {"object": "error", "message": "Already revoked.", "errors": None}), "Already revoked."),
        (
            answer(
                400,
                {
                    "message": "The request's model state is invalid.",
                    "errors": {"Members[3].Email": ["Bad email."], "Groups[0].Name": ["Too long.", "Odd."]},
                },
            ),
            "The request's model state is invalid. Members[3].Email: Bad email. Groups[0].Name: Too long. "
            "Groups[0].Name: Odd.",
        ),
        (
            answer(400, {"message": "Errors have occurred.", "errors": {"An error has occurred.": ["No seats."]}}),
            "Errors have occurred. No seats.",
        ),
        (answer(429, LIMITED), "Slow down! Too many requests. Try again in 1m."),
        (answer(400, {"error": "invalid_client"}), "invalid_client"),
        (answer(400, VAULTWARDEN), "Incorrect client_secret"),
        (answer(404, {"error": {"code": 404, "reason": "Not Found", "description": "Nothing."}}), "Nothing."),
        (answer(404), ""),
        (answer(401), "the server does not accept the access token, not even a new one (401)"),
        (answer(403), "the access token is not one of an organization (403): look at client_id"),
        (
            answer(502, "<html>Bad Gateway</html>"),
            "the server answered 502 with a page instead of words for programs: is the URL right?",
        ),
        (
            answer(301, Location="https://x.org/"),
            "the server redirects to https://x.org/ (301): correct the URL in the config",
        ),
        (answer(400, [1, 2]), "the server answered 400 with a page instead of words for programs: is the URL right?"),
        (answer(400, {"message": 7, "errors": "odd"}), ""),
    ],
)
def test_words(given: Answer, said: str) -> None:
    assert words(given) == said


def test_what_has_no_words_still_has_a_status() -> None:
    error = refused(answer(404))
    assert (error.status, error.message, str(error)) == (404, "", "the server answered 404 without a message")


def test_many_reasons_are_cut_short() -> None:
    body = {"message": "Invalid.", "errors": {f"Members[{n}].Email": ["Bad."] for n in range(2000)}}
    said = words(answer(400, body))
    assert said.endswith("(and 1997 more)")
    assert len(words(answer(400, {"message": "x" * 9999}))) == 300


@pytest.mark.parametrize(
    "said",
    [
        "Seat limit has been reached.",
        "Plan does not allow additional seats.",
        "No payment method found.",
        "No subscription found.",
        "Cannot auto scale self-host.",
        "Errors have occurred. Cannot autoscale on self-hosted instance.",
    ],
)
def test_missing_seats_have_a_cure(said: str) -> None:
    assert str(explain_write(ApiRefused(400, said))) == (
        f"{said} (no seat is free: buy seats, or revoke somebody who has one)"
    )


@pytest.mark.parametrize("said", ["Organization cannot use directory syncing.", "Organization cannot use groups."])
def test_a_plan_without_it_is_named(said: str) -> None:
    assert "Teams and Enterprise" in str(explain_write(ApiRefused(400, said)))


def test_other_words_stay_as_they_are() -> None:
    error = ApiRefused(400, "Already revoked.")
    assert explain_write(error) is error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ApiRefused(400, "invalid_client"), "client_secret is wrong"),
        (ApiRefused(400, "device_identifier cannot be blank"), "kind: vaultwarden"),
        (ApiRefused(404), "no identity service at this address"),
        (ApiRefused(429, "Slow down!"), "gives no token now: Slow down!"),
        (ApiRefused(400, "invalid_scope"), "gives no token: invalid_scope"),
        (ApiRefused(403), "gives no token: 403"),
    ],
)
def test_the_token_endpoint_is_explained(error: ApiRefused, said: str) -> None:
    assert said in str(explain_token(error))
