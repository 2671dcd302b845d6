"""Where a server of Bitwarden's API is, and as whom to speak to it: what the settings of its kinds have in common."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from dirconnector.settings import Secret, Settings, Tls

PREFIX = "organization."
CLOUD_DOMAINS = ("bitwarden.com", "bitwarden.eu", "bitwarden-gov.com")


class Urls(NamedTuple):
    """Base URLs without a slash at the end: tokens come from ``identity``, ``/public/...`` is below ``api``."""

    identity: str
    api: str


class ServerSettings(Settings):
    """What every kind of server needs.

    ``server`` is the address of a self-hosted server (``/identity`` and ``/api`` are below it); where the two are
    elsewhere, ``identity_url`` and ``api_url`` take its place. ``client_id`` and ``client_secret`` are the
    organization's API key. ``proxy`` is a proxy's URL, a reference when it holds a password; without it HTTPS_PROXY
    and NO_PROXY of the environment decide. ``timeout`` is seconds without a sign of life.
    """

    server: str | None = None
    identity_url: str | None = None
    api_url: str | None = None
    client_id: str
    client_secret: Secret
    tls: Tls = Tls()
    proxy: str | Secret | None = None
    timeout: int = Field(default=60, ge=1)

    @field_validator("client_id")
    @classmethod
    def _of_an_organization(cls, value: str) -> str:
        if value.startswith("user."):
            raise ValueError(
                "this is the API key of a person; the organization's starts with organization. (in the admin "
                "console: Settings, Organization info, View API key)"
            )
        try:
            uuid = UUID(value.removeprefix(PREFIX)) if value.startswith(PREFIX) else None
        except ValueError:
            uuid = None
        if uuid is None:
            raise ValueError(
                "must be organization. and a UUID, as in organization.00000000-0000-0000-0000-000000000000"
            )
        return f"{PREFIX}{uuid}"

    @field_validator("server", "identity_url", "api_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        return value if value is None else base_url(value)

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
    def _no_start_tls(self) -> Self:
        if self.tls.start_tls:
            raise ValueError("tls.start_tls is for LDAP; https:// is encrypted from the start")
        if (self.identity_url is None) != (self.api_url is None):
            raise ValueError("identity_url and api_url belong together")
        return self

    @property
    def given(self) -> Urls | None:
        """The URLs that the settings name, if they do."""
        if self.server is not None:
            return Urls(f"{self.server}/identity", f"{self.server}/api")
        if self.identity_url is not None and self.api_url is not None:
            return Urls(self.identity_url, self.api_url)
        return None

    @property
    def organization_id(self) -> str:
        """The UUID of the organization."""
        return self.client_id.removeprefix(PREFIX)

    @property
    def proxy_url(self) -> str:
        """The proxy's URL, empty when the environment decides. Reads a secret."""
        return self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy or ""


def base_url(value: str) -> str:
    """A URL to which paths can be added. Raises ValueError for what is none, or would send secrets in the clear."""
    try:
        where = urlsplit(value)
        host, _ = where.hostname or "", where.port
    except ValueError:
        raise ValueError("must be a URL such as https://bitwarden.example.org") from None
    if where.scheme not in ("http", "https") or not host or re.search(r"\s", value):
        raise ValueError("must be a URL such as https://bitwarden.example.org")
    if where.username is not None or where.query or where.fragment:
        raise ValueError("the URL is only host, port and path: no user, no ?, no #")
    if where.scheme == "http" and not _loopback(host):
        raise ValueError(
            "must start with https:// (only a server on this very machine may be asked without encryption)"
        )
    return value.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_cloud(urls: Urls) -> bool:
    """True when one of the URLs is Bitwarden's own cloud."""
    hosts = [urlsplit(url).hostname or "" for url in urls]
    return any(host == domain or host.endswith(f".{domain}") for host in hosts for domain in CLOUD_DOMAINS)


def host_of(url: str) -> str:
    """Host and port, in lower case."""
    return urlsplit(url).netloc.lower()
