"""Filter and search expressions (https://developer.okta.com/docs/api/#filter): a small part of SCIM's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]

USER_FILTER = frozenset(
    {"id", "status", "lastupdated", "profile.login", "profile.email", "profile.firstname", "profile.lastname"}
)
GROUP_FILTER = frozenset({"id", "type", "lastupdated", "lastmembershipupdated"})
APP_FILTER = frozenset({"id", "status", "name"})
LOG_FILTER = frozenset({"eventtype", "target.id", "target.type", "actor.id", "outcome.result"})

_TOKEN = re.compile(r'\s*(?:(?P<paren>[()])|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()"]+))')
_OPERATORS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "sw", "co", "ew"})
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


class ExpressionError(Exception):
    """The expression is not valid; E0000031."""


def parse(text: str, allowed: frozenset[str] | None = None) -> Predicate:
    """What an expression says of a document. ``allowed`` are the attributes (lower case) that may be named, None for
    all of them, as in ``search``.
    """
    parser = _Parser(list(_tokens(text)), allowed)
    predicate = parser.either()
    if parser.rest:
        raise ExpressionError(text)
    return predicate


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(text)
        position = found.end()
        kind = found.lastgroup or ""
        yield kind, found[kind]


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], allowed: frozenset[str] | None) -> None:
        self.rest = tokens
        self.allowed = allowed

    def either(self) -> Predicate:
        parts = [self.both()]
        while self._word("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda document: any(part(document) for part in parts)

    def both(self) -> Predicate:
        parts = [self.one()]
        while self._word("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda document: all(part(document) for part in parts)

    def one(self) -> Predicate:
        if self._word("not"):
            inner = self.one()
            return lambda document: not inner(document)
        if self._next() == ("paren", "("):
            inner = self.either()
            if self._next() != ("paren", ")"):
                raise ExpressionError("a parenthesis is open")
            return inner
        return self._comparison(self._taken)

    def _comparison(self, token: tuple[str, str]) -> Predicate:
        kind, path = token
        path = path.lower()
        if kind != "word" or (self.allowed is not None and path not in self.allowed):
            raise ExpressionError(path)
        if self._word("pr"):
            return lambda document: any(value not in (None, "") for value in _values(document, path.split(".")))
        kind, operator = self._next()
        operator = operator.lower()
        if kind != "word" or operator not in _OPERATORS:
            raise ExpressionError(operator)
        kind, raw = self._next()
        wanted = re.sub(r"\\(.)", r"\1", raw[1:-1]) if kind == "text" else raw
        if kind == "paren":
            raise ExpressionError(raw)
        return lambda document: any(_holds(value, operator, wanted) for value in _values(document, path.split(".")))

    def _next(self) -> tuple[str, str]:
        if not self.rest:
            raise ExpressionError("the expression ends too early")
        self._taken = self.rest.pop(0)
        return self._taken

    def _word(self, word: str) -> bool:
        if self.rest and self.rest[0][0] == "word" and self.rest[0][1].lower() == word:
            self.rest.pop(0)
            return True
        return False


def _values(document: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(document, list):
        for item in document:
            yield from _values(item, path)
    elif not path:
        yield document
    elif isinstance(document, Mapping):
        for name, value in document.items():
            if name.lower() == path[0]:
                yield from _values(value, path[1:])


def _holds(value: Any, operator: str, wanted: str) -> bool:
    if value is None:
        return operator == "ne"
    if isinstance(value, bool):
        value = str(value).lower()
    left, right = _comparable(str(value), wanted)
    match operator:
        case "eq":
            return bool(left == right)
        case "ne":
            return bool(left != right)
        case "gt":
            return bool(left > right)
        case "ge":
            return bool(left >= right)
        case "lt":
            return bool(left < right)
        case "le":
            return bool(left <= right)
    text, part = str(value).casefold(), wanted.casefold()
    return {"sw": text.startswith, "ew": text.endswith, "co": text.__contains__}[operator](part)


def _comparable(value: str, wanted: str) -> tuple[Any, Any]:
    if _INSTANT.fullmatch(value) and _INSTANT.fullmatch(wanted):
        return instant(value), instant(wanted)
    return value.casefold(), wanted.casefold()


def instant(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 instant."""
    return datetime.fromisoformat(text).timestamp()
