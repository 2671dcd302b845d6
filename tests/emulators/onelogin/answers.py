"""Answers as OneLogin gives them: v2 is plain JSON with paging in headers, v1 wraps everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

V2_NAMES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
}


class RefusalError(Exception):
    """An endpoint refuses; ``response`` is what it says."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__(response.status_code)


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, compact as the service's own, any character as it is."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return with_headers(Response(content, status, media_type="application/json"), headers or {})


def with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    """Adds headers as they are written here: Starlette's own mapping would make them lower case."""
    response.raw_headers += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return response


def v2_error(status: int, message: str = "") -> Response:
    """``{"statusCode", "name", "message"}``."""
    phrase = message or HTTPStatus(status).phrase
    return reply({"statusCode": status, "name": V2_NAMES.get(status, "Error"), "message": phrase}, status)


def v1_status(status: int, message: str, kind: str = "") -> dict[str, Any]:
    """The ``status`` that wraps every answer of v1."""
    kind = kind or ("success" if status < 300 else HTTPStatus(status).phrase)
    return {"error": status >= 300, "code": status, "type": kind, "message": message}


def v1_error(status: int, message: str) -> Response:
    """``{"status": {...}}``."""
    return reply({"status": v1_status(status, message)}, status)


def refuse(version: int, status: int, message: str) -> RefusalError:
    """A refusal in the style of a version of the API."""
    return RefusalError(v1_error(status, message) if version == 1 else v2_error(status, message))


def bad_cursor(description: str) -> RefusalError:
    """What is wrong about paging has a form of its own."""
    return RefusalError(reply({"status": 400, "error": "BadRequestError", "description": description}, 400))
