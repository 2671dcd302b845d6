"""The config of an Entra ID directory, and the addresses of the clouds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, field_validator, model_validator

from dirconnector.settings import ConfigPath, IncrementalSettings, Secret, Settings, Tls


class Cloud(NamedTuple):
    """Login service, Graph, and the domains that Microsoft gives to every tenant."""

    login: str
    graph: str
    own_domains: tuple[str, ...]


CLOUDS: Mapping[str, Cloud] = MappingProxyType(
    {
        "public": Cloud("https://login.microsoftonline.com", "https://graph.microsoft.com", ("onmicrosoft.com",)),
        "us-government": Cloud(
            "https://login.microsoftonline.us", "https://graph.microsoft.us", ("onmicrosoft.us", "onmicrosoft.com")
        ),
        "us-government-dod": Cloud(
            "https://login.microsoftonline.us", "https://dod-graph.microsoft.us", ("onmicrosoft.us", "onmicrosoft.com")
        ),
        "china": Cloud(
            "https://login.partner.microsoftonline.cn",
            "https://microsoftgraph.chinacloudapi.cn",
            ("partner.onmschina.cn", "onmschina.cn"),
        ),
    }
)
"""Microsoft, "National cloud deployments" of Graph and of the identity platform."""

_NO_TENANT = ("common", "organizations", "consumers")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+")

LARGEST_PAGE = 999


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError(
            "must be the application (client) ID, as in 00000000-0000-0000-0000-000000000000 (Entra admin center: App "
            "registrations, Overview)"
        ) from None


def _https(value: str) -> str:
    try:
        where = urlsplit(value)
        host, _ = where.hostname or "", where.port
    except ValueError:
        raise ValueError("must be a URL such as https://graph.microsoft.com") from None
    if where.scheme != "https" or not host or re.search(r"\s", value):
        raise ValueError("must be a URL that starts with https://")
    if where.username is not None or where.query or where.fragment or where.path.strip("/"):
        raise ValueError("the URL is only host and port: no user, no path, no ?, no #")
    return value.rstrip("/")


def _words(value: str) -> str:
    if not value.strip():
        raise ValueError("nothing is written here")
    return value


Https = Annotated[str, AfterValidator(_https)]
Words = Annotated[str, AfterValidator(_words)]
Mailbox = Literal["mail", "userPrincipalName", "otherMails", "proxyAddresses"]
GroupKind = Literal["security", "microsoft365", "distribution", "mail-enabled-security"]


class Certificate(Settings):
    """A certificate with its private key instead of a client secret: a PFX (PKCS #12) file, or a PEM file with both.
    ``password`` is that of the file, where it has one.
    """

    file: ConfigPath
    password: Secret | None = None


class Users(Settings):
    """Which people, and what their attributes mean.

    ``filter`` is a ``$filter`` of Graph, passed through. ``email`` lists attributes in order of preference; of
    proxyAddresses it is the primary one. ``onmicrosoft: true`` lets a userPrincipalName of a domain like
    contoso.onmicrosoft.com pass for an e-mail address. ``guests`` are people of other organizations (userType Guest,
    or ``#EXT#`` in the userPrincipalName).
    """

    filter: Words | None = None
    email: Mailbox | list[Mailbox] = Field(default=["mail", "userPrincipalName"], min_length=1)
    username: Literal["userPrincipalName", "mailNickname", "onPremisesSamAccountName", "employeeId"] = (
        "userPrincipalName"
    )
    onmicrosoft: bool = False
    guests: Literal["include", "exclude"] = "include"

    @property
    def emails(self) -> tuple[str, ...]:
        """``email`` as a list."""
        return (self.email,) if isinstance(self.email, str) else tuple(self.email)


class Groups(Settings):
    """Which groups. ``filter`` is a ``$filter`` of Graph, passed through; ``kinds`` are kinds of groups. People in
    groups that are left out still count as members of the groups around them.
    """

    filter: Words | None = None
    kinds: Annotated[list[GroupKind], Field(min_length=1)] | None = None


class EntraSettings(IncrementalSettings):
    """A directory of kind ``entra``: an application registered in the tenant, with application permissions.

    Exactly one of ``client_secret`` and ``certificate``. ``cloud`` is where the tenant is; ``login_url`` and
    ``graph_url`` are for a proxy in front of the services, or for tests. ``administrative_units`` (names or object ids)
    narrow everything to users and groups that are in one of them. ``proxy`` is a proxy's URL, a reference when it
    holds a password; without it HTTPS_PROXY and NO_PROXY of the environment decide. ``page_size`` is the most users
    asked for at once, ``timeout`` seconds without a sign of life.
    """

    tenant: str
    client_id: Annotated[str, AfterValidator(_uuid)]
    client_secret: Secret | None = None
    certificate: Certificate | None = None
    cloud: Literal["public", "us-government", "us-government-dod", "china"] = "public"
    login_url: Https | None = None
    graph_url: Https | None = None
    tls: Tls = Tls()
    proxy: str | Secret | None = None
    timeout: int = Field(default=60, ge=1, le=3600)
    users: Users = Users()
    groups: Literal[False] | Groups = Groups()
    administrative_units: Annotated[list[Words], Field(min_length=1)] | None = None
    page_size: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST_PAGE)

    @field_validator("tenant")
    @classmethod
    def _one_tenant(cls, value: str) -> str:
        if value.lower() in _NO_TENANT:
            raise ValueError(f"{value} is no tenant of yours: give the tenant ID, or a domain of the tenant")
        try:
            return str(UUID(value))
        except ValueError:
            pass
        if not _DOMAIN.fullmatch(value):
            raise ValueError("must be the tenant ID (Entra admin center: Overview), or a domain of the tenant")
        return value

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
    def _one_credential(self) -> Self:
        if (self.client_secret is None) == (self.certificate is None):
            raise ValueError("give exactly one of client_secret and certificate")
        if self.tls.start_tls:
            raise ValueError("tls.start_tls is for LDAP; https:// is encrypted from the start")
        return self

    @property
    def login(self) -> str:
        """Base URL of the login service."""
        return self.login_url or CLOUDS[self.cloud].login

    @property
    def graph(self) -> str:
        """Base URL of Graph, without the version."""
        return self.graph_url or CLOUDS[self.cloud].graph

    @property
    def scope(self) -> str:
        """The scope of a token for Graph. It names the service, whatever address leads to it."""
        return f"{CLOUDS[self.cloud].graph}/.default"

    @property
    def proxy_url(self) -> str:
        """The proxy's URL, empty when the environment decides. Reads a secret."""
        return self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy or ""
