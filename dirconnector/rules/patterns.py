"""Patterns of the selection language: globs, or regular expressions after ``re:``. Both ignore case."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Pattern:
    """One pattern. A glob (``*``, ``?``, ``[abc]``) matches the whole value, a regular expression is searched for
    in it.

    >>> Pattern("Vault-*").matches("VAULT-users")
    True
    >>> Pattern("re:^svc-\\\\d+@").matches("svc-12@example.org")
    True
    """

    text: str

    @staticmethod
    def parse(text: str) -> Pattern:
        """A checked pattern. Raises ValueError, in words for the administrator, when it is empty or malformed."""
        if not text.strip():
            raise ValueError("an empty pattern matches nothing; leave the rule out or write '*'")
        if text.startswith("re:"):
            if not text[3:].strip():
                raise ValueError("re: needs a regular expression after it")
            try:
                re.compile(text[3:])
            except re.error as error:
                raise ValueError(f"not a regular expression: {text[3:]!r} ({error})") from None
        return Pattern(text)

    @property
    def exact(self) -> bool:
        """True when the pattern is a plain value, without wildcards."""
        return not self.text.startswith("re:") and not any(c in self.text for c in "*?[")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        if self.text.startswith("re:"):
            return re.compile(self.text[3:], re.IGNORECASE)
        return re.compile(fnmatch.translate(self.text), re.IGNORECASE)

    def matches(self, value: str) -> bool:
        """True when ``value`` fits the pattern."""
        if self.text.startswith("re:"):
            return self._regex.search(value) is not None
        return self._regex.match(value) is not None
