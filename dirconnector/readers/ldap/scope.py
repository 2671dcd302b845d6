"""What to ask for and how to read it: the config's settings, completed by what is known about the kind of server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dirconnector.readers.ldap.entries import EXPIRY_ATTRIBUTES, EmailSource
from dirconnector.readers.ldap.presets import Preset, Rule
from dirconnector.readers.ldap.settings import DisabledRule, Groups, LdapSettings, Users, as_tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class UserScope:
    """How users are asked for and read. All attribute names but those in ``attributes`` are lower case."""

    bases: tuple[str, ...]
    filter: str
    attributes: tuple[str, ...]
    keys: tuple[str, ...]
    emails: tuple[EmailSource, ...]
    names: tuple[str, ...]
    username: tuple[str, ...]
    rules: tuple[Rule, ...]
    expiry: bool
    selected: frozenset[str]
    primary: str = ""

    def spelling(self, attribute: str) -> str:
        """An attribute in its usual spelling, for people."""
        return spelling(self.attributes, attribute)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScope:
    """How groups are asked for and read. ``primary`` is the attribute that a user's primary group is recognised by,
    or empty.
    """

    bases: tuple[str, ...]
    filter: str
    attributes: tuple[str, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    member: tuple[str, ...]
    must_have_members: bool
    primary: str = ""

    def spelling(self, attribute: str) -> str:
        """An attribute in its usual spelling, for people."""
        return spelling(self.attributes, attribute)


def user_scope(
    settings: LdapSettings, preset: Preset, default_bases: tuple[str, ...], selected: frozenset[str]
) -> UserScope:
    """Everything about users."""
    users = settings.users
    username = users.username or preset.username
    emails = tuple(EmailSource.parse(source, username) for source in as_tuple(users.email) or preset.email)
    names = as_tuple(users.name) or preset.names
    rules = _rules(users, preset)
    keys = preset.keys if users.key == "auto" else (users.key,)
    primary = primary_attribute(settings.groups, preset)
    wanted = [
        *keys,
        *(name for source in emails for name in source.needs),
        *names,
        username,
        *(rule.attribute for rule in rules),
        *(EXPIRY_ATTRIBUTES if settings.expired_accounts else ()),
        *sorted(selected),
        *({"objectsid": ("objectSid", "primaryGroupID"), "gidnumber": ("gidNumber",)}.get(primary, ())),
    ]
    return UserScope(
        bases=as_tuple(users.base) or default_bases,
        filter=users.filter or preset.users_filter,
        attributes=_distinct(wanted),
        keys=_lower(keys),
        emails=emails,
        names=_lower(names),
        username=(username.lower(),),
        rules=rules,
        expiry=settings.expired_accounts,
        selected=selected,
        primary=primary,
    )


def group_scope(groups: Groups, preset: Preset, default_bases: tuple[str, ...]) -> GroupScope:
    """Everything about groups."""
    names = as_tuple(groups.name) or preset.group_names
    member = as_tuple(groups.member) or preset.member
    keys = preset.group_keys if groups.key == "auto" else (groups.key,)
    primary = primary_attribute(groups, preset)
    classes = ("objectClass",) if preset.must_have_members else ()
    return GroupScope(
        bases=as_tuple(groups.base) or default_bases,
        filter=groups.filter or preset.groups_filter,
        attributes=_distinct([*keys, *names, *member, *classes, *([primary] if primary else [])]),
        keys=_lower(keys),
        names=_lower(names),
        member=_lower(member),
        must_have_members=preset.must_have_members,
        primary=primary,
    )


def primary_attribute(groups: Groups | bool, preset: Preset) -> str:
    """The attribute of a group (lower case) that the primary group of a user is found by; empty when primary groups
    are not read.
    """
    if isinstance(groups, bool) or groups.primary is False:
        return ""
    if preset.primary_by_sid:
        return "objectsid"
    return "gidnumber" if groups.primary is True else ""


def _rules(users: Users, preset: Preset) -> tuple[Rule, ...]:
    if users.disabled == "auto":
        return preset.disabled
    if users.disabled == "never":
        return ()
    written = users.disabled if isinstance(users.disabled, list) else [users.disabled]
    return tuple(_rule(rule) for rule in written)


def _rule(rule: DisabledRule) -> Rule:
    return Rule(
        attribute=rule.attribute.lower(),
        bit=rule.bit or 0,
        equals=frozenset(value.strip().lower() for value in as_tuple(rule.equals)),
        required=rule.bit is not None,
    )


def _lower(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """In order, each once whatever its case, without ``dn``, which is no attribute."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() != "dn":
            seen.setdefault(name.lower(), name)
    return tuple(seen.values())


def spelling(attributes: tuple[str, ...], attribute: str) -> str:
    """``objectguid`` as it was asked for: ``objectGUID``; as it is when it was not asked for."""
    return next((name for name in attributes if name.lower() == attribute), attribute)
