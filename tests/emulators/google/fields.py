"""Partial responses: the ``fields`` parameter (developers.google.com/workspace/admin/directory/v1/guides/performance).

``a,b(c,d/e)`` keeps a, and of b only c and e below d. What is not named is left out, ``nextPageToken`` too.
"""

from __future__ import annotations

import re
from typing import Any

from tests.emulators.google.replies import bad_request

Mask = dict[str, "Mask"]

TOKEN = re.compile(r"[A-Za-z0-9_*\-$.]+|[(),/]")


def parse(text: str) -> Mask:
    """The mask; a 400 when it is malformed."""
    words = TOKEN.findall(text)
    if "".join(words) != text or not words:
        raise _invalid(text)
    mask, rest = _selection(words, text)
    if rest:
        raise _invalid(text)
    return mask


def _invalid(text: str) -> Exception:
    return bad_request(f"Invalid field selection {text}", "invalidParameter")


def _selection(words: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        name, inner, words = _path(words, text)
        mask.setdefault(name, {}).update(inner)
        if not words or words[0] == ")":
            return mask, words
        if words[0] != ",":
            raise _invalid(text)
        words = words[1:]


def _path(words: list[str], text: str) -> tuple[str, Mask, list[str]]:
    if not words or words[0] in "(),/":
        raise _invalid(text)
    name, words = words[0], words[1:]
    if words and words[0] == "/":
        inner, below, words = _path(words[1:], text)
        return name, {inner: below}, words
    if words and words[0] == "(":
        mask, words = _selection(words[1:], text)
        if not words or words[0] != ")":
            raise _invalid(text)
        return name, mask, words[1:]
    return name, {}, words


def apply(mask: Mask, value: Any) -> Any:
    """``value`` with nothing but what the mask names."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [apply(mask, item) for item in value]
    if isinstance(value, dict):
        return {name: apply(below, value[name]) for name, below in mask.items() if name in value}
    return value


def check(mask: Mask, known: frozenset[str], text: str) -> None:
    """A 400 for a name that the resource does not have."""
    for name in mask:
        if name != "*" and name not in known:
            raise bad_request(f"Invalid field selection {name}", "invalidParameter")
