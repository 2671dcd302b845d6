"""The public API of a Bitwarden organization as typed methods, and its answers as our vocabulary.

Everything is shaped like the wire: bodies and answers are dicts in camelCase, so that a client over HTTP has
nothing to translate, and the embedded organization answers what the real one would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dirconnector.errors import OrganizationRefused
from dirconnector.model import Member, MemberType, OrgGroup, Status
from dirconnector.plan.model import Change

Answer = dict[str, Any]
"""One JSON object of the API."""

ALREADY_REVOKED = "Already revoked."
ALREADY_ACTIVE = "Already active."
NOT_INVITED = "User invalid."
NOT_FOUND = 404


class ApiRefused(OrganizationRefused):
    """The API answered and said no. ``status`` is the HTTP status, ``message`` the server's own words (may be
    empty).
    """

    def __init__(self, status: int, message: str = "") -> None:
        self.status = status
        self.message = message
        super().__init__(message or f"the server answered {status} without a message")


class Endpoints(Protocol):
    """What the public API can do that this program needs (``PUB/Controllers/*`` of bitwarden/server).

    Every method raises :class:`ApiRefused` when the server says no and
    :class:`~dirconnector.errors.OrganizationUnreachable` when there is no answer. A method that writes
    returns or raises only when the server, as far as anybody can know, is no longer working on it: two
    imports must never overlap, because both may insert the same person, and from then on every import fails.
    """

    def members(self) -> list[Answer]:
        """``GET /public/members``: every member, whatever the status."""

    def member(self, member_id: str) -> Answer:
        """``GET /public/members/{id}``, with ``permissions`` and ``collections``."""

    def put_member(self, member_id: str, body: Mapping[str, Any]) -> Answer:
        """``PUT /public/members/{id}``: omitted ``externalId`` and ``collections`` are wiped, omitted
        ``groups`` are kept.
        """

    def delete_member(self, member_id: str) -> None:
        """``DELETE /public/members/{id}``: the membership, not the account; cannot be undone."""

    def revoke(self, member_id: str) -> None:
        """``POST /public/members/{id}/revoke``."""

    def restore(self, member_id: str) -> None:
        """``POST /public/members/{id}/restore``: back to the status before the revocation; no mail is sent."""

    def reinvite(self, member_id: str) -> None:
        """``POST /public/members/{id}/reinvite``: only for invited members."""

    def groups(self) -> list[Answer]:
        """``GET /public/groups``: every group with its collections and without its members."""

    def group(self, group_id: str) -> Answer:
        """``GET /public/groups/{id}``."""

    def post_group(self, body: Mapping[str, Any]) -> Answer:
        """``POST /public/groups``: the new group. Neither name nor externalId has to be unique."""

    def put_group(self, group_id: str, body: Mapping[str, Any]) -> Answer:
        """``PUT /public/groups/{id}``: omitted ``externalId`` is wiped, omitted ``collections`` are kept."""

    def delete_group(self, group_id: str) -> None:
        """``DELETE /public/groups/{id}``."""

    def group_member_ids(self, group_id: str) -> list[str]:
        """``GET /public/groups/{id}/member-ids``: member ids (not user ids)."""

    def put_group_member_ids(self, group_id: str, member_ids: Sequence[str]) -> None:
        """``PUT /public/groups/{id}/member-ids``: exact replacement; unknown ids vanish silently, repeated
        ids are a 500.
        """

    def import_(
        self, *, members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], large: bool = False
    ) -> None:
        """``POST /public/organization/import`` with ``overwriteExisting`` false, always.

        Members are ``{"email", "externalId", "deleted": false}``, groups ``{"name", "externalId",
        "memberExternalIds"}``. A return says that the document was taken, not that everything in it happened:
        see the answers of :meth:`members`.
        """


def member_from(answer: Mapping[str, Any]) -> Member:
    """A member of the API's answer. Unknown status and type numbers become ``OTHER``."""
    return Member(
        id=answer["id"],
        email=answer.get("email") or "",
        key=answer.get("externalId") or "",
        name=answer.get("name") or "",
        status=status_from(answer["status"]),
        type=type_from(answer["type"]),
        linked=answer.get("userId") is not None,
    )


def group_from(answer: Mapping[str, Any], member_ids: frozenset[str]) -> OrgGroup:
    """A group of the API's answer, with the membership that was read apart from it."""
    return OrgGroup(
        id=answer["id"],
        name=answer.get("name") or "",
        key=answer.get("externalId") or "",
        members=member_ids,
        collections=len(answer.get("collections") or ()),
    )


_STATUSES = {int(status): status for status in Status}
_TYPES = {int(type_): type_ for type_ in MemberType}


def status_from(number: int) -> Status:
    """The status of this number, ``OTHER`` when it has no name here (a newer server)."""
    return _STATUSES.get(number, Status.OTHER)


def type_from(number: int) -> MemberType:
    """The member type of this number, ``OTHER`` when it has no name here (a newer server)."""
    return _TYPES.get(number, MemberType.OTHER)


def not_found(error: ApiRefused) -> bool:
    """True when what was to be changed is not there."""
    return error.status == NOT_FOUND


def still_to_change(answer: Mapping[str, Any], change: Change) -> bool:
    """True when the externalId is still what the change replaces, False when it is already what the change
    wants.

    Raises :class:`~dirconnector.errors.OrganizationRefused` when somebody has given it another one since the
    plan was made.
    """
    now = answer.get("externalId") or ""
    if now == change.key:
        return False
    if now != change.before:
        was = change.before or "empty"
        raise OrganizationRefused(
            f"the external ID is {now or 'empty'} now, not {was}: it was changed after the plan was made"
        )
    return True
