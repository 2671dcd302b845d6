"""The sections of the file that are ours. What belongs to a directory or organization kind is in its own module."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainValidator, Tag, ValidationInfo

from dirconnector.config.problems import did_you_mean
from dirconnector.config.state_url import DEFAULT_STATE_URL, inline_password_problem, state_url_problem
from dirconnector.rules.patterns import Pattern
from dirconnector.settings import Secret, Settings


def _pattern(value: object) -> Pattern:
    if not isinstance(value, str):
        raise ValueError("a pattern is text; put it in quotes")
    return Pattern.parse(value)


def _directory_pattern(value: object, info: ValidationInfo) -> Pattern:
    pattern = _pattern(value)
    names: list[str] = (info.context or {}).get("directories", [])
    if names and not any(pattern.matches(name) for name in names):
        raise ValueError(f"no directory of this file has that name; {did_you_mean(pattern.text, names)}")
    return pattern


PatternText = Annotated[Pattern, PlainValidator(_pattern)]
DirectoryPattern = Annotated[Pattern, PlainValidator(_directory_pattern)]


def _rule(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError('a rule is a mapping, as in {group: "Vault-Users"} or {name: "Vault-*"}')
    if not value:
        raise ValueError("an empty rule would match everybody; give it a part, or remove it")
    return value


def _rules(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError('must be a list of rules, as in [{group: "Vault-Users"}] or [{name: "Vault-*"}]')
    return value


def _attribute(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError('must name an attribute and a pattern, as in {employeeType: "contractor"}')
    lower = [name.lower() for name in value]
    if len(set(lower)) < len(lower):
        raise ValueError("an attribute is given twice (case does not matter in attribute names)")
    return value


class UserRuleSettings(Settings):
    """One rule about people: every part that is given must match. ``group`` means membership, direct or nested."""

    group: PatternText | None = None
    email: PatternText | None = None
    username: PatternText | None = None
    name: PatternText | None = None
    entry: PatternText | None = None
    directory: DirectoryPattern | None = None
    attribute: Annotated[dict[str, PatternText], BeforeValidator(_attribute)] | None = None


class GroupRuleSettings(Settings):
    """One rule about groups: every part that is given must match."""

    name: PatternText | None = None
    entry: PatternText | None = None
    directory: DirectoryPattern | None = None


UserRules = Annotated[list[Annotated[UserRuleSettings, BeforeValidator(_rule)]], BeforeValidator(_rules)]
GroupRules = Annotated[list[Annotated[GroupRuleSettings, BeforeValidator(_rule)]], BeforeValidator(_rules)]


class UsersSettings(Settings):
    """``select.users``: an empty include means everyone; exclude wins."""

    include: UserRules = Field(default=[])
    exclude: UserRules = Field(default=[])


class GroupsSettings(Settings):
    """``select.groups``: an empty include means every group; exclude wins."""

    include: GroupRules = Field(default=[])
    exclude: GroupRules = Field(default=[])


class SelectSettings(Settings):
    """The ``select`` section."""

    users: UsersSettings = UsersSettings()
    groups: GroupsSettings = GroupsSettings()


_ADDRESS = re.compile(r"[^@\s*?]+@[^@\s*?]+")


def _address(value: object) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ValueError("must be one e-mail address; patterns do not work here")
    return value.lower()


class ProtectSettings(Settings):
    """``offboarding.protect``: members who are never revoked, removed, or taken out of a group."""

    types: list[Literal["owner", "admin", "user", "custom"]] = Field(default=["owner", "admin"])
    emails: list[Annotated[str, BeforeValidator(_address)]] = Field(default=[])


class OffboardingSettings(Settings):
    """The ``offboarding`` section."""

    absent: Literal["revoke", "remove", "keep"] = "revoke"
    disabled: Literal["revoke", "remove", "keep"] = "revoke"
    groups: Literal["keep", "delete"] = "keep"
    protect: ProtectSettings = ProtectSettings()


class LimitSettings(Settings):
    """One limit. What is not given keeps the default of that limit."""

    percent: float | None = Field(default=None, ge=0, le=100)
    floor: int | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=0)


class LimitsSettings(Settings):
    """The ``limits`` section."""

    removals: LimitSettings = LimitSettings()
    group_members: LimitSettings = LimitSettings()
    shrink: LimitSettings = LimitSettings()
    on_exceed: Literal["hold_removals", "hold_all"] = "hold_removals"


def _state_url(url: str) -> str:
    if problem := state_url_problem(url) or inline_password_problem(url):
        raise ValueError(problem)
    return url


def _text_or_reference(value: Any) -> str:
    return "reference" if isinstance(value, (dict, Secret)) else "text"


class StateSettings(Settings):
    """The ``state`` section: where the ledger, the journal and the history are kept."""

    url: Annotated[
        Annotated[str, AfterValidator(_state_url), Tag("text")] | Annotated[Secret, Tag("reference")],
        Discriminator(_text_or_reference),
    ] = DEFAULT_STATE_URL


def directory_name(name: str) -> str:
    """``name``, if it can be the name of a directory. Raises ValueError, in words for the administrator, if not."""
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError("the name of a directory is made of letters, digits, _ and -")
    return name


DirectoryName = Annotated[str, AfterValidator(directory_name)]


class FileSettings(Settings):
    """The whole file. The settings of each kind are validated on their own, by the kind."""

    directories: dict[DirectoryName, dict[str, Any]] = Field(min_length=1)
    select: SelectSettings = SelectSettings()
    organization: dict[str, Any]
    offboarding: OffboardingSettings = OffboardingSettings()
    limits: LimitsSettings = LimitsSettings()
    state: StateSettings = StateSettings()
