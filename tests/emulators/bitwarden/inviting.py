"""Seats, and the step that invites people: shared by the member endpoint and the import."""

from __future__ import annotations

from collections.abc import Sequence

from tests.emulators.bitwarden.answers import bad_request
from tests.emulators.bitwarden.core import Core
from tests.emulators.bitwarden.entities import PUBLIC_API, EventType, Member

INVITE_SELF_HOST = "Cannot auto scale self-host."
SERVICE_SELF_HOST = "Cannot autoscale on self-hosted instance."


class InviteFailedError(Exception):
    """The invite step failed; its own rows are gone again and the seats reverted."""


def reserve_seats(core: Core, wanted: int, self_host: str) -> None:
    """Make room for ``wanted`` more members, or refuse with a 400 (OrganizationService).

    Null seats are unlimited. The cloud autoscales up to the configured maximum; a self-hosted server never
    does, and there even ``wanted`` of zero is refused while the organization is over-full.
    """
    organization = core.state.organization
    if organization.seats is None:
        return
    free = organization.seats - core.state.occupied_seats
    if wanted <= free:
        return
    if not core.options.cloud:
        raise bad_request(self_host)
    if organization.provider_manages_seats:
        raise bad_request("Seat limit has been reached. Please contact your provider to add more seats.")
    if organization.subscription_cancelled:
        raise bad_request("Cannot autoscale with a canceled subscription.")
    if not organization.plan_allows_additional_seats:
        raise bad_request("Plan does not allow additional seats.")
    if not organization.payment_method:
        raise bad_request("No payment method found.")
    if not organization.subscription:
        raise bad_request("No subscription found.")
    total = organization.seats + wanted - free
    if organization.max_autoscale_seats is not None and total > organization.max_autoscale_seats:
        raise bad_request("Seat limit has been reached.")
    organization.seats = total


def invite(core: Core, drafts: Sequence[Member], seats_before: int | None, system_user: int = PUBLIC_API) -> None:
    """Insert the members, send their mails, log them.

    Raises :class:`InviteFailedError` after taking the rows back when a mail fails. ``seats_before`` is what
    the seats return to.
    """
    state = core.state
    for member in drafts:
        state.put_member(member)
    for member in drafts:
        if not core.send("invite", member):
            for row in drafts:
                state.remove_member(row.id)
            state.organization.seats = seats_before
            raise InviteFailedError("Failed to send an invitation.")
    for member in drafts:
        core.log(EventType.INVITED, member=member.id, system_user=system_user)
