"""What answers look like: headers of every reply, error bodies, pages."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from itertools import islice
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

SUMMARIES = {
    "E0000001": "Api validation failed",
    "E0000006": "You do not have permission to perform the requested action",
    "E0000007": "Not found: Resource not found",
    "E0000009": "Internal Server Error",
    "E0000010": "Service is in read only mode",
    "E0000011": "Invalid token provided",
    "E0000022": "The endpoint does not support the provided HTTP method",
    "E0000031": "Invalid search criteria.",
    "E0000047": "API call exceeded rate limit due to too many requests.",
}
BY_STATUS = {
    400: "E0000001",
    401: "E0000011",
    403: "E0000006",
    404: "E0000007",
    405: "E0000022",
    429: "E0000047",
    500: "E0000009",
    503: "E0000010",
}


class Refused(Exception):
    """An error of the API."""

    def __init__(self, status: int, code: str = "", summary: str = "", cause: str = "", **headers: str) -> None:
        self.response = refusal(status, code, summary, cause, **headers)
        super().__init__(code)


def refusal(status: int, code: str = "", summary: str = "", cause: str = "", **headers: str) -> Response:
    """Okta's error body (https://developer.okta.com/docs/reference/error-codes/)."""
    code = code or BY_STATUS.get(status, "E0000009")
    body = {
        "errorCode": code,
        "errorSummary": summary or SUMMARIES.get(code, "Internal Server Error"),
        "errorLink": code,
        "errorId": f"oae{secrets.token_urlsafe(12)}",
        "errorCauses": [{"errorSummary": cause}] if cause else [],
    }
    return JSONResponse(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def stamp_headers(response: Response, now: float) -> None:
    """Date and request id, which every reply has."""
    response.headers["Date"] = formatdate(now, usegmt=True)
    response.headers["X-Okta-Request-Id"] = secrets.token_urlsafe(18)


def limit_headers(response: Response, limit: int, remaining: int, reset: float) -> None:
    """The three headers of the rate limit; the reset is in seconds since the epoch."""
    response.headers["X-Rate-Limit-Limit"] = str(limit)
    response.headers["X-Rate-Limit-Remaining"] = str(remaining)
    response.headers["X-Rate-Limit-Reset"] = str(math.ceil(reset))


def options(request: Request, known: Iterable[str]) -> dict[str, str]:
    """The query options. Raises 400 for one that the endpoint does not know, or that is there twice."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known or name in given:
            raise Refused(400, "E0000001", f"Api validation failed: {name}", f"{name}: Unknown or repeated parameter")
        given[name] = value
    return given


def page_size(given: Mapping[str, str], default: int, most: int) -> int:
    """The ``limit``. Raises 400 beyond the maximum."""
    text = given.get("limit", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refused(400, "E0000001", "Api validation failed: limit", f"limit: must be a number from 1 to {most}")
    return int(text)


def page(
    request: Request,
    given: Mapping[str, str],
    size: int,
    ids: Callable[[str], Iterable[str]],
    body: Callable[[str], bytes],
) -> Response:
    """One page of the documents behind the cursor. ``ids`` gives the ids behind one, in order."""
    strikes = request.scope.get("emulator.faults", frozenset())
    start = _decoded(given["after"], request.url.path) if given.get("after") else ""
    if "empty-page" in strikes:
        return _linked(request, given, b"[]", f"{start}!", strikes)  # sorts like start
    found = list(islice(ids(start), size + 1))
    shown = found[:size]
    if "html" in strikes:
        return Response(b"<html>Sign in</html>", media_type="text/html")
    last = shown[-1] if len(found) > size or ("always-next" in strikes and shown) else ""
    if "same-cursor" in strikes:
        last = start or "!"
    return _linked(request, given, b"[" + b",".join(map(body, shown)) + b"]", last, strikes)


def _linked(request: Request, given: Mapping[str, str], body: bytes, last: str, strikes: frozenset[str]) -> Response:
    """Two Link lines: self, then next unless this is the last page."""
    response = Response(body, media_type="application/json")
    own = f"https://{request.headers['host']}{request.url.path}"
    here = f'<{_url(own, given)}>; rel="self"'
    following = f'<{_url(own, {**given, "after": _encoded(last, request.url.path)})}>; rel="next"' if last else ""
    lines = [following, here] if "next-first" in strikes else [here, following]
    for line in filter(None, lines):
        response.headers.append("Link", line)
    return response


def _url(own: str, given: Mapping[str, str]) -> str:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
    return f"{own}?{query}" if query else own


def _encoded(last: str, path: str) -> str:
    digest = hashlib.sha256(f"{path} {last}".encode()).hexdigest()[:8]
    return base64.b64encode(f"\xff\xfe{last}|{digest}".encode("latin-1")).decode()


def _decoded(after: str, path: str) -> str:
    try:
        last = base64.b64decode(after, validate=True).decode("latin-1")[2:].rpartition("|")[0]
    except (binascii.Error, ValueError):
        last = ""
    if not last or _encoded(last, path) != after:
        raise Refused(400, "E0000001", "Api validation failed: after", "after: Invalid cursor")
    return last
