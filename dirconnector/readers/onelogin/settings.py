"""What ``kind: onelogin`` accepts in the config."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from dirconnector.settings import IncrementalSettings, Secret, Tls

_SUBDOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[^\s{},]+)?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def placeholders(template: str) -> list[str]:
    """The names in a template: ``{username}@example.org`` -> ``["username"]``; none for a plain name."""
    return _PLACEHOLDER.findall(template)


def _source(value: str) -> str:
    names = placeholders(value)
    rest = _PLACEHOLDER.sub("", value)
    if "{" in rest or "}" in rest or (names and not rest):
        raise ValueError(f"{value!r}: a template looks like '{{username}}@example.org'")
    for name in names or [value]:
        if not _ATTRIBUTE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a field of OneLogin's users")
    return value


def _as_tuple(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Emails = Annotated[tuple[Annotated[str, AfterValidator(_source)], ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class OneLoginSettings(IncrementalSettings):
    """A directory of kind ``onelogin``.

    Exactly one of ``subdomain`` (``acme`` of https://acme.onelogin.com), ``region`` (the older addresses
    https://api.us.onelogin.com and https://api.eu.onelogin.com) and ``url`` says where the account is. ``client_id``
    and ``client_secret`` are an API credential pair. ``groups`` says what becomes a group: roles, OneLogin groups, or
    both. ``email`` lists fields and templates in order of preference. ``pending`` is what becomes of people who are
    not activated or not approved yet: ``skip`` neither invites nor revokes them. ``page_size`` is how many users are
    asked for at once, ``concurrency`` how many calls are under way at once where each role needs its own, ``timeout``
    seconds without a sign of life. ``proxy`` is a proxy's URL, a reference when it holds a password.
    """

    subdomain: str | None = None
    region: Literal["us", "eu"] | None = None
    url: str | None = None
    client_id: str = Field(min_length=1)
    client_secret: Secret
    groups: Literal["roles", "groups", "both"] = "roles"
    email: Emails = ("email",)
    pending: Literal["skip", "enabled", "disabled"] = "skip"
    page_size: int = Field(default=100, ge=1, le=1000)
    concurrency: int = Field(default=6, ge=1, le=16)
    tls: Tls = Tls()
    proxy: str | Secret | None = None
    timeout: int = Field(default=60, ge=1)

    @field_validator("subdomain")
    @classmethod
    def _one_label(cls, value: str | None) -> str | None:
        if value is not None and not _SUBDOMAIN.fullmatch(value):
            raise ValueError("give only the first part of your address: acme for https://acme.onelogin.com")
        return value

    @field_validator("client_id")
    @classmethod
    def _no_blank(cls, value: str) -> str:
        if not re.fullmatch(r"[!-+\--~]+", value):
            raise ValueError("is copied from OneLogin as it is, without spaces and commas")
        return value

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            where = urlsplit(value)
            host, _ = where.hostname or "", where.port
        except ValueError:
            raise ValueError("must be a URL such as https://acme.onelogin.com") from None
        if where.scheme not in ("http", "https") or not host or re.search(r"\s", value):
            raise ValueError("must be a URL such as https://acme.onelogin.com")
        if where.username is not None or where.query or where.fragment or where.path.strip("/"):
            raise ValueError("the URL is only scheme, host and port: no user, no path, no ?, no #")
        if where.scheme == "http" and not _loopback(host):
            raise ValueError(
                "must start with https:// (only a server on this very machine may be asked without encryption)"
            )
        return value.rstrip("/")

    @field_validator("proxy")
    @classmethod
    def _proxy_without_password(cls, value: str | Secret | None) -> str | Secret | None:
        if not isinstance(value, str):
            return value
        try:
            where = urlsplit(value)
            good = where.scheme in ("http", "https") and bool(where.hostname) and where.port != 0
        except ValueError:
            raise ValueError("must be a URL such as http://proxy.example.org:3128") from None
        if where.password is not None:
            raise ValueError("a proxy with a password is a secret as a whole: {env: NAME} or another reference")
        if not good:
            raise ValueError("must be a URL such as http://proxy.example.org:3128")
        return value

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        given = [name for name in ("subdomain", "region", "url") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of subdomain, region, url")
        if self.tls.start_tls:
            raise ValueError("tls.start_tls is for LDAP; https:// is encrypted from the start")
        return self

    @property
    def base(self) -> str:
        """The address below which everything is, without a slash at the end."""
        if self.url is not None:
            return self.url
        return f"https://{self.subdomain or f'api.{self.region}'}.onelogin.com"

    @property
    def proxy_url(self) -> str:
        """The proxy's URL, empty when the environment decides. Reads a secret."""
        return self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy or ""


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
