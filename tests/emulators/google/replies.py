"""Answers as Google's front end writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

JsonObject = dict[str, Any]

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}
REASONS: dict[str, tuple[int, str, str]] = {
    "userRateLimitExceeded": (403, "usageLimits", "User Rate Limit Exceeded. Rate of requests for user exceed limit."),
    "quotaExceeded": (
        403,
        "usageLimits",
        "Quota exceeded for quota metric 'Queries' of service 'admin.googleapis.com'.",
    ),
    "dailyLimitExceeded": (
        403,
        "usageLimits",
        "Daily Limit Exceeded. The quota will be reset at midnight Pacific Time.",
    ),
    "rateLimitExceeded": (
        429,
        "usageLimits",
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'.",
    ),
    "backendError": (503, "global", "Service unavailable. Please try again"),
    "internalError": (500, "global", "Internal Error"),
    "accessNotConfigured": (
        403,
        "usageLimits",
        "Admin SDK API has not been used in project 123456789012 before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/admin.googleapis.com/overview?project=123456789012 then retry.",
    ),
    "forbidden": (403, "global", "Not Authorized to access this resource/api"),
    "domainCannotUseApis": (403, "global", "Domain cannot use apis."),
    "authError": (401, "global", "Invalid Credentials"),
    "badRequest": (400, "global", "Bad Request"),
    "notFound": (404, "global", "Not Found"),
}
"""Reason -> status, domain, message (Directory API: "Limits and quotas", "Troubleshoot error codes")."""

BY_STATUS = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    429: "rateLimitExceeded",
    500: "internalError",
    503: "backendError",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Status, JSON body, headers."""

    status: int = 200
    body: JsonObject = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """The service says no."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(str(reply.body))


def error(status: int, message: str, reason: str, domain: str = "global", **more: str) -> Reply:
    """An error body: ``{"error": {"code", "message", "errors": [{"message", "domain", "reason"}]}}``."""
    body: JsonObject = {
        "code": status,
        "message": message,
        "errors": [{"message": message, "domain": domain, "reason": reason, **more}],
    }
    if status in STATUS_WORDS:
        body["status"] = STATUS_WORDS[status]
    return Reply(status=status, body={"error": body}, headers=dict(CHALLENGE) if status == 401 else {})


def of_reason(reason: str) -> Reply:
    """The error of a known reason."""
    status, domain, message = REASONS[reason]
    return error(status, message, reason, domain)


def of_status(status: int) -> Reply:
    """The error that usually has this status."""
    if status in BY_STATUS:
        return of_reason(BY_STATUS[status])
    return error(status, f"Error {status}", "backendError" if status >= 500 else "badRequest")


def bad_request(message: str, reason: str = "invalid") -> RefusedError:
    """A 400, to be raised."""
    return RefusedError(error(400, message, reason))


def not_found(message: str) -> RefusedError:
    """A 404, to be raised."""
    return RefusedError(error(404, message, "notFound"))
