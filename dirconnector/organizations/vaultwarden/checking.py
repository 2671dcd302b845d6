"""``dirsync check`` of ``kind: vaultwarden``. Never writes."""

from __future__ import annotations

from collections.abc import Iterator

from dirconnector.errors import OrganizationError, OrganizationRefused
from dirconnector.model import Finding
from dirconnector.organizations.connection import Connection
from dirconnector.organizations.endpoints import NOT_FOUND, ApiRefused
from dirconnector.organizations.server import host_of
from dirconnector.organizations.vaultwarden.settings import VaultwardenSettings

MEMBERS = "/public/members"
"""Every Bitwarden server has it, and no Vaultwarden (``src/api/core/public.rs``)."""


def explain_token(error: ApiRefused) -> OrganizationRefused:
    """A refusal of the token endpoint (``src/api/identity.rs``)."""
    said = error.message
    if said in ("Incorrect client_secret", "Invalid client_id", "invalid_client"):
        return OrganizationRefused(
            f"the server refuses the API key ({said}): compare client_id and client_secret with the admin console "
            "(Settings, Organization info, View API key)"
        )
    if error.status == NOT_FOUND:
        return OrganizationRefused(
            "there is no identity service at this address (404 for /connect/token): correct server, or identity_url"
        )
    if error.status == 429:
        return OrganizationRefused(f"the server lets nobody log in now: {said or 'too many requests'}. Try again later")
    return OrganizationRefused(f"the server gives no token: {said or error.status}")


def findings(connection: Connection, settings: VaultwardenSettings) -> Iterator[Finding]:
    """What is there, as far as a server that cannot be read tells."""
    try:
        connection.authenticate()
        yield _server(connection, settings)
    except OrganizationError as error:
        subject = host_of(settings.urls.api)
        yield Finding(ok=False, subject=subject, detail=str(error), cure="do what the message says and check again")
        return
    yield Finding(
        ok=True,
        subject="members",
        detail="cannot be read: what dirsync remembers in its state is the current state. Owners and admins cannot be "
        "told apart: protect them with offboarding.protect.emails",
    )
    if settings.groups:
        detail = "are sent; without ORG_GROUPS_ENABLED=true the server ignores them without a word"
    else:
        detail = "are not sent (groups: true switches them on, where the server runs with ORG_GROUPS_ENABLED=true)"
    yield Finding(ok=True, subject="groups", detail=detail)


def _server(connection: Connection, settings: VaultwardenSettings) -> Finding:
    subject = "server"
    try:
        connection.get(MEMBERS)
    except ApiRefused as error:
        if error.status != NOT_FOUND:
            raise
        detail = f"a Vaultwarden server, {settings.urls.api}: the API key is good"
        if not settings.tls.verify:
            detail += "; its certificate is NOT verified (tls.verify: false)"
        return Finding(ok=True, subject=subject, detail=detail)
    return Finding(
        ok=False,
        subject=subject,
        detail=f"{settings.urls.api} is a Bitwarden server: it can be read",
        cure="write kind: bitwarden",
    )
