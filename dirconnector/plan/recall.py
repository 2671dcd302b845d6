"""What is remembered of people and groups that the directory no longer has: for reasons, and to tell people apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A person in the last good snapshot: how they were called, and the names of the groups they were in (sorted,
    flat). ``also`` are keys that the same person had in other directories then: entries with the same address.
    """

    directory: str
    name: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    also: frozenset[str] = frozenset()


Recall = Callable[[frozenset[str]], Mapping[str, Remembered]]
"""Given user keys, what the last good snapshots say of those that they know."""


def nothing_remembered(keys: frozenset[str]) -> Mapping[str, Remembered]:
    """The :data:`Recall` of a first run."""
    return {}
