"""Reading a list of the v2 API to its proven end, and one of v1.

v2 pages by offsets that are hidden in a cursor, so that whoever is deleted during a read moves all that follow: one of
them is on no page, and nothing says so. The proof of a whole read is: the number of entries (``Total-Count``) was the
same on every page, so many different ids came, and they came in descending order. New entries have the highest ids and
so come first; what is left out by a deletion would have to be made up for by an insertion at the same time *before*
it, and that moves everything back to where it was. In any other order an entry that is added at the end can hide the
loss of one that moved: then whoever was created while we read makes the read doubtful.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dirconnector.errors import DirectoryRefused
from dirconnector.readers.onelogin.refusal import ApiRefused

if TYPE_CHECKING:
    # the HTTP library is loaded when something is read, not when the config is checked
    from dirconnector.http import Answer
    from dirconnector.readers.onelogin.connection import Api

Row = dict[str, Any]
OnPage = Callable[[int, "int | None"], None]
READS = 3
"""How often a list is read again when it moved."""

MOST_PAGES = 100_000
"""Where nothing says how many there are."""

MISSING = "the answer has no Total-Count header, so nothing proves its end: does something between here and OneLogin "


def nobody_watches(rows: int, total: int | None) -> None:
    """The :data:`OnPage` of a list that is short."""


@dataclass(slots=True, kw_only=True)
class Listing:
    """What came of a list. ``rows`` are by id. ``began`` is the server's time before the read. ``moved``: incomplete
    because the list changed while it was read.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    pages: int = 0
    entries: int = 0
    complete: bool = False
    moved: bool = False
    why: str = ""
    began: datetime | None = None
    totals: list[int | None] = field(default_factory=list)
    descending: bool = True

    def take(self, rows: list[Row], total: int | None) -> None:
        """Add a page."""
        last = next(reversed(self.rows), None)
        for row in rows:
            self.descending = self.descending and (last is None or row["id"] <= last)
            last = row["id"]
            self.rows[last] = row
        self.pages += 1
        self.entries += len(rows)
        self.totals.append(total)


@dataclass(slots=True)
class Paging:
    """What to ask for, best first; what a service refuses is not asked for again."""

    options: list[dict[str, str]]

    @classmethod
    def of(cls, *sizes: int, sort: str = "") -> Paging:
        """These page sizes, and the order, which is given up last."""
        limits = [{"limit": str(size)} for size in sorted(set(sizes), reverse=True)]
        return cls([*([limit | {"sort": sort} for limit in limits] if sort else []), *limits])


def read_list(
    api: Api,
    path: str,
    query: Mapping[str, str],
    paging: Paging,
    *,
    on_page: OnPage = nobody_watches,
    backed: bool = False,
) -> Listing:
    """A list of the v2 API, read again when it moved. ``backed``: an entry that is missing would be noticed elsewhere,
    so that the order does not matter.

    Raises :class:`ApiRefused` when the first page is refused, and what :meth:`Api.get` raises.
    """
    for _ in range(READS):
        listing = _walk(api, path, query, paging, on_page)
        _judge(listing, backed=backed)
        if not listing.moved:
            break
    return listing


def _walk(api: Api, path: str, query: Mapping[str, str], paging: Paging, on_page: OnPage) -> Listing:
    listing = Listing()
    answer = _first(api, path, query, paging)
    listing.began = server_time(answer)
    shape: set[str] = set()
    cursors: set[str] = set()
    again: Mapping[str, str] = {}
    while True:
        rows = rows_of(api, path, answer)
        total = _total(answer)
        shape = shape or (set(rows[0]) if rows else set())
        listing.take(rows, total)
        on_page(len(listing.rows), total)
        cursor = answer.headers.get("After-Cursor")
        if not cursor:
            return listing
        if cursor in cursors or listing.pages > (MOST_PAGES if total is None else total + 10):
            listing.why = "the service leads in a circle: it gave a cursor a second time"
            return listing
        cursors.add(cursor)
        # the header is percent-encoded; urlencode does it again on the way out, so it has to be undone exactly once
        following = {"cursor": unquote(cursor)}
        try:
            answer = api.get(path, {**following, **again})
            if not again and _forgot(rows_of(api, path, answer), _total(answer), shape, total, query):
                again = query
                answer = api.get(path, {**following, **again})
        except ApiRefused as error:
            listing.moved = error.status == 400
            listing.why = f"a page was refused: {error}"
            return listing


def _first(api: Api, path: str, query: Mapping[str, str], paging: Paging) -> Answer:
    while True:
        options = paging.options[0]
        try:
            return api.get(path, {**query, **options})
        except ApiRefused as error:
            if error.status != 400 or len(paging.options) == 1:
                raise
            # another thread may have met the same refusal
            if paging.options[0] is options:
                paging.options.pop(0)


def _forgot(rows: list[Row], total: int | None, shape: set[str], before: int | None, query: Mapping[str, str]) -> bool:
    """A cursor may not remember ``fields`` and filters: then rows lack what was asked for, or there are more of
    them.
    """
    filtered = query.keys() - {"fields"}
    return bool(query and rows and not shape <= rows[0].keys()) or bool(filtered and total != before)


def _judge(listing: Listing, *, backed: bool) -> None:
    """Whether the list is whole; see the module's docstring."""
    total = listing.totals[-1]
    if listing.why:
        return
    if total is None:
        listing.why = f"{MISSING}remove headers?"
    elif len(set(listing.totals)) > 1:
        listing.moved = True
        listing.why = f"the list changed while it was read, {READS} times: run again at a quieter time"
    elif len(listing.rows) != total:
        listing.moved = True
        listing.why = (
            f"{len(listing.rows)} different entries came and Total-Count is {total}: entries moved from page to page "
            "while they were read; run again at a quieter time"
        )
    elif listing.pages > 1 and not listing.descending and not backed and _somebody_new(listing):
        listing.moved = True
        listing.why = "entries were added while they were read in another order than asked for: run again"
    else:
        listing.complete = True
        listing.why = f"no After-Cursor, and Total-Count is {total} on every page"


def _somebody_new(listing: Listing) -> bool:
    """Somebody may have been created since the read began; not knowing counts as yes."""
    began = listing.began
    created = (moment(row.get("created_at")) for row in listing.rows.values())
    return began is None or any(when is None or when >= began for when in created)


def moment(text: object) -> datetime | None:
    """A time as the service writes it, None for what is none."""
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return when if when is not None and when.tzinfo is not None else None


def server_time(answer: Answer) -> datetime | None:
    """The Date header (RFC 9110 section 6.6.1)."""
    try:
        when = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo is not None else None


def _total(answer: Answer) -> int | None:
    text = answer.headers.get("Total-Count", "").strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def rows_of(api: Api, path: str, answer: Answer) -> list[Row]:
    """The rows of a page. Raises :class:`DirectoryRefused` when it is none."""
    from dirconnector.readers.onelogin.connection import parsed, strange

    rows = parsed(answer)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and type(row.get("id")) is int for row in rows):
        raise strange(api.directory, path)
    return rows


def one_row(api: Api, path: str) -> Row:
    """One entry, of v2 or wrapped by v1. Raises :class:`ApiRefused`, and :class:`DirectoryRefused` for what is none."""
    from dirconnector.readers.onelogin.connection import parsed, strange

    body = parsed(api.get(path))
    data = body.get("data") if isinstance(body, dict) else None
    row = data[0] if isinstance(data, list) and data else body
    if not isinstance(row, dict) or type(row.get("id")) is not int:
        raise strange(api.directory, path)
    return row


def count(api: Api, path: str) -> int | None:
    """How many entries a list has now; None when the service does not say."""
    return _total(api.get(path, {"limit": "1", "fields": "id"}))


# ------------------------------------------------------------------------------------------------------------------ v1


def read_v1(api: Api, path: str, query: Mapping[str, str], *, on_page: OnPage = nobody_watches) -> Listing:
    """A list of the v1 API: the next page's address is in the body, null at the end.

    Raises :class:`ApiRefused` when the first page is refused, and what :meth:`Api.get` raises.
    """
    listing = Listing()
    answer = api.get(path, query)
    listing.began = server_time(answer)
    seen: set[str] = set()
    while True:
        rows, link = _v1_page(api, path, answer)
        listing.take(rows, None)
        on_page(len(listing.rows), None)
        if link is None:
            listing.complete, listing.why = True, "next_link is null"
            return listing
        target = _own(api, path, link)
        if target in seen:
            listing.why = "the service leads in a circle: it gave a link a second time"
            return listing
        seen.add(target)
        try:
            answer = api.get(target)
        except ApiRefused as error:
            listing.why = f"a page was refused: {error.status} {error.words}"
            return listing


def _v1_page(api: Api, path: str, answer: Answer) -> tuple[list[Row], str | None]:
    from dirconnector.readers.onelogin.connection import parsed, strange

    body = parsed(answer)
    rows = body.get("data") if isinstance(body, dict) else None
    pagination = body.get("pagination") if isinstance(body, dict) else None
    link = pagination.get("next_link", False) if isinstance(pagination, dict) else False
    good = isinstance(rows, list) and all(isinstance(row, dict) and type(row.get("id")) is int for row in rows)
    # without the field nothing says whether there is more
    if not good or not isinstance(rows, list) or not (link is None or isinstance(link, str)):
        raise strange(api.directory, path)
    return rows, link


def _own(api: Api, path: str, link: str) -> str:
    """The path and query of a link to the same list. Whatever host it names: the token goes nowhere else."""
    where = urlsplit(link)
    if where.path != path:
        raise DirectoryRefused(api.directory, f"GET {path}: the next page is said to be {where.path}: not followed")
    return f"{where.path}?{where.query}"
