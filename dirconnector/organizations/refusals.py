"""The server's refusals, in the server's own words. There are four shapes of them, and some have no body at all.

Public API: ``{"object": "error", "message", "errors"}``; rate limiter and Vaultwarden: ``{"message",
"validationErrors", ...}``; token endpoint: ``{"error": "invalid_client"}``; Rocket (below Vaultwarden): ``{"error":
{"code", "reason", "description"}}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dirconnector.http import Answer
from dirconnector.organizations.endpoints import ApiRefused

LONGEST = 300
SHOWN = 3

_WITHOUT_WORDS = {
    401: "the server does not accept the access token, not even a new one (401)",
    403: "the access token is not one of an organization (403): look at client_id",
    413: "the server finds the request too large (413)",
}


def refused(answer: Answer) -> ApiRefused:
    """The refusal as an error. ``message`` is the server's, with the reasons it gives in ``errors``."""
    return ApiRefused(answer.status, words(answer))


def words(answer: Answer) -> str:
    """What the server says, empty when it says nothing."""
    if 300 <= answer.status < 400:
        where = answer.headers.get("Location", "elsewhere")
        return f"the server redirects to {where[:LONGEST]} ({answer.status}): correct the URL in the config"
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, Mapping):
        return _from_json(body)[:LONGEST] or _WITHOUT_WORDS.get(answer.status, "")
    if answer.body.strip():
        return f"the server answered {answer.status} with a page instead of words for programs: is the URL right?"
    return _WITHOUT_WORDS.get(answer.status, "")


def _from_json(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    if isinstance(error, Mapping):
        return str(error.get("description") or error.get("reason") or "")
    message = body.get("message") or body.get("error_description") or error
    reasons = list(_reasons(body.get("errors")))
    if not isinstance(message, str):
        message = ""
    if not reasons:
        return message
    more = f" (and {len(reasons) - SHOWN} more)" if len(reasons) > SHOWN else ""
    return f"{message} {' '.join(reasons[:SHOWN])}{more}".strip()


def _reasons(errors: object) -> Iterable[str]:
    """``errors``: field -> list of sentences."""
    if not isinstance(errors, Mapping):
        return
    for field, sentences in errors.items():
        for sentence in sentences if isinstance(sentences, list) else [sentences]:
            named = " " not in str(field) and str(field)
            yield f"{field}: {sentence}" if named else str(sentence)
