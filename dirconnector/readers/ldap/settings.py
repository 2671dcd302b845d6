"""What ``kind: ldap`` accepts in the config."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from dirconnector.readers.ldap import filters
from dirconnector.settings import Secret, Settings, Tls

_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)(?:;[A-Za-z0-9-]+)*")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _attribute(value: str) -> str:
    if not _ATTRIBUTE.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of an attribute")
    return value


def _attribute_or_template(value: str) -> str:
    if "{" not in value and "}" not in value:
        return _attribute(value)
    names = placeholders(value)
    if not names or _PLACEHOLDER.sub("", value).strip("{}") != _PLACEHOLDER.sub("", value):
        raise ValueError(f"{value!r}: a template looks like '{{username}}@example.org'")
    for name in names:
        _attribute(name)
    return value


def placeholders(template: str) -> list[str]:
    """The attribute names in a template: ``{username}@example.org`` -> ``["username"]``; none for a plain attribute
    name.
    """
    return _PLACEHOLDER.findall(template)


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password:
        raise ValueError("a URL holds no user and no password here: bind_dn and password are keys of their own")
    if parts.scheme not in ("ldap", "ldaps", "ldapi") or not parts.netloc:
        raise ValueError(f"{value!r} is not an LDAP URL, like ldaps://dc1.example.org")
    if parts.path.strip("/") or parts.query:
        raise ValueError(f"{value!r}: give scheme, host and port only; base, filter and bind_dn are keys of their own")
    try:
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        raise ValueError(f"{value!r}: the port is not a number from 0 to 65535") from None
    return value


def _not_empty_list(value: str | list[str]) -> str | list[str]:
    if not value:
        raise ValueError("nothing is listed")
    return value


Attribute = Annotated[str, AfterValidator(_attribute)]
AttributeOrTemplate = Annotated[str, AfterValidator(_attribute_or_template)]
Filter = Annotated[str, AfterValidator(filters.checked)]
Url = Annotated[str, AfterValidator(_url)]
NotEmpty = AfterValidator(_not_empty_list)


def as_tuple(value: str | list[str] | None) -> tuple[str, ...]:
    """One, several or none, as the config writes them, in one shape."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


class DisabledRule(Settings):
    """When an entry counts as disabled. Exactly one of ``equals`` (any of these values, case ignored), ``bit`` (this
    bit of an integer is set) and ``present: true`` (the attribute has a value) says how ``attribute`` is judged.

    With ``bit``, an entry without the attribute is in an unknown state: it is neither synced nor taken for gone.
    """

    attribute: Attribute
    equals: str | list[str] | None = None
    bit: int | None = Field(default=None, gt=0)
    present: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(v is not None for v in (self.equals, self.bit, self.present)) != 1:
            raise ValueError("give exactly one of equals, bit, present: true")
        return self


class Users(Settings):
    """Which entries are people, and what their attributes mean. What is not given comes from the kind of server.

    ``email`` is an attribute, a template like ``{username}@example.org`` (``username`` or any attribute in braces),
    or a list of them in order of preference. ``key`` is ``auto``, ``dn``, or an attribute that never changes and is
    never given to somebody else. ``disabled`` is ``auto``, ``never``, a rule or a list of rules of which one
    suffices.
    """

    base: Annotated[str | list[str] | None, NotEmpty] = None
    filter: Filter | None = None
    email: Annotated[AttributeOrTemplate | list[AttributeOrTemplate] | None, NotEmpty] = None
    key: Attribute = "auto"
    name: Annotated[Attribute | list[Attribute] | None, NotEmpty] = None
    username: Attribute | None = None
    disabled: Literal["auto", "never"] | DisabledRule | list[DisabledRule] = "auto"


class Groups(Settings):
    """Which entries are groups, and where their members are.

    ``primary`` adds to a group those who have it as their primary group and are therefore not in its ``member``
    attribute: on by default for Active Directory (``primaryGroupID``), off for POSIX groups (``gidNumber``), where
    the primary group is often one of its own per user.
    """

    base: Annotated[str | list[str] | None, NotEmpty] = None
    filter: Filter | None = None
    name: Annotated[Attribute | list[Attribute] | None, NotEmpty] = None
    member: Annotated[Attribute | list[Attribute] | None, NotEmpty] = None
    key: Attribute = "auto"
    primary: Literal["auto"] | bool = "auto"


Server = Literal["auto", "active-directory", "openldap", "389ds", "freeipa", "jumpcloud"]


class LdapSettings(Settings):
    """A directory of kind ``ldap``. Only ``url`` and what the chosen ``bind`` needs are required.

    ``url`` may list several servers of the same directory, tried in turn. ``timeout`` is seconds without a sign of
    life. ``page_size`` is the most entries asked for at once. ``expired_accounts: true`` takes accounts past their
    expiry date for disabled. ``deleted_objects`` reads Active Directory's list of deleted objects, which says why
    somebody is gone.
    """

    url: Annotated[Url | list[Url], NotEmpty]
    bind: Literal["simple", "ntlm", "sasl-external", "sasl-gssapi", "anonymous"] = "simple"
    bind_dn: str | None = Field(default=None, min_length=1)
    password: Secret | None = None
    tls: Tls = Tls()
    server: Server = "auto"
    users: Users = Users()
    groups: Literal[False] | Groups = Groups()
    page_size: int = Field(default=1000, ge=1, le=100_000)
    timeout: int = Field(default=60, ge=1, le=3600)
    expired_accounts: bool = False
    deleted_objects: bool = True

    @model_validator(mode="after")
    def _bind_has_what_it_needs(self) -> Self:
        needs = self.bind in ("simple", "ntlm")
        if needs and (self.bind_dn is None or self.password is None):
            raise ValueError(
                f"bind: {self.bind} needs bind_dn and password (to read without an account write bind: anonymous)"
            )
        if not needs and self.password is not None:
            raise ValueError(f"bind: {self.bind} uses no password; remove it, or remove bind")
        if self.bind == "ntlm" and "\\" not in (self.bind_dn or ""):
            raise ValueError("bind: ntlm needs bind_dn in the form DOMAIN\\user")
        return self

    @model_validator(mode="after")
    def _tls_fits_the_url(self) -> Self:
        plain = [url for url in as_tuple(self.url) if not url.startswith("ldap://")]
        if self.tls.start_tls and plain:
            raise ValueError(f"tls.start_tls is for ldap:// URLs, not for {plain[0]}")
        local = all(url.startswith("ldapi://") for url in as_tuple(self.url))
        if self.bind == "sasl-external" and not (self.tls.client_cert or local):
            raise ValueError("bind: sasl-external needs tls.client_cert (or an ldapi:// URL)")
        return self
