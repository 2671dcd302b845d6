"""Reads JSON as the web framework of the server does: property names in any case, values of exactly the
declared type.

The first value that cannot be read ends the reading; the error is keyed by its JSON path.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import RefusalError, invalid

MISSING = object()


class Value(NamedTuple):
    """A JSON value and where it stood."""

    path: str
    json: Any


def unreadable(path: str, expected: str) -> NoReturn:
    raise invalid({path: [f"The JSON value could not be converted to {expected}. Path: {path} | LineNumber: 0."]})


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def parse(raw: bytes) -> Any:
    """JSON with exact decimals; raises ValueError or RecursionError."""
    value = json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    if b"\\u" in raw:
        # half a surrogate pair is valid for Python's reader and for no other
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    return value


async def json_body(request: Request) -> Properties:
    """The request's JSON object. A content type other than JSON is a 415; what cannot be parsed is a 400
    keyed ``$``.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", "text/json") and not media_type.endswith("+json"):
        raise RefusalError(Response(b"", 415), "not JSON")
    raw = await request.body()
    if not raw:
        raise invalid({"": ["A non-empty request body is required."]})
    try:
        value = parse(raw)
    except (ValueError, RecursionError) as error:
        raise invalid({"$": [f"The JSON is not valid: {error}"]}) from error
    return properties(Value("$", value))


def properties(value: Value) -> Properties:
    if not isinstance(value.json, dict):
        unreadable(value.path, "an object")
    return Properties(value.path, value.json)


class Properties:
    """The properties of a JSON object; names match case-insensitively, the last of several wins."""

    __slots__ = ("_found", "path")

    def __init__(self, path: str, json_object: dict[str, Any]) -> None:
        self.path = path
        self._found = {name.lower(): (name, value) for name, value in json_object.items()}

    def value(self, name: str) -> Value:
        """The property; its ``json`` is :data:`MISSING` when it was not sent."""
        sent, value = self._found.get(name.lower(), (name, MISSING))
        return Value(f"{self.path}.{sent}", value)

    def sent(self, name: str) -> bool:
        return name.lower() in self._found

    def text(self, name: str) -> str | None:
        """A JSON string, or None for null or missing. Numbers and booleans are refused."""
        path, value = self.value(name)
        if value is MISSING or value is None:
            return None
        if isinstance(value, str):
            return value
        unreadable(path, "System.String")

    def permissive_text(self, name: str) -> str | None:
        """A string, number or boolean as text (PermissiveStringConverter), or None."""
        return permissive(self.value(name))

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean that may be missing, but not null."""
        path, value = self.value(name)
        if value is MISSING:
            return default
        if isinstance(value, bool):
            return value
        unreadable(path, "System.Boolean")

    def optional_flag(self, name: str) -> bool | None:
        path, value = self.value(name)
        if value is MISSING or value is None:
            return None
        if isinstance(value, bool):
            return value
        unreadable(path, "System.Nullable`1[System.Boolean]")

    def number(self, name: str) -> int | None:
        """An integer. Enumerations travel as integers: a name is refused."""
        path, value = self.value(name)
        if value is MISSING or value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        unreadable(path, "System.Int32")

    def uuid(self, name: str) -> str | None:
        path, value = self.value(name)
        return None if value is MISSING or value is None else _uuid(path, value)

    def items(self, name: str) -> list[Value] | None:
        """The elements of an array, or None for null or missing."""
        path, value = self.value(name)
        if value is MISSING or value is None:
            return None
        if isinstance(value, list):
            return [Value(f"{path}[{number}]", item) for number, item in enumerate(value)]
        unreadable(path, "an array")

    def uuids(self, name: str) -> list[str] | None:
        items = self.items(name)
        return None if items is None else [_uuid(item.path, item.json) for item in items]

    def permissive_texts(self, name: str) -> list[str] | None:
        """An array of strings, numbers or booleans; a lone scalar becomes a list of one (JsonHelpers)."""
        path, value = self.value(name)
        if value is MISSING or value is None:
            return None
        if not isinstance(value, list):
            return [text for text in [permissive(Value(path, value))] if text is not None]
        texts = (permissive(Value(f"{path}[{number}]", item)) for number, item in enumerate(value))
        return [text for text in texts if text is not None]


def permissive(value: Value) -> str | None:
    """Numbers become their decimal text, true and false become ``True`` and ``False`` (JsonHelpers)."""
    match value.json:
        case str() as text:
            return text
        case bool() | int() as exact:
            return str(exact)
        case Decimal() as number:
            return format(number, "f")
        case None:
            return None
    if value.json is MISSING:
        return None
    unreadable(value.path, "System.String")


def _uuid(path: str, value: Any) -> str:
    parsed = as_uuid(value) if isinstance(value, str) else None
    if parsed is None:
        unreadable(path, "System.Guid")
    return parsed


def as_uuid(text: str) -> str | None:
    """The canonical form of a uuid, or None when the text is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def path_id(request: Request) -> str:
    """The ``{id}`` of the path. One that is no uuid is a 400 with ``errors.id``."""
    text: str = request.path_params["id"]
    parsed = as_uuid(text)
    if parsed is None:
        raise invalid({"id": [f"The value '{text}' is not valid."]})
    return parsed
