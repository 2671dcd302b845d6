"""Paging of both versions. v2: offsets hidden in a cursor, everything else in headers; v1: a link in the body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.onelogin.answers import bad_cursor, refuse, reply, v1_status

Record = dict[str, Any]
PAGINATION = ("limit", "page", "sort")


def query_of(request: Request, known: Sequence[str], version: int) -> dict[str, str]:
    """The options of a request. What the service does not know is refused, and so is what is given twice."""
    params: QueryParams = request.query_params
    allowed = {*known, *(("cursor", *PAGINATION) if version == 2 else ("after_cursor", "before_cursor", "limit"))}
    for name in params:
        if name not in allowed and not name.startswith("custom_attributes."):
            raise refuse(version, 400, f"Unknown query parameter: {name}")
        if len(params.getlist(name)) > 1:
            raise refuse(version, 400, f"Query parameter given twice: {name}")
    return dict(params)


def v2_query(request: Request, known: Sequence[str]) -> dict[str, str]:
    """The options of a v2 list, those that its cursor carries included."""
    query = query_of(request, known, 2)
    if "cursor" not in query:
        return query
    if any(name in query for name in PAGINATION):
        raise bad_cursor("Requests can only have cursor xor pagination arguments")
    return query | _from_cursor(query.pop("cursor"))


def _from_cursor(cursor: str) -> dict[str, str]:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
        carried = dict(parse_qsl(text, strict_parsing=True))
        direction = {"asc": "+", "desc": "-"}[carried.pop("sort_direction")]
        int(carried["limit"]), int(carried["page"])
    except (binascii.Error, UnicodeDecodeError, ValueError, KeyError):
        raise bad_cursor("Invalid pagination cursor") from None
    carried["sort"] = direction + carried["sort"]
    return carried


def cursor_for(query: Mapping[str, str], limit: int, sort: str, page: int, *, carries: bool) -> str:
    """``limit=100&sort=id&page=2&sort_direction=asc`` in base64; with ``carries`` the filters and fields as well."""
    parts = {"limit": str(limit), "sort": sort[1:], "page": str(page)}
    parts["sort_direction"] = "desc" if sort.startswith("-") else "asc"
    if carries:
        parts |= {name: value for name, value in query.items() if name not in PAGINATION}
    return base64.b64encode(urlencode(parts).encode()).decode()


def number(query: Mapping[str, str], name: str, default: int, most: int, version: int = 2) -> int:
    """A whole number from 1 to ``most``, else a refusal."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
        raise refuse(version, 400, f"{name} must be a number between 1 and {most}")
    return int(text)


def v2_page(
    rows: Sequence[Record],
    query: Mapping[str, str],
    *,
    shape: Callable[[Record], Record],
    default: int,
    most: int,
    sorted_by: Sequence[str] = ("id",),
    carries: bool = True,
    encoded: bool = True,
    faults: frozenset[str] = frozenset(),
) -> Response:
    """One page. Faults: ``empty-page`` (no rows, yet a cursor to the page that was asked for), ``same-cursor`` (a
    cursor that leads to this page again), ``no-paging-headers`` (as after a proxy that lets few headers through),
    ``unsorted`` (the order that was asked for is ignored).
    """
    limit = number(query, "limit", default, most)
    page = number(query, "page", 1, 10**9)
    sort = query.get("sort", "+id")
    if sort[:1] == " ":  # a plus that was not encoded
        sort = f"+{sort[1:]}"
    if sort[:1] not in "+-" or sort[1:] not in sorted_by:
        raise refuse(2, 400, f"Cannot sort by {sort}")
    order = "+id" if "unsorted" in faults else sort
    ordered = sorted(rows, key=itemgetter("id"))
    if order[1:] != "id":
        ordered.sort(key=lambda row: str(row[order[1:]] or ""))
    if order.startswith("-"):
        ordered.reverse()
    shown = [] if "empty-page" in faults else ordered[(page - 1) * limit : page * limit]
    pages = max(1, -(-len(ordered) // limit))
    following = page if faults & {"empty-page", "same-cursor"} else page + 1
    headers = {
        "Current-Page": str(page),
        "Page-Items": str(len(shown)),
        "Total-Pages": str(pages),
        "Total-Count": str(len(ordered)),
    }

    def cursor(of: int) -> str:
        again = {"again": "1"} if "empty-page" in faults else {}
        text = cursor_for({**query, **again}, limit, sort, of, carries=carries or bool(again))
        return quote(text, safe="") if encoded else text

    headers["Cursor"] = cursor(page)
    if following <= pages or faults & {"empty-page", "same-cursor"}:
        headers["After-Cursor"] = cursor(following)
    if page > 1:
        headers["Before-Cursor"] = cursor(page - 1)
    if "no-paging-headers" in faults:
        headers = {}
    return reply([shape(row) for row in shown], headers=headers)


def v1_page(
    rows: Sequence[Record], query: Mapping[str, str], here: str, *, shape: Callable[[Record], Record], most: int = 50
) -> Response:
    """One page of v1: keyset paging by id, the link to the next page in the body."""
    limit = number(query, "limit", most, most, version=1)
    ordered = sorted(rows, key=lambda row: row["id"])
    after = _v1_cursor(query.get("after_cursor"))
    before = _v1_cursor(query.get("before_cursor"))
    if after is not None:
        ordered = [row for row in ordered if row["id"] > after]
    if before is not None:
        ordered = [row for row in ordered if row["id"] < before][-limit:]
    shown = ordered[:limit]
    more = len(ordered) > limit or before is not None
    following = _v1_text(shown[-1]["id"]) if shown and more else None
    earlier = _v1_text(shown[0]["id"]) if shown and after is not None else None
    rest = {name: value for name, value in query.items() if name not in ("after_cursor", "before_cursor")}
    pagination = {
        "before_cursor": earlier,
        "after_cursor": following,
        "previous_link": f"{here}?{urlencode(rest | {'before_cursor': earlier})}" if earlier else None,
        "next_link": f"{here}?{urlencode(rest | {'after_cursor': following})}" if following else None,
    }
    data = [shape(row) for row in shown]
    return reply({"status": v1_status(200, "Success"), "pagination": pagination, "data": data})


def _v1_text(number: int) -> str:
    return base64.b64encode(f"id:{number}".encode()).decode()


def _v1_cursor(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(base64.b64decode(text, validate=True).decode().removeprefix("id:"))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise refuse(1, 400, "Invalid cursor") from None
