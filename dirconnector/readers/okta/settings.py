"""What ``kind: okta`` accepts in the config."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from dirconnector.settings import IncrementalSettings, Secret, Settings, Tls, Word

Status = Literal["STAGED", "PROVISIONED", "ACTIVE", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED", "SUSPENDED"]
"""Statuses of users that are not deactivated (https://developer.okta.com/docs/reference/api/users/#user-status)."""


def _url(value: str) -> str:
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.scheme != "https" or not host or parts.username or parts.path.strip("/") or parts.query:
        raise ValueError("give the address of the organization and nothing more, like https://example.okta.com")
    first, dot, rest = host.partition(".")
    if first.endswith("-admin") and dot:
        plain = first.removesuffix("-admin")
        raise ValueError(f"this is the address of the admin console; the organization's is https://{plain}.{rest}")
    return value.rstrip("/")


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.password is not None:
        raise ValueError("a proxy with a password is a secret as a whole: {env: NAME} or another reference")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://proxy.example.org:3128")
    return value


def _app(value: str) -> str:
    if not re.fullmatch(r"0oa[0-9A-Za-z]+", value):
        raise ValueError("is the id of an app, which begins with 0oa: see the address bar on the app's page")
    return value


def _suspended() -> list[Status]:
    return ["SUSPENDED"]


def _not_empty(value: str | list[str]) -> str | list[str]:
    if not value:
        raise ValueError("nothing is listed")
    return value


class Users(Settings):
    """Which users are read, and what they are. ``filter`` and ``search`` are expressions in Okta's own language.

    ``email`` is an attribute of the profile, or several in order of preference. Who is in a status of ``disabled``
    counts as disabled. ``deprovisioned`` says what deactivated users (DEPROVISIONED) are.
    """

    filter: Word | None = None
    search: Word | None = None
    email: Annotated[Word | list[Word], AfterValidator(_not_empty)] = "email"
    disabled: list[Status] = Field(default_factory=_suspended)
    deprovisioned: Literal["disabled", "deleted"] = "disabled"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.filter and self.search:
            raise ValueError("give filter or search, not both")
        return self

    @property
    def emails(self) -> tuple[str, ...]:
        """The attributes that may hold the address, in order of preference."""
        return (self.email,) if isinstance(self.email, str) else tuple(self.email)

    @property
    def scoped(self) -> bool:
        """Whether only some of the users are read."""
        return bool(self.filter or self.search)


class Groups(Settings):
    """Which groups are read: expressions in Okta's own language."""

    filter: Word | None = None
    search: Word | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.filter and self.search:
            raise ValueError("give filter or search, not both")
        return self


class OktaSettings(IncrementalSettings):
    """One Okta organization, read with an API token (``token``) or as a service app (``client_id`` and
    ``private_key``, PEM or JWK).

    ``app`` limits users and groups to those that are assigned to that app. ``system_log`` lets incremental reads ask
    the System Log who was deleted for good. ``restricted_role: true`` says that the credentials see only a part of
    the organization on purpose: what they do not see then counts as not there. ``timeout`` is in seconds without a
    sign of life; ``concurrency`` is the most calls at the same time.
    """

    url: Annotated[str, AfterValidator(_url)]
    token: Secret | None = None
    client_id: Word | None = None
    private_key: Secret | None = None
    key_id: Word | None = None
    dpop: bool = False
    tls: Tls = Tls()
    proxy: Annotated[str, AfterValidator(_proxy)] | Secret | None = None
    app: Annotated[str, AfterValidator(_app)] | None = None
    users: Users = Users()
    groups: Groups | Literal[False] = Groups()
    system_log: bool = False
    restricted_role: bool = False
    concurrency: int = Field(default=8, ge=1, le=35)
    timeout: int = Field(default=60, ge=1, le=3600)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.client_id is None) != (self.private_key is None):
            raise ValueError("client_id and private_key belong together")
        if (self.token is None) == (self.client_id is None):
            raise ValueError("give either token, or client_id and private_key")
        if self.token is not None and (self.dpop or self.key_id):
            raise ValueError("dpop and key_id are for client_id and private_key, not for token")
        if self.tls.start_tls:
            raise ValueError("tls.start_tls is for LDAP; https:// is encrypted from the start")
        if self.app and self.users.scoped:
            raise ValueError("app and users.filter or users.search exclude each other: the app is the scope")
        return self

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that a service app asks for: as many as it needs and no more."""
        asked = ["okta.users.read", "okta.groups.read"]
        asked += ["okta.apps.read"] if self.app else []
        asked += ["okta.logs.read"] if self.system_log else []
        return tuple(asked)

    @property
    def proxy_url(self) -> str:
        """The proxy's URL, empty when the environment decides. Reads a secret."""
        return self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy or ""
