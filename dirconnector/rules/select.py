"""Who and what is in scope, and why: the selection language applied to merged directories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dirconnector.errors import SelectionError
from dirconnector.model import Group, Problem, User
from dirconnector.rules.merge import Merged
from dirconnector.rules.rule import GroupRule, Select, UserRule


class Verdict(NamedTuple):
    """Whether somebody is selected, and the words for it."""

    selected: bool
    reason: str


class Selection:
    """The rules of one config, made ready for one merged snapshot.

    Raises :class:`SelectionError` when a rule names a group exactly and no such group was read: a renamed group is
    not an empty one.
    """

    def __init__(self, select: Select, merged: Merged, memberships: Mapping[str, frozenset[str]]) -> None:
        self._select = select
        by_rule = [
            (rule, _members_by_rule(rule, merged, memberships)) for rule in select.users_include + select.users_exclude
        ]
        self._include = by_rule[: len(select.users_include)]
        self._exclude = by_rule[len(select.users_include) :]
        _check_group_rules(select, merged)
        names = [group.name for group in merged.groups.values()]
        self.problems = tuple(
            _matches_nothing(rule) for rule, _ in by_rule if rule.group and not any(map(rule.group.matches, names))
        )
        """Patterns that match no group: allowed, as a group may come later, and told, as it may be a slip."""

    def verdict(self, user: User) -> Verdict:
        """Whether this person is selected, and by which rule. Exclude wins."""
        for rule, through in self._exclude:
            if (why := _matches(rule, user, through)) is not None:
                return Verdict(False, f"excluded by select.users.exclude {rule}{why}")
        if not self._include:
            return Verdict(True, f"in {user.directory}")
        for rule, through in self._include:
            if (why := _matches(rule, user, through)) is not None:
                return Verdict(True, f"in {user.directory}, selected by {rule}{why}")
        if all(rule.group for rule, _ in self._include):
            return Verdict(False, "not in any group of select.users.include")
        return Verdict(False, "matches no rule of select.users.include")

    def matching_rules(self, user: User) -> list[tuple[str, bool]]:
        """Every rule in words with whether it matches this person, for ``explain``."""
        return [
            (f"select.users.include {rule}", _matches(rule, user, through) is not None)
            for rule, through in self._include
        ] + [
            (f"select.users.exclude {rule}", _matches(rule, user, through) is not None)
            for rule, through in self._exclude
        ]

    def reaches(self, group: str) -> bool:
        """True when a group of this name would select its members, by an include rule's ``group``."""
        return any(rule.group is not None and rule.group.matches(group) for rule, _ in self._include)

    def group_verdict(self, group: Group) -> Verdict:
        """Whether this group is selected, and by which rule. Exclude wins."""
        for rule in self._select.groups_exclude:
            if _group_matches(rule, group):
                return Verdict(False, f"excluded by select.groups.exclude {rule}")
        if not self._select.groups_include:
            return Verdict(True, f"in {group.directory}")
        for rule in self._select.groups_include:
            if _group_matches(rule, group):
                return Verdict(True, f"in {group.directory}, selected by {rule}")
        return Verdict(False, "matches no rule of select.groups.include")


def _members_by_rule(
    rule: UserRule, merged: Merged, memberships: Mapping[str, frozenset[str]]
) -> dict[str, str] | None:
    """User key -> name of the first group through which the rule's ``group`` pattern reaches the user; None without
    a pattern.
    """
    if rule.group is None:
        return None
    through: dict[str, str] = {}
    matching = sorted(
        (group for group in merged.groups.values() if rule.group.matches(group.name)), key=lambda g: g.name
    )
    if not matching and rule.group.exact:
        raise SelectionError(_not_found(f"select.users: {rule}", "group", rule.group.text, merged))
    for group in matching:
        for key in memberships[group.key]:
            through.setdefault(key, group.name)
    return through


def _matches_nothing(rule: UserRule) -> Problem:
    why = (
        "no group that was read has a name like this: the rule selects nobody. In a pattern [ ] stand for a choice of "
    )
    return Problem(directory="", entry=f"select.users: {rule}", why=f"{why}characters; [[] is a bracket")


def _check_group_rules(select: Select, merged: Merged) -> None:
    for rule in select.groups_include + select.groups_exclude:
        if rule.name and rule.name.exact and not any(_group_matches(rule, g) for g in merged.groups.values()):
            raise SelectionError(_not_found(f"select.groups: {rule}", "name", rule.name.text, merged))


def _not_found(where: str, word: str, name: str, merged: Merged) -> str:
    cure = (
        "It may have been renamed, lie outside the groups base, or be unreadable for the bind account. "
        f"Nothing is changed: correct the rule, or write a pattern ({word}: '{name}*') if it may be absent."
    )
    if not merged.complete:
        cure = "The read was incomplete, so it may exist all the same. Nothing is changed: mend the read first."
    return f"{where}: no group named {name!r} was read from the directories. {cure}"


def _matches(rule: UserRule, user: User, through: Mapping[str, str] | None) -> str | None:
    """None when the rule does not match, else what to add to the reason (the group through which it matched)."""
    why = ""
    if through is not None:
        group = through.get(user.key)
        if group is None:
            return None
        if rule.group is not None and not rule.group.exact:
            why = f" through {group}"
    if rule.email and not rule.email.matches(user.email):
        return None
    if rule.username and not rule.username.matches(user.username):
        return None
    if rule.name and not rule.name.matches(user.name):
        return None
    if rule.entry and not rule.entry.matches(user.entry):
        return None
    if rule.directory and not rule.directory.matches(user.directory):
        return None
    for name, pattern in (rule.attribute or {}).items():
        if not any(pattern.matches(value) for value in user.attributes.get(name, ())):
            return None
    return why


def _group_matches(rule: GroupRule, group: Group) -> bool:
    return (
        (rule.name is None or rule.name.matches(group.name))
        and (rule.entry is None or rule.entry.matches(group.entry))
        and (rule.directory is None or rule.directory.matches(group.directory))
    )
