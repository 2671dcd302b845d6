"""``$filter``: the part of OData 4.0 (URL conventions, section 5.1.1) that Graph takes for directory objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.emulators.entra.schema import bad, unsupported

Test = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<moment>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<number>-?\d+)|(?P<name>[@$A-Za-z_][\w.]*"
    r"(?:/[A-Za-z_]\w*)*)|(?P<sign>[(),:]))"
)
_ADVANCED = frozenset({"ne", "not", "endswith", "count"})
"""Only with ``ConsistencyLevel: eventual`` and ``$count=true`` (Graph: advanced query capabilities)."""

_NO_FILTER = frozenset({"aboutMe", "businessPhones", "passwordProfile", "otherMails"})


class Filter:
    """A parsed filter. ``advanced`` says that it needs eventual consistency."""

    def __init__(self, text: str, known: set[str]) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._known = known
        self.advanced = False
        self.matches = self._or({})
        if self._at != len(self._tokens):
            raise bad(f"Invalid filter clause: Syntax error at position {self._at} in '{text}'.")

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self, expected: str = "") -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise bad("Invalid filter clause: Expression expected.")
        token = self._tokens[self._at]
        if expected and token[1] != expected:
            raise bad(f"Invalid filter clause: '{expected}' expected.")
        self._at += 1
        return token

    def _or(self, scope: Mapping[str, str]) -> Test:
        left = self._and(scope)
        while self._peek() == "or":
            self._next()
            left = _either(left, self._and(scope))
        return left

    def _and(self, scope: Mapping[str, str]) -> Test:
        left = self._unary(scope)
        while self._peek() == "and":
            self._next()
            left = _both(left, self._unary(scope))
        return left

    def _unary(self, scope: Mapping[str, str]) -> Test:
        if self._peek() == "not":
            self._next()
            self.advanced = True
            inner = self._unary(scope)
            return lambda item: not inner(item)
        if self._peek() == "(":
            self._next()
            inner = self._or(scope)
            self._next(")")
            return inner
        return self._comparison(scope)

    def _comparison(self, scope: Mapping[str, str]) -> Test:
        kind, name = self._next()
        if kind != "name":
            raise bad("Invalid filter clause: a property was expected.")
        if name in ("startswith", "endswith", "contains"):
            return self._function(name, scope)
        if name.rpartition("/")[2] in ("any", "all") and self._peek() == "(":
            return self._lambda(name)
        read = self._property(name, scope)
        operator = self._next()[1]
        if operator == "in":
            self._next("(")
            values = [self._literal()]
            while self._peek() == ",":
                self._next()
                values.append(self._literal())
            self._next(")")
            return lambda item: _folded(read(item)) in values
        if operator not in _OPERATORS:
            raise bad(f"Invalid filter clause: no operator '{operator}'.")
        self.advanced = self.advanced or operator in _ADVANCED
        value, compare = self._literal(), _OPERATORS[operator]
        return lambda item: compare(_folded(read(item)), value)

    def _function(self, name: str, scope: Mapping[str, str]) -> Test:
        if name == "contains":
            raise unsupported("Unsupported Query: contains is not supported.")
        self.advanced = self.advanced or name == "endswith"
        self._next("(")
        read = self._property(self._next()[1], scope)
        self._next(",")
        value = str(self._literal())
        self._next(")")
        if name == "startswith":
            return lambda item: str(_folded(read(item)) or "").startswith(value)
        return lambda item: str(_folded(read(item)) or "").endswith(value)

    def _lambda(self, name: str) -> Test:
        path, _, quantifier = name.rpartition("/")
        if quantifier == "all":
            raise unsupported("Unsupported Query: all is not supported.")
        read = self._property(path, {})
        self._next("(")
        variable = self._next()[1]
        self._next(":")
        inner = self._or({variable: variable})
        self._next(")")
        return lambda item: any(inner({variable: value}) for value in read(item) or ())

    def _property(self, name: str, scope: Mapping[str, str]) -> Callable[[Mapping[str, Any]], Any]:
        first, *rest = name.split("/")
        if first not in scope:
            if first not in self._known:
                raise bad(f"Invalid filter clause: Could not find a property named '{first}'.")
            if first in _NO_FILTER and not rest:
                raise unsupported(f"Unsupported or invalid query filter clause specified for property '{first}'.")

        def read(item: Mapping[str, Any]) -> Any:
            value = item.get(first)
            for part in rest:
                value = (value or {}).get(part)
            return value

        return read

    def _literal(self) -> Any:
        kind, text = self._next()
        match kind, text:
            case "string", _:
                return text[1:-1].replace("''", "'").casefold()
            case "number", _:
                return int(text)
            case "name", "true" | "false":
                return text == "true"
            case "name", "null":
                return None
            case "moment", _:
                return text.casefold()
        raise bad(f"Invalid filter clause: '{text}' is not a value.")


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad(f"Invalid filter clause: Syntax error at position {at} in '{text}'.")
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return found


def _folded(value: Any) -> Any:
    """Strings are compared without regard to case."""
    return value.casefold() if isinstance(value, str) else value


def _either(left: Test, right: Test) -> Test:
    return lambda item: left(item) or right(item)


def _both(left: Test, right: Test) -> Test:
    return lambda item: left(item) and right(item)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: a is not None and b is not None and compare(a, b)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "ge": _ordered(lambda a, b: bool(a >= b)),
    "le": _ordered(lambda a, b: bool(a <= b)),
    "gt": _ordered(lambda a, b: bool(a > b)),
    "lt": _ordered(lambda a, b: bool(a < b)),
}
