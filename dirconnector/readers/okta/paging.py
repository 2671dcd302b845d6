"""From page to page: paths, options, and Link headers. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

SMALLEST_PAGE = 25
_NEXT = re.compile(r'<([^<>]*)>[^,]*;\s*rel="?next"?', re.IGNORECASE)


def url_of(path: str, **options: object) -> str:
    """A path with its options; those that are None are left out."""
    given = {name: str(value) for name, value in options.items() if value is not None}
    return f"{path}?{urlencode(given, quote_via=quote)}" if given else path


def smaller(path: str) -> str:
    """The same page with half as many entries: large pages time out (500) where entries are large."""
    parts = urlsplit(path)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not options.get("limit", "").isdecimal():
        return path
    return url_of(parts.path, **options | {"limit": max(SMALLEST_PAGE, int(options["limit"]) // 2)})


def next_of(links: tuple[str, ...]) -> str:
    """The path of the next page (RFC 8288), from all Link lines in whatever order; empty when there is none.

    Only path and query are taken: the token goes to no other host than the one in the config, and organizations with a
    custom domain may answer with their first name.
    """
    for line in links:
        found = _NEXT.search(line)
        if found:
            parts = urlsplit(found[1])
            return f"{parts.path}?{parts.query}" if parts.query else parts.path
    return ""
