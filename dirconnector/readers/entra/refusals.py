"""What the login service and Graph refuse, in words that name the cure. Pure.

Of what the services say, only numbers, codes and Graph's sentence about our own query are repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECRETS = "Entra admin center: App registrations, your application, Certificates & secrets"
PERMISSIONS = "Entra admin center: App registrations, your application, API permissions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a query is for, the least application permission for it, and the setting that shapes it, if one does."""

    what: str
    permission: str
    setting: str = ""
    sufficient: frozenset[str] = frozenset()
    """Permissions that do as well."""

    @property
    def cure(self) -> str:
        """Where the permission is granted."""
        return (
            f"grant {self.permission} ({PERMISSIONS}, Add a permission, Microsoft Graph, Application permissions), "
            "then Grant admin consent"
        )

    def met(self, roles: frozenset[str]) -> bool:
        """One of the permissions is there."""
        return self.permission in roles or not roles.isdisjoint(self.sufficient)


_ALL = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
USERS = Need(what="users", permission="User.Read.All", sufficient=_ALL | {"User.ReadWrite.All"})
GROUPS = Need(
    what="groups",
    permission="GroupMember.Read.All",
    sufficient=_ALL | {"GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"},
)
UNITS = Need(
    what="administrative units",
    permission="AdministrativeUnit.Read.All",
    setting="administrative_units",
    sufficient=_ALL | {"AdministrativeUnit.ReadWrite.All"},
)
HIDDEN = "Member.Read.Hidden"
"""The only permission that shows the members of a group with hidden membership (Graph, "List group members")."""


class Refusal(Exception):
    """The service said no. ``status`` and ``code`` are its own."""

    def __init__(self, why: str, *, status: int = 0, code: str = "") -> None:
        self.status, self.code = status, code
        super().__init__(why)


class Resync(Exception):
    """The service no longer knows where we were: everything has to be read again."""


_TOKEN: Mapping[int, str] = {
    7000215: f"the client secret is wrong; take its Value, not its Secret ID, or make a new one ({SECRETS})",
    7000222: f"the client secret has expired; make a new one ({SECRETS})",
    7000218: "no client secret was sent; mend client_secret",
    700016: "there is no such application in this tenant; mend client_id or tenant (App registrations, Overview)",
    700027: f"the certificate is not one of the application's; upload it ({SECRETS}, Certificates)",
    700024: "the clock of this computer is wrong; set it",
    90002: "there is no such tenant; mend tenant, or cloud if the tenant is in another cloud",
    900023: "this is no name of a tenant; mend tenant",
    500011: "the tenant is not in this cloud; mend cloud",
    650052: "the organization has no access to Microsoft Graph; ask for a subscription",
    53003: "a Conditional Access policy blocks the application; exclude it there (Protection, Conditional Access)",
    7000112: "the application is disabled; enable it (Enterprise applications, your application, Properties)",
    7000216: "no client secret or certificate was sent; mend client_secret or certificate",
}


def token_refusal(result: Mapping[str, Any]) -> str:
    """An error of the token endpoint (an ``AADSTS`` number, Microsoft's list of error codes)."""
    numbers = [number for number in _list(result.get("error_codes")) if isinstance(number, int)]
    for number in numbers:
        if number in _TOKEN:
            return f"no token: {_TOKEN[number]} (AADSTS{number})"
    if numbers:
        first = numbers[0]
        where = f"https://login.microsoftonline.com/error?code={first}"
        return f"no token: the login service refuses with AADSTS{first}; {where} says what to do"
    return "no token: the login service answered something else than it should; is nothing between that answers for it?"


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


_RESYNC = ("syncstatenotfound", "syncstateinvalid", "resyncrequired", "expiredpagetoken")


def is_resync(status: int, code: str) -> bool:
    """410, and codes that say the same with another status; their case varies."""
    folded = code.casefold()
    return status == 410 or (status in (400, 404) and any(word in folded for word in _RESYNC))


def graph_refusal(status: int, code: str, message: str, need: Need) -> str:
    """An error of Graph, and what to do about it."""
    told = f"{need.what}: Graph refuses with {status} {_clean(code, 60)}".rstrip()
    if status == 401:
        return f"{told}: it does not accept the token; is cloud the one of the tenant?"
    if status == 403:
        return f"{told}: the application may not read them; {need.cure}"
    if status == 404:
        return f"{told}: {need.setting or 'what was asked for'} does not exist; mend {need.setting or 'the config'}"
    if status == 400 and need.setting:
        return f"{told}: {_clean(message, 300)}; mend {need.setting}"
    if status >= 500:
        return f"{told}: the service has a problem of its own; run again later"
    return f"{told}: {_clean(message, 300)}; is the URL right?"


def _clean(text: str, length: int) -> str:
    return "".join(c for c in text if c.isprintable())[:length]
