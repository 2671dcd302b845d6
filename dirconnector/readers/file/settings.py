"""What ``kind: file`` accepts in the config."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dirconnector.settings import ConfigPath, Settings

_ATTRIBUTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FORMATS = {".ldif": "ldif", ".ldf": "ldif", ".csv": "csv", ".json": "json"}


def _attribute(value: str) -> str:
    if not _ATTRIBUTE.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of an attribute")
    return value


def _attribute_or_template(value: str) -> str:
    names = placeholders(value)
    if not names and not set("{}") & set(value):
        return _attribute(value)
    if not names or set("{}") & set(PLACEHOLDER.sub("", value)):
        raise ValueError(f"{value!r}: a template looks like '{{username}}@example.org'")
    for name in names:
        _attribute(name)
    return value


def placeholders(template: str) -> list[str]:
    """The names in a template: ``{username}@example.org`` -> ``["username"]``; none for a plain attribute name."""
    return PLACEHOLDER.findall(template)


def _as_tuple(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Attribute = Annotated[str, AfterValidator(_attribute)]
Attributes = Annotated[tuple[Attribute, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Emails = Annotated[
    tuple[Annotated[str, AfterValidator(_attribute_or_template)], ...], BeforeValidator(_as_tuple), Field(min_length=1)
]
Values = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class DisabledRule(Settings):
    """When an entry counts as disabled: exactly one of ``equals``, ``bit`` and ``present: true`` judges ``attribute``.

    ``equals`` is one of these values, case ignored; ``bit`` is set in an integer; ``present`` is any value at
    all. With ``bit``, an entry without the attribute is in an unknown state: it is neither synced nor taken
    for gone.
    """

    attribute: Attribute
    equals: Values | None = None
    bit: int | None = Field(default=None, gt=0)
    present: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(v is not None for v in (self.equals, self.bit, self.present)) != 1:
            raise ValueError("give exactly one of equals, bit, present: true")
        return self


class Users(Settings):
    """Which entries of an LDIF file are people, and what their attributes mean.

    An entry is a person when it has one of ``object_classes`` and none of ``except_classes``. ``email`` lists
    attributes and templates like ``{username}@example.org`` in order of preference. ``key`` is ``auto``,
    ``dn``, or an attribute that never changes.
    """

    object_classes: Values = ("inetOrgPerson", "user", "person", "posixAccount")
    except_classes: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ("computer", "contact")
    email: Emails = ("mail",)
    name: Attributes = ("displayName", "cn")
    username: Attributes = ("uid", "sAMAccountName")
    key: Attribute = "auto"
    disabled: Literal["auto", "never"] | DisabledRule | list[DisabledRule] = "auto"


class Groups(Settings):
    """Which entries of an LDIF file are groups, and where their members are.

    ``memberUid`` holds user names (RFC 2307); every other attribute in ``member`` holds DNs.
    """

    object_classes: Values = ("groupOfNames", "groupOfUniqueNames", "groupOfMembers", "posixGroup", "group")
    name: Attributes = ("cn",)
    member: Attributes = ("member", "uniqueMember", "memberUid")
    key: Attribute = "auto"


class FileSettings(Settings):
    """A directory of kind ``file``.

    ``format`` is taken from the suffix of ``path`` when it is not given. ``users`` and ``groups`` are for
    LDIF, ``groups_path`` and ``delimiter`` for CSV. A file older than ``max_age_hours`` is refused: an export
    that has stopped keeps leavers inside.
    """

    path: ConfigPath
    format: Literal["ldif", "csv", "json"] | None = None
    max_age_hours: Annotated[float, Field(gt=0, strict=False)] | None = None
    users: Users = Users()
    groups: Groups = Groups()
    groups_path: ConfigPath | None = None
    delimiter: Literal[",", ";", "\t"] = ","

    @property
    def format_of_file(self) -> str:
        """The format that was given, or the one that the suffix of ``path`` says."""
        return self.format or _FORMATS[self.path.suffix.lower()]

    @model_validator(mode="after")
    def _format_known(self) -> Self:
        suffix = self.path.suffix
        if self.format is None and suffix.lower() not in _FORMATS:
            raise ValueError(f"give format: ldif, csv or json; the suffix {suffix!r} of path does not say it")
        return self

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        of = {"users": "ldif", "groups": "ldif", "groups_path": "csv", "delimiter": "csv"}
        for name, belongs_to in of.items():
            if name in self.model_fields_set and belongs_to != self.format_of_file:
                raise ValueError(f"{name} is for format {belongs_to}, and this file is {self.format_of_file}")
        return self
