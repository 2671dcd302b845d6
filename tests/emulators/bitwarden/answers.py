"""The bodies and status codes of refusals, and :class:`RefusalError`, by which a handler gives one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from starlette.responses import Response

INVALID_MODEL = "The request's model state is invalid."
NO_OWNER = "Organization must have at least one confirmed owner."

FieldErrors = Mapping[str, Sequence[str]]


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response as ASP.NET Core writes JSON: UTF-8, no spaces."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers=headers, media_type="application/json; charset=utf-8")


def done() -> Response:
    """Writes without a result return 200 with an empty body."""
    return Response(b"", 200)


class RefusalError(Exception):
    """What the server answers instead of doing what it was asked."""

    def __init__(self, response: Response, why: str) -> None:
        super().__init__(f"{response.status_code} {why}")
        self.response = response
        self.why = why


def public_error(status: int, message: str, errors: FieldErrors | None = None) -> Response:
    """The error body of the public API (ErrorResponseModel): ``errors`` maps a field to its messages, or is
    null.
    """
    return json_response({"object": "error", "message": message, "errors": errors}, status)


def bad_request(message: str, errors: FieldErrors | None = None) -> RefusalError:
    return RefusalError(public_error(400, message, errors), message)


def invalid(errors: FieldErrors) -> RefusalError:
    """A validation failure, or JSON that cannot be read (ModelStateValidationFilterAttribute)."""
    return RefusalError(public_error(400, INVALID_MODEL, errors), f"{INVALID_MODEL} {dict(errors)}")


def aggregate(reason: str) -> RefusalError:
    """Errors inside the invite step (ExceptionHandlerFilterAttribute, aggregate error)."""
    errors = {"An error has occurred.": [reason]}
    return RefusalError(public_error(400, "Errors have occurred.", errors), reason)


def unhandled(why: str) -> RefusalError:
    """Anything the server did not expect. ``why`` is for the reader of a traceback: the wire does not carry
    it.
    """
    return RefusalError(public_error(500, "An unhandled server error has occurred."), why)


def not_found() -> RefusalError:
    """A 404 raised below the controllers: it has a body."""
    return RefusalError(public_error(404, "Resource not found."), "Resource not found.")


def not_here() -> RefusalError:
    """A 404 of a controller, "not in this organization": its body is empty."""
    return RefusalError(Response(b"", 404), "not in this organization")


def unauthorized(reason: str = "") -> Response:
    """401 has an empty body and ``WWW-Authenticate: Bearer``."""
    challenge = f'Bearer error="invalid_token", error_description="{reason}"' if reason else "Bearer"
    return Response(b"", 401, headers={"WWW-Authenticate": challenge})


def too_many_requests(period: str, retry_after: int) -> Response:
    """The limiter's refusal. It is not of the public API's error shape (CustomIpRateLimitMiddleware)."""
    message = f"Slow down! Too many requests. Try again in {period}."
    tail = ("validationErrors", "exceptionMessage", "exceptionStackTrace", "innerExceptionMessage")
    body = {"object": "error", "message": message} | dict.fromkeys(tail)
    return json_response(body, 429, {"Retry-After": str(retry_after)})
