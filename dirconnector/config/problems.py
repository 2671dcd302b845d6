"""From pydantic's errors to sentences for an administrator. The value that was found is never repeated."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dirconnector.config.document import Document, KeyPath

MOST = 100
"""So many errors of pydantic's are told. A file with more is not a configuration with mistakes."""


def problems_of(
    error: ValidationError, model: type[BaseModel], base: KeyPath, document: Document
) -> Iterator[tuple[KeyPath, str]]:
    """Where and what, once for each place, for the errors of validating the value at ``base`` against ``model``.

    A value that may be one of several types has an error for each of them at the same place: those are
    joined.
    """
    places: dict[KeyPath, list[ErrorDetails]] = {}
    all_details = error.errors(include_url=False, include_input=False)
    for detail in all_details[:MOST]:
        places.setdefault(_place(detail, base, document), []).append(detail)
    for where, details in places.items():
        if not any(_is_below(other, where) for other in places):
            # the right type with the wrong content says more than that it is not of another type
            content = [detail for detail in details if detail["type"] == "value_error"]
            sentences = dict.fromkeys(_sentence(d, where, model, base, document) for d in content or details)
            yield where, " or ".join(sentences).replace(" or must be ", " or ")
    if len(all_details) > MOST:
        more = len(all_details) - MOST
        yield _place(all_details[MOST], base, document), f"here and below {more} more mistakes; is this the right file?"


def _is_below(other: KeyPath, where: KeyPath) -> bool:
    # the value fits one of several types but for something inside it: what the other types say is noise
    return len(other) > len(where) and other[: len(where)] == where


def did_you_mean(word: str, known: list[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def known_keys(annotation: Any, path: KeyPath) -> list[str]:
    """The keys that may stand at ``path`` below a value of this type, in the order of the model."""
    found: list[str] = []
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            if not path:
                found += fields
            elif path[0] in fields:
                found += known_keys(fields[str(path[0])].annotation, path[1:])
        elif path and get_origin(kind) in (list, tuple, frozenset, set, dict, Mapping):
            found += known_keys(get_args(kind)[-1], path[1:])
    return found


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _alternatives(part)]
    return [annotation]


def _place(detail: ErrorDetails, base: KeyPath, document: Document) -> KeyPath:
    # pydantic puts the names of types (of a union) into the location; those are not in the file
    if detail["type"] == "missing":
        return (*document.without_strangers((*base, *detail["loc"][:-1])), str(detail["loc"][-1]))
    return document.without_strangers((*base, *detail["loc"]))


def _sentence(detail: ErrorDetails, where: KeyPath, model: type[BaseModel], base: KeyPath, document: Document) -> str:
    inside = where[len(base) :]
    if detail["type"] == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(where[-1]), known_keys(model, inside[:-1]))}"
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        keys = known_keys(model, inside)
        return f"must be a mapping with keys out of: {', '.join(keys)}" if keys else "must be a mapping of names"
    if detail["type"] == "string_type" and isinstance(document.at(where), (int, float)):
        return "must be text in quotes"
    say = _SAY.get(detail["type"])
    return say(detail.get("ctx", {})) if say else _as_pydantic_says(detail["msg"])


_CREDENTIALS = re.compile(r"://\S*@")


def _as_pydantic_says(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = _CREDENTIALS.sub("://...@", message)
    return message[:1].lower() + message[1:] if message.startswith("Input ") else message


_SAY: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda ctx: "is required, but missing",
    "string_type": lambda ctx: "must be text",
    "int_type": lambda ctx: "must be a whole number",
    "int_from_float": lambda ctx: "must be a whole number",
    "float_type": lambda ctx: "must be a number",
    "finite_number": lambda ctx: "must be a number",
    "bool_type": lambda ctx: "must be true or false",
    "list_type": lambda ctx: "must be a list, as in [one, two]",
    "tuple_type": lambda ctx: "must be a list, as in [one, two]",
    "set_type": lambda ctx: "must be a list, as in [one, two]",
    "frozen_set_type": lambda ctx: "must be a list, as in [one, two]",
    "literal_error": lambda ctx: f"must be {ctx['expected']}",
    "enum": lambda ctx: f"must be {ctx['expected']}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']:g}",
    "greater_than": lambda ctx: f"must be more than {ctx['gt']:g}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']:g}",
    "less_than": lambda ctx: f"must be less than {ctx['lt']:g}",
    "string_too_short": lambda ctx: "must not be empty",
    "too_short": lambda ctx: "must not be empty",
    "string_pattern_mismatch": lambda ctx: f"must have the form {ctx['pattern']}",
}
