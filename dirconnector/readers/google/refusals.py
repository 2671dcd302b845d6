"""What Google says when it says no, and what to do about it, in its own words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

USER_SCOPE = "https://www.googleapis.com/auth/admin.directory.user.readonly"
GROUP_SCOPE = "https://www.googleapis.com/auth/admin.directory.group.readonly"
WIDER = (
    USER_SCOPE.removesuffix(".readonly"),
    GROUP_SCOPE.removesuffix(".readonly"),
    "https://www.googleapis.com/auth/cloud-platform",
)
"""Scopes that allow more than reading; a delegation for ``dirsync`` needs none of them."""

DELEGATION = "Admin console: Security > Access and data control > API controls > Manage domain-wide delegation"
ROLES = "Admin console: Account > Admin roles"

TOO_FAST = frozenset({"userRateLimitExceeded", "rateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
TOO_MANY = frozenset({"quotaExceeded", "concurrentLimitExceeded"})
"""Reasons of a refusal that passes: too many calls in a minute, too many at once ("Directory API: limits")."""


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who asks: the service account, its numeric client id, and the administrator in whose name it reads."""

    email: str
    client_id: str
    subject: str


class ApiError(Exception):
    """The Directory API answered with an error. ``message`` is Google's, which holds no secrets; ``what`` is what was
    asked for: ``users``, ``user``, ``groups``, ``group`` or ``members``.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, what: str = "", retry_after: float | None = None
    ) -> None:
        self.what = what
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        super().__init__(f"{status} {reason}: {message}")

    @property
    def limited(self) -> bool:
        """The call came too fast, or too many at once; later it will do."""
        return self.status == 429 or (self.status == 403 and self.reason in TOO_FAST | TOO_MANY)

    @property
    def concurrency(self) -> bool:
        """Too many calls were open at once."""
        return self.reason in TOO_MANY

    @property
    def passing(self) -> bool:
        """The service has a problem of its own, which may be over soon."""
        return self.status >= 500


class TokenError(Exception):
    """The token endpoint said no. ``code`` and ``description`` are those of OAuth (RFC 6749 section 5.2); ``passing``
    when it has a problem of its own.
    """

    def __init__(self, code: str, description: str, *, passing: bool = False) -> None:
        self.code = code
        self.passing = passing
        self.description = description
        super().__init__(f"{code}: {description}" if description else code)


def grant_cure(who: Who, scopes: tuple[str, ...]) -> str:
    """Where domain-wide delegation is granted."""
    return f"{DELEGATION}: client ID {who.client_id or 'of the service account'}, scopes {','.join(scopes)}"


def token_cure(error: TokenError, who: Who, scopes: tuple[str, ...]) -> str:
    """What to do when there is no token."""
    description = error.description.lower()
    if error.code in ("unauthorized_client", "access_denied"):
        return grant_cure(who, scopes)
    if "email or user id" in description:
        return f"subject {who.subject} must be an active user of the account, written with the primary address"
    if "short-lived" in description:
        return "the clock of this computer is wrong: set it"
    if "signature" in description:
        return (
            f"the key is none of {who.email} (any more): make a new one (Cloud console: IAM & Admin, Service accounts)"
        )
    if "account not found" in description or error.code == "invalid_client":
        return (
            f"the service account {who.email} does not exist any more: make one, and a key of it, in the Cloud console"
        )
    if "audience" in description:
        return "token_url must lead to Google's token endpoint, https://oauth2.googleapis.com/token"
    return f"look at the service account {who.email} in the Cloud console (IAM & Admin, Service accounts)"


def api_cure(error: ApiError, who: Who) -> str:
    """What to do about an error of the API."""
    if error.reason in ("accessNotConfigured", "SERVICE_DISABLED"):
        return "switch on the Admin SDK API in the service account's project (Cloud console: APIs & Services, Library)"
    if error.reason == "dailyLimitExceeded":
        return "the project's daily quota is used up: raise it (Cloud console: APIs & Services, Admin SDK API, Quotas)"
    if error.limited:
        return "other programs use up the quota of the project: give dirsync a project of its own, or raise the quota"
    if error.reason in ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
        return grant_cure(who, (USER_SCOPE, GROUP_SCOPE))
    if error.reason == "domainCannotUseApis":
        return "allow API access for the account (Admin console: Security, Access and data control, API controls)"
    if error.status == 403:
        right = f"Admin API privileges, {'Users' if error.what in ('user', 'users') else 'Groups'}, Read"
        return (
            f"give {who.subject} an administrator role with {right} ({ROLES}); it must have signed in once and "
            "accepted the terms of service"
        )
    if error.status == 401:
        return "the token is refused: check api_url, and whether the key was deleted meanwhile"
    if error.status == 404 and "domain" in error.message.lower():
        return "domain is none of the account's (Admin console: Account, Domains)"
    if error.status == 400 and "query" in error.message.lower():
        return f"mend {error.what}.query (Directory API: Search for {error.what})"
    if error.status == 400:
        return "check customer, domain and query"
    if error.passing:
        return "see whether Google reports a problem (https://www.google.com/appsstatus), and run again later"
    return "check api_url and whatever is between here and Google"


def told(error: ApiError) -> str:
    """Google's answer in one line."""
    return f"{error.status} {error.reason}: {error.message}" if error.reason else f"{error.status} {error.message}"
