"""What the attributes of one entry mean."""

from __future__ import annotations

from collections.abc import Sequence

from dirconnector.readers.file.ldif import Entry
from dirconnector.readers.file.settings import PLACEHOLDER, DisabledRule, Users, placeholders

_ACCOUNT_DISABLED = 2  # ADS_UF_ACCOUNTDISABLE of userAccountControl, [MS-ADTS] 2.2.16
_LOCKED_FOR_GOOD = b"000001010000Z"  # draft-behera-ldap-password-policy 5.3.3; other values are locks that pass


def text(value: bytes) -> str:
    """A value as text; one that is not UTF-8 is binary and becomes hexadecimal digits."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()


def first(entry: Entry, names: Sequence[str]) -> str:
    """The first value of the first of these attributes that has one, trimmed; empty when none has."""
    for name in names:
        for value in entry.attributes.get(name.lower(), ()):
            found = text(value).strip()
            if found:
                return found
    return ""


def email(entry: Entry, users: Users) -> str:
    """The address by the first item of ``users.email`` that gives one; a template with an empty part gives none."""
    for item in users.email:
        found = _filled(entry, item, users) if "{" in item else first(entry, (item,))
        if found:
            return found
    return ""


def _filled(entry: Entry, template: str, users: Users) -> str:
    values = {
        name: first(entry, users.username if name.lower() == "username" else (name,)) for name in placeholders(template)
    }
    if not all(values.values()):
        return ""
    return PLACEHOLDER.sub(lambda name: values[name.group(1)], template)


def disabled(entry: Entry, rule: str | DisabledRule | list[DisabledRule]) -> bool | str:
    """Whether the account is disabled, or, as text, why nobody can tell."""
    if rule == "never":
        return False
    if rule == "auto":
        return _auto(entry)
    assert not isinstance(rule, str), "the settings allow no other word"
    verdicts = [_by_rule(entry, r) for r in (rule if isinstance(rule, list) else [rule])]
    if any(verdict is True for verdict in verdicts):
        return True
    return next((verdict for verdict in verdicts if verdict), False)


def _auto(entry: Entry) -> bool | str:
    if first(entry, ("nsAccountLock",)).lower() == "true":
        return True
    if _LOCKED_FOR_GOOD in entry.attributes.get("pwdaccountlockedtime", ()):
        return True
    of_active_directory = any(value.lower() == b"user" for value in entry.attributes.get("objectclass", ()))
    if of_active_directory or "useraccountcontrol" in entry.attributes:
        return _bit(entry, "userAccountControl", _ACCOUNT_DISABLED)
    return False


def _by_rule(entry: Entry, rule: DisabledRule) -> bool | str:
    if rule.bit is not None:
        return _bit(entry, rule.attribute, rule.bit)
    values = [text(value).strip().casefold() for value in entry.attributes.get(rule.attribute.lower(), ())]
    if rule.equals is not None:
        return not {value.casefold() for value in rule.equals}.isdisjoint(values)
    return any(values)


def _bit(entry: Entry, attribute: str, bit: int) -> bool | str:
    value = first(entry, (attribute,))
    try:
        return bool(int(value) & bit)
    except ValueError:
        said = "is not a number" if value else "is not in the file"
        return f"nobody can tell whether the account is disabled: {attribute} {said}; export it, or set users.disabled"
