"""What ``kind: google`` accepts in the config."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from dirconnector.readers.google import attributes
from dirconnector.settings import ConfigPath, Secret, Settings, Tls

API_URL = "https://admin.googleapis.com"
MY_CUSTOMER = "my_customer"


def _attribute(value: str) -> str:
    if not attributes.field_of(value):
        raise ValueError(
            f"{value!r} is no attribute of a Google user; there are primaryEmail, emails.work, name.fullName, "
            "department, customSchemas.SCHEMA.FIELD and others"
        )
    return value


def _url(value: str) -> str:
    try:
        where = urlsplit(value)
        host, _ = where.hostname or "", where.port
    except ValueError:
        raise ValueError(f"must be a URL such as {API_URL}") from None
    if where.scheme not in ("http", "https") or not host or where.query or where.fragment or re.search(r"\s", value):
        raise ValueError(f"must be a URL such as {API_URL}")
    if where.username is not None or where.password is not None:
        raise ValueError("a URL holds no user and no password here")
    if where.scheme == "http" and not _is_loopback(host):
        raise ValueError("http:// sends tokens in the clear: use https://")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Attribute = Annotated[str, AfterValidator(_attribute)]
Url = Annotated[str, AfterValidator(_url)]


class Users(Settings):
    """Which users are read, and what their attributes mean.

    ``query`` is Google's own search language ("Search for users" in the Directory API's guides). ``email`` is an
    attribute or a list of them in order of preference. ``deleted`` reads the list of deleted users, which says why
    somebody is gone.
    """

    query: str | None = Field(default=None, min_length=1)
    email: Attribute | list[Attribute] = "primaryEmail"
    username: Attribute = "primaryEmail"
    deleted: bool = True

    @field_validator("email")
    @classmethod
    def _at_least_one(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("nothing is listed")
        return value

    @property
    def emails(self) -> tuple[str, ...]:
        """The attributes of the address, in order of preference."""
        return (self.email,) if isinstance(self.email, str) else tuple(self.email)


class Groups(Settings):
    """Which groups are read ("Search for groups"), and whether they are named by their display name or by their
    address, which unlike the name belongs to one group only.
    """

    query: str | None = Field(default=None, min_length=1)
    name: Literal["name", "email"] = "name"


class GoogleSettings(Settings):
    """A directory of kind ``google``. Required are the key of the service account (``key_file`` as the Cloud console
    gives it out, or ``key``, a reference to its content) and ``subject``, the administrator in whose name it reads.

    ``customer`` or ``domain`` is what is read: the whole account, or one of its domains. ``api_url`` and ``token_url``
    are for a private endpoint and for tests; the token URL is otherwise that of the key. ``queries_per_minute`` is the
    quota of the project in the Cloud console, ``parallel`` how many calls may be open at once. ``proxy`` is a
    proxy's URL, a reference when it holds a password; without it HTTPS_PROXY and NO_PROXY of the environment decide.
    ``timeout`` is seconds without a sign of life.
    """

    key_file: ConfigPath | None = None
    key: Secret | None = None
    subject: str
    customer: str = Field(default=MY_CUSTOMER, min_length=1)
    domain: str | None = Field(default=None, min_length=1)
    users: Users = Users()
    groups: Literal[False] | Groups = Groups()
    queries_per_minute: int = Field(default=2400, ge=1)
    parallel: int = Field(default=8, ge=1, le=64)
    api_url: Url = API_URL
    token_url: Url | None = None
    tls: Tls = Tls()
    proxy: str | Secret | None = None
    timeout: int = Field(default=60, ge=1, le=3600)

    @field_validator("subject")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            raise ValueError("must be the address of an administrator, such as admin@example.com")
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
    def _fits_together(self) -> Self:
        if (self.key_file is None) == (self.key is None):
            raise ValueError("give the key of the service account: key_file or key, one of them")
        if self.domain is not None and "customer" in self.model_fields_set:
            raise ValueError("customer and domain exclude each other")
        if self.tls.start_tls:
            raise ValueError("tls.start_tls is for LDAP; https:// is encrypted from the start")
        return self

    @property
    def scope(self) -> dict[str, str]:
        """What is read, as parameters of a listing."""
        return {"domain": self.domain} if self.domain is not None else {"customer": self.customer}

    @property
    def whole(self) -> bool:
        """All users of the account that the subject belongs to are asked for."""
        return self.domain is None and self.customer == MY_CUSTOMER and self.users.query is None

    @property
    def proxy_url(self) -> str:
        """The proxy's URL, empty when the environment decides. Reads a secret."""
        return self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy or ""
