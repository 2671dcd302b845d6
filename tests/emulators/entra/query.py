"""Query options, and the pages of a list."""

from __future__ import annotations

import base64
import binascii
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request

from tests.emulators.entra.filters import Filter
from tests.emulators.entra.schema import DEFAULTS, KNOWN, NOT_IN_DIRECTORY, OTHER_DEFAULT, Refused, bad, unsupported
from tests.emulators.entra.state import Object

DEFAULT_PAGE, LARGEST_PAGE = 100, 999
EXPANDED = 20
"""``$expand`` returns so many, and no link to the rest."""

ORDERED = {
    "user": {"displayName", "userPrincipalName"},
    "group": {"displayName"},
    "administrativeUnit": {"displayName"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The options of one request; ``options`` have the ``$``. ``base`` is the service's URL as the client sees it."""

    base: str
    path: str
    options: Mapping[str, str]
    eventual: bool = False
    minimal: bool = False
    faults: frozenset[str] = field(default_factory=frozenset)

    @property
    def counted(self) -> bool:
        return self.options.get("$count", "").casefold() == "true"

    @property
    def advanced(self) -> bool:
        """An advanced query: both the header and ``$count=true``."""
        return self.eventual and self.counted

    def allow(self, *names: str) -> None:
        """Refuse every other option that starts with ``$``."""
        for name in self.options:
            if name.startswith("$") and name not in names:
                raise bad(f"The query parameter '{name}' is not supported.")

    def link(self, **changes: str) -> str:
        """The absolute URL of this query with other options."""
        options = {k: v for k, v in self.options.items() if k not in ("$skiptoken", "$deltatoken")} | changes
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"{self.base}{quote(self.path, safe='/@.()')}?{text}"


def query_of(request: Request) -> Query:
    """The query of a request. An option given twice is refused."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    options: dict[str, str] = {}
    for name, value in pairs:
        if name in options and name.startswith("$"):
            raise bad(f"Query option '{name}' was specified more than once, but it must be specified at most once.")
        options[name] = value
    return Query(
        base=f"{request.url.scheme}://{request.headers.get('host', '')}",
        path=request.scope["path"],
        options=options,
        eventual=request.headers.get("consistencylevel", "").casefold() == "eventual",
        minimal="return=minimal" in request.headers.get("prefer", "").replace(" ", "").casefold(),
        faults=request.scope.get("emulator.faults", frozenset()),
    )


def query_of_url(url: str, base: str, headers: Mapping[str, str]) -> Query:
    """The query of a part of a batch."""
    parts = urlsplit(url)
    low = {name.casefold(): value for name, value in headers.items()}
    return Query(
        base=base,
        path=parts.path,
        options=dict(parse_qsl(parts.query, keep_blank_values=True)),
        eventual=low.get("consistencylevel", "").casefold() == "eventual",
    )


# ------------------------------------------------------------------------------------------------------- single options


def selected(query: Query, kind: str, *, also: Sequence[str] = ()) -> list[str] | None:
    """The names in ``$select``; None without it. Raises for names that do not exist."""
    text = query.options.get("$select")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    known = KNOWN.get(kind)
    for name in names:
        if name in NOT_IN_DIRECTORY and kind == "user":
            raise Refused(501, "NotImplemented", "Selecting this property in a list is not supported.")
        if known is not None and name not in known and name not in also and not name.startswith("extension_"):
            raise bad(
                "Parsing OData Select and Expand failed: Could not find a property named "
                f"'{name}' on type 'microsoft.graph.{kind}'."
            )
    return names


def shaped(found: Object, kind: str, names: Sequence[str] | None) -> Object:
    """The object with the selected properties, or with those that are returned by default."""
    wanted = names if names is not None else DEFAULTS.get(kind, OTHER_DEFAULT)
    shape = {name: found.get(name) for name in wanted if name != "members"}
    shape["id"] = found["id"]
    return shape


def page_size(query: Query) -> int:
    """``$top``. Raises for one out of range."""
    text = query.options.get("$top")
    if text is None:
        return DEFAULT_PAGE
    if not re.fullmatch(r"-?\d+", text):
        raise bad(f"Invalid value '{text}' for $top query option found.")
    if not 1 <= int(text) <= LARGEST_PAGE:
        raise bad(f"Invalid page size specified: '{text}'. Must be between 1 and {LARGEST_PAGE} inclusive.")
    return int(text)


def filtered(query: Query, items: Iterable[Object], kind: str) -> Iterable[Object]:
    """What ``$filter`` and ``$search`` leave."""
    text = query.options.get("$filter")
    if text is not None:
        wanted = Filter(text, KNOWN.get(kind, set(OTHER_DEFAULT)) | {"id"})
        if wanted.advanced and not query.advanced:
            raise unsupported("Unsupported Query. This query requires ConsistencyLevel: eventual and $count=true.")
        items = filter(wanted.matches, items)
    words = query.options.get("$search")
    if words is not None:
        if not query.eventual:
            raise bad(
                "Request with $search query parameter only works through MSGraph with a special request header: "
                "'ConsistencyLevel: eventual'"
            )
        match = re.fullmatch(r'"(\w+):(.*)"', words)
        if match is None:
            raise bad("Syntax error: character '\"' is not valid.")
        name, value = match.groups()
        items = (item for item in items if value.casefold() in str(item.get(name) or "").casefold())
    return items


def ordered(query: Query, items: Iterable[Object], kind: str) -> list[Object]:
    """``$orderby``; without it, by id."""
    text = query.options.get("$orderby")
    if text is None:
        return list(items)
    name, _, direction = text.partition(" ")
    if name not in ORDERED.get(kind, set()) or direction not in ("", "asc", "desc"):
        raise unsupported(f"Sorting by '{text}' is not supported for current query.")
    if ("$filter" in query.options or "$search" in query.options) and not query.advanced:
        raise unsupported("Sorting not supported for current query.")
    return sorted(items, key=lambda item: str(item.get(name) or "").casefold(), reverse=direction == "desc")


# --------------------------------------------------------------------------------------------------------------- pages


def encode(token: object) -> str:
    """An opaque token."""
    return base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode(text: str) -> Any:
    """The other way. Raises ValueError."""
    try:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def page(query: Query, items: Sequence[Object], context: str) -> tuple[dict[str, Any], Sequence[Object]]:
    """The envelope of a page, and the items that belong into its ``value``. Without ``$orderby`` a page begins after an
    id, so that what comes and goes meanwhile moves nothing.

    The faults: ``empty`` is a page without items in the middle of the list, ``loop`` a page whose link leads to
    itself, ``foreign`` one whose link leads to another host; ``miscount`` counts one more than there are.
    """
    size, start = page_size(query), 0
    token = query.options.get("$skiptoken")
    repeated = 0
    by_id = "$orderby" not in query.options
    after: Any = "" if by_id else 0
    if token is not None:
        try:
            after, repeated = decode(token)["after"], int(decode(token).get("n", 0))
            start = bisect_right(items, after, key=_id) if by_id else int(after)
        except (ValueError, LookupError, TypeError):
            raise Refused(400, "Directory_ExpiredPageToken", "The specified page token value has expired.") from None
    end = start if "empty" in query.faults else start + size
    body: dict[str, Any] = {"@odata.context": f"{query.base}/v1.0/$metadata#{context}"}
    if query.advanced and token is None:
        body["@odata.count"] = len(items) + ("miscount" in query.faults)
    if end < len(items):
        stays = "loop" in query.faults or end == start
        next_after = after if stays else items[end - 1]["id"] if by_id else end
        # an empty page is not the same page again
        again = {"n": repeated + (0 if "loop" in query.faults else 1)} if stays else {}
        link = query.link(**{"$skiptoken": encode({"after": next_after} | again)})
        body["@odata.nextLink"] = link.replace(query.base, "https://127.0.0.2:1") if "foreign" in query.faults else link
    return body, items[start:end]


def _id(item: Object) -> str:
    return str(item["id"])
