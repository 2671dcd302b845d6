"""Which attribute is the key, where a kind of server may have one or another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.entries import choose_key

LOOKED_AT = 1000
"""Entries that are looked at before one of several candidates is chosen: the first alone might lack what all others
have.
"""


@dataclass(slots=True)
class KeyChoice:
    """Holds entries back until the key attribute is known. ``attribute`` (lower case) is empty until then."""

    candidates: tuple[str, ...]
    attribute: str = ""
    _waiting: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.candidates) == 1:
            self.attribute = self.candidates[0]

    def admit(self, entries: Iterable[Entry]) -> Iterable[Entry]:
        """The entries whose turn it is: none until enough were seen, then also those that waited."""
        if self.attribute:
            return entries
        self._waiting += entries
        return self.rest() if len(self._waiting) >= LOOKED_AT else []

    def rest(self) -> list[Entry]:
        """Those that still wait, when no more will come; the key attribute is known afterwards."""
        waiting, self._waiting = self._waiting, []
        if not self.attribute:
            self.attribute = choose_key(self.candidates, [values for _, values in waiting])
        return waiting
