"""The selection language: what a rule says, before it meets a directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dirconnector.rules.patterns import Pattern


@dataclass(frozen=True, kw_only=True)
class UserRule:
    """One entry of ``select.users.include`` or ``exclude``: every part that is given must match.

    ``group`` means transitive membership. ``attribute`` maps attribute names (lower case) to a pattern that one of
    the values must match.
    """

    group: Pattern | None = None
    email: Pattern | None = None
    username: Pattern | None = None
    name: Pattern | None = None
    entry: Pattern | None = None
    directory: Pattern | None = None
    attribute: Mapping[str, Pattern] | None = None

    def __str__(self) -> str:
        parts = [
            f"{field}: {getattr(self, field).text}"
            for field in ("group", "email", "username", "name", "entry", "directory")
            if getattr(self, field)
        ]
        parts += [f"attribute {name}: {pattern.text}" for name, pattern in (self.attribute or {}).items()]
        return "{" + ", ".join(parts) + "}"


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """One entry of ``select.groups.include`` or ``exclude``: every part that is given must match."""

    name: Pattern | None = None
    entry: Pattern | None = None
    directory: Pattern | None = None

    def __str__(self) -> str:
        parts = [
            f"{field}: {getattr(self, field).text}" for field in ("name", "entry", "directory") if getattr(self, field)
        ]
        return "{" + ", ".join(parts) + "}"


@dataclass(frozen=True, kw_only=True)
class Select:
    """The whole ``select`` section. An empty include means everyone (or every group); exclude wins."""

    users_include: tuple[UserRule, ...] = ()
    users_exclude: tuple[UserRule, ...] = ()
    groups_include: tuple[GroupRule, ...] = ()
    groups_exclude: tuple[GroupRule, ...] = ()

    @property
    def attributes(self) -> frozenset[str]:
        """Directory attributes (lower case) that the rules look at."""
        return frozenset(name for rule in self.users_include + self.users_exclude for name in (rule.attribute or {}))
