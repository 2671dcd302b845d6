"""What the server's refusals mean for whoever has to mend them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dirconnector.errors import OrganizationRefused
from dirconnector.organizations.bitwarden.settings import BitwardenSettings
from dirconnector.organizations.endpoints import NOT_FOUND, ApiRefused

VAULTWARDEN_WORDS = ("device_identifier", "device_name", "device_type")


def explain_token(error: ApiRefused) -> OrganizationRefused:
    """A refusal of the token endpoint. Its failures are 400 (``OrganizationClientProvider.cs``), and
    ``invalid_client`` stands for several things.
    """
    said = error.message
    if any(word in said for word in VAULTWARDEN_WORDS):
        return OrganizationRefused("this is a Vaultwarden server: write kind: vaultwarden")
    if said == "invalid_client":
        return OrganizationRefused(
            "the server refuses the API key (invalid_client): client_id or client_secret is wrong, the key was "
            "rotated, the organization is disabled, or its plan has no API (Teams and Enterprise have). Look in the "
            "admin console: Settings, Organization info, View API key"
        )
    if error.status == NOT_FOUND:
        return OrganizationRefused(
            "there is no identity service at this address (404 for /connect/token): correct server, or identity_url"
        )
    if error.status == 429:
        return OrganizationRefused(f"the server gives no token now: {said or 'too many requests'}. Try again later")
    return OrganizationRefused(f"the server gives no token: {said or error.status}")


@contextmanager
def explain_api(settings: BitwardenSettings) -> Iterator[None]:
    """Refusals while reading, with the cure."""
    try:
        yield
    except ApiRefused as error:
        failure = _explained(error, settings)
    else:
        return
    raise failure


def _explained(error: ApiRefused, settings: BitwardenSettings) -> OrganizationRefused:
    api = settings.urls.api
    if error.status == NOT_FOUND:
        return OrganizationRefused(
            f"{api} has no public API (404): correct server, or api_url. If it is a Vaultwarden server, "
            "write kind: vaultwarden"
        )
    if error.status >= 500:
        return OrganizationRefused(f"{api}: the server failed ({error.status}): {error}. Its log says why")
    return OrganizationRefused(f"{api}: {error}")


SEATS = ("seat", "autoscale", "auto scale", "payment method", "subscription")
"""Parts of what the server says when there is no seat (``OU/InviteUsers/Validation``, ``OrganizationService.cs``)."""

CURES = {
    "Organization cannot use directory syncing.": "its plan has no directory import: Teams and Enterprise have it",
    "Organization cannot use groups.": "its plan has no groups: Teams and Enterprise have them",
}


def explain_write(error: ApiRefused) -> ApiRefused:
    """A refusal of something that was to be changed: the server's words, and the cure where they need one."""
    said = error.message
    cure = CURES.get(said, "")
    if not cure and error.status < 500 and any(part in said.lower() for part in SEATS):
        cure = "no seat is free: buy seats, or revoke somebody who has one"
    return ApiRefused(error.status, f"{said} ({cure})") if cure else error
