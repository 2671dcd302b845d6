"""The second line of defence for secrets: the first is never to put one into a message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pydantic import BaseModel

from dirconnector.settings import Secret

MASK = "***"
SHORTEST = 4
"""Shorter secrets are not looked for: they are parts of ordinary words."""

_KNOWN_FORMS = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|\b(?:client_secret|password|passwd|access_token|refresh_token|api_?key)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',&@]{4,}"
)
_IN_A_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")
"""A password is what stands before an @ (RFC 3986 section 3.2.1); without one it is the port."""


class Redaction:
    """Replaces the secrets of a config, and what looks like one, in any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # the longest first: one secret may be the beginning of another
        self._secrets = sorted({s for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """``text`` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for form in (_KNOWN_FORMS, _IN_A_URL):
            text = form.sub(lambda found: found[1] + MASK, text)
        return text


def secrets_in(settings: object) -> Iterator[str]:
    """The secrets that settings refer to, as far as reading them has no effect: variables and files.

    Keyrings may ask somebody and commands may do anything: theirs are not read a second time.
    """
    if isinstance(settings, Secret):
        if settings.env is not None:
            yield os.environ.get(settings.env, "")
        elif settings.file is not None:
            with suppress(OSError, UnicodeError):
                yield settings.file.read_text(encoding="utf-8-sig").strip("\r\n")
    elif isinstance(settings, BaseModel):
        for name in type(settings).model_fields:
            yield from secrets_in(getattr(settings, name))
    elif isinstance(settings, (list, tuple)):
        for item in settings:
            yield from secrets_in(item)
    elif isinstance(settings, dict):
        for item in settings.values():
            yield from secrets_in(item)
