"""The public API of a Bitwarden server over HTTP: :class:`~dirconnector.organizations.endpoints.Endpoints`.

Every answer is checked to be what it should be before anything is made of it: a page of a proxy, taken for "no
members", would invite everybody anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dirconnector.errors import OrganizationError, OrganizationRefused
from dirconnector.http import Answer as HttpAnswer
from dirconnector.organizations.bitwarden.explaining import explain_write
from dirconnector.organizations.bitwarden.settling import Document, Settling
from dirconnector.organizations.connection import Connection, Unclear
from dirconnector.organizations.endpoints import ALREADY_ACTIVE, ALREADY_REVOKED, NOT_FOUND, Answer, ApiRefused

IMPORT_PATH = "/public/organization/import"

IMPORT_TIMEOUT = 300.0
"""Seconds: longer than any proxy's, so that it is the server's own time that is waited for."""

IMPORT_ATTEMPTS = 3
REFUSED_ATTEMPTS = 2

LARGEST_BODY = 20_000_000
"""Bytes of the memberships of one import; the server takes 30,000,000 for the whole body (Kestrel's default)."""

_MEMBER_FIELDS = ("id", "userId", "email", "externalId", "name", "status", "type")


@dataclass(slots=True)
class Sent:
    """What the memberships of groups were set to. ``by_key`` holds external ids of members by external id of the
    group, ``by_id`` member ids by id of the group. ``doubtful`` are keys and ids of groups whose call had no clean
    answer.
    """

    by_key: dict[str, tuple[str, ...]] = field(default_factory=dict)
    by_id: dict[str, frozenset[str]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)


class Client:
    """The endpoints of one organization. ``sent`` says what was written to the memberships of groups."""

    def __init__(self, connection: Connection, *, settle_seconds: float) -> None:
        self._connection = connection
        self._settling = Settling(self, connection, settle_seconds)
        self.sent = Sent()

    # ------------------------------------------------------------------------------------------------------ members

    def members(self) -> list[Answer]:
        """All members, reduced to the fields that a :class:`~dirconnector.model.Member` has: there may be 50,000."""
        return _listed(self._connection.get("/public/members"), "member", _reduced)

    def member(self, member_id: str) -> Answer:
        """One member, whole. What a PUT leaves out is wiped, so everything that goes into one must be there."""
        answer = _object(self._connection.get(f"/public/members/{member_id}"))
        if not isinstance(answer.get("type"), int) or not isinstance(answer.get("collections"), list | None):
            raise _strange(f"GET /public/members/{member_id}")
        if "collections" not in answer or "permissions" not in answer:
            raise _strange(f"GET /public/members/{member_id}")
        return answer

    def put_member(self, member_id: str, body: Mapping[str, Any]) -> Answer:
        """Replace type, external id, permissions and collections."""
        return _object(self._connection.write("PUT", f"/public/members/{member_id}", body, repeatable=True))

    def delete_member(self, member_id: str) -> None:
        """Remove the membership; when an attempt of before did it already, that is success."""
        self._connection.write("DELETE", f"/public/members/{member_id}", repeatable=True, done=_gone)

    def revoke(self, member_id: str) -> None:
        """Revoke; when an attempt of before did it already, that is success."""
        path = f"/public/members/{member_id}/revoke"
        self._connection.write("POST", path, repeatable=True, done=lambda e: e.message == ALREADY_REVOKED)

    def restore(self, member_id: str) -> None:
        """Restore; when an attempt of before did it already, that is success."""
        path = f"/public/members/{member_id}/restore"
        try:
            self._connection.write("POST", path, repeatable=True, done=lambda e: e.message == ALREADY_ACTIVE)
        except ApiRefused as error:
            raise explain_write(error) from None

    def reinvite(self, member_id: str) -> None:
        """Send the invitation again. Never repeated: each one is a mail."""
        self._connection.write("POST", f"/public/members/{member_id}/reinvite", repeatable=False)

    # ------------------------------------------------------------------------------------------------------- groups

    def groups(self) -> list[Answer]:
        """All groups, without their members."""
        return _listed(self._connection.get("/public/groups"), "group")

    def group(self, group_id: str) -> Answer:
        """One group with its collections."""
        answer = _object(self._connection.get(f"/public/groups/{group_id}"))
        if not isinstance(answer.get("name"), str):
            raise _strange(f"GET /public/groups/{group_id}")
        return answer

    def post_group(self, body: Mapping[str, Any]) -> Answer:
        """Create a group. The server would create a second one: when there is no answer, look for it first."""
        key = str(body.get("externalId") or "")
        for attempt in range(IMPORT_ATTEMPTS):
            try:
                created = _object(self._connection.write("POST", "/public/groups", body, repeatable=False))
            except (Unclear, ApiRefused) as error:
                if not _may_have_happened(error):
                    raise
                found = self._settling.group_with(key, error)
                if found is not None:
                    return found
                if attempt + 1 == IMPORT_ATTEMPTS:
                    raise
            else:
                return created
        raise AssertionError("the last attempt returns or raises")

    def put_group(self, group_id: str, body: Mapping[str, Any]) -> Answer:
        """Replace name, external id and collections."""
        return _object(self._connection.write("PUT", f"/public/groups/{group_id}", body, repeatable=True))

    def delete_group(self, group_id: str) -> None:
        """Delete; when an attempt of before did it already, that is success."""
        self._connection.write("DELETE", f"/public/groups/{group_id}", repeatable=True, done=_gone)

    def group_member_ids(self, group_id: str) -> list[str]:
        """Member ids of a group."""
        path = f"/public/groups/{group_id}/member-ids"
        ids = _json(self._connection.get(path))
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            raise _strange(f"GET {path}")
        return ids

    def put_group_member_ids(self, group_id: str, member_ids: Sequence[str]) -> None:
        """Set the members of a group; a list without repetitions, never anything but a list."""
        ids = sorted(set(member_ids))
        path = f"/public/groups/{group_id}/member-ids"
        try:
            self._connection.write("PUT", path, {"memberIds": ids}, repeatable=True)
        except OrganizationError:
            self.sent.doubtful.add(group_id)
            raise
        self.sent.by_id[group_id] = frozenset(ids)

    # ------------------------------------------------------------------------------------------------------- import

    def import_(
        self, *, members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], large: bool = False
    ) -> None:
        """Import people and groups, never with ``overwriteExisting``, always with ``largeImport``.

        Memberships too large for one body travel in several, a group always whole.
        """
        for part in _bodies(members, groups):
            try:
                self._import(part)
            except OrganizationError:
                self.sent.doubtful.update(group["externalId"] for group in groups)
                raise

    def _import(self, part: Document) -> None:
        """One import that is over when this returns or raises.

        After no answer, a gateway's answer or a 500, what was done stays done: wait until the organization does not
        change any more, and repeat only when something of the document is missing.
        """
        body = {
            "groups": part.groups,
            "members": part.members,
            "overwriteExisting": False,
            "largeImport": True,
        }
        for attempt in range(IMPORT_ATTEMPTS):
            self._settling.finish()
            try:
                self._connection.write("POST", IMPORT_PATH, body, repeatable=False, timeout=IMPORT_TIMEOUT)
            except (Unclear, ApiRefused) as error:
                if not _may_have_happened(error):
                    raise explain_write(error) if isinstance(error, ApiRefused) else error from None
                self.sent.doubtful.update(group["externalId"] for group in part.groups)
                if self._settling.happened(part, error):
                    return
                # a server that says twice that it cannot will not learn it
                if attempt + 1 == (IMPORT_ATTEMPTS if isinstance(error, Unclear) else REFUSED_ATTEMPTS):
                    raise
            else:
                sent = {group["externalId"]: tuple(group["memberExternalIds"]) for group in part.groups}
                self.sent.by_key.update(sent)
                # an answer without a doubt, also when an attempt of before had none
                self.sent.doubtful.difference_update(sent)
                return

    # --------------------------------------------------------------------------------------------------- what is told

    def authenticate(self) -> None:
        """Get a token. Raises :class:`OrganizationError`."""
        self._connection.authenticate()

    def wait_for_import(self, seconds_ago: float) -> None:
        """Somebody who was killed sent an import so long ago: wait until the organization does not change any more."""
        self._settling.after_a_kill(seconds_ago)

    def seats(self) -> tuple[int | None, int | None]:
        """Seats bought, and up to how many the server buys by itself; None for what it does not tell.

        Servers that have no subscription to show refuse, and that is no error.
        """
        try:
            manager = _object(self._connection.get("/public/organization/subscription")).get("passwordManager")
        except OrganizationRefused:
            return None, None
        if not isinstance(manager, Mapping):
            return None, None
        seats, most = manager.get("seats"), manager.get("maxAutoScale")
        return (seats if isinstance(seats, int) else None), (most if isinstance(most, int) else None)


def _bodies(members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> Iterator[Document]:
    """The document in bodies that the server takes."""
    part: list[Mapping[str, Any]] = []
    people, size = list(members), 0
    for group in groups:
        # quotes and comma; a key may take up to four bytes for each character
        bytes_ = sum(len(key.encode()) + 3 for key in group["memberExternalIds"])
        if part and size + bytes_ > LARGEST_BODY:
            yield Document(members=people, groups=part)
            people, part, size = [], [], 0
        part.append(group)
        size += bytes_
    yield Document(members=people, groups=part)


def _may_have_happened(error: OrganizationError) -> bool:
    return isinstance(error, Unclear) or (isinstance(error, ApiRefused) and error.status >= 500)


def _gone(error: ApiRefused) -> bool:
    return error.status == NOT_FOUND


def _reduced(data: dict[str, Any]) -> dict[str, Any]:
    if data.get("object") != "member":
        return data
    return {name: data[name] for name in _MEMBER_FIELDS if name in data}


def _json(answer: HttpAnswer, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    try:
        return answer.json(object_hook=hook)
    except ValueError:
        raise _strange("it") from None


def _object(answer: HttpAnswer) -> Answer:
    data = _json(answer)
    if not isinstance(data, dict):
        raise _strange("it")
    return data


def _listed(answer: HttpAnswer, kind: str, hook: Callable[[dict[str, Any]], Any] | None = None) -> list[Answer]:
    data = _json(answer, hook)
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not all(_entry(entry, kind) for entry in entries):
        raise _strange(f"GET /public/{kind}s")
    return entries


def _entry(entry: object, kind: str) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return False
    return kind != "member" or (isinstance(entry.get("status"), int) and isinstance(entry.get("type"), int))


def _strange(what: str) -> OrganizationRefused:
    return OrganizationRefused(
        f"the server answered {what} with something else than Bitwarden's public API does: is the URL right, and is "
        "nothing between that answers in its place?"
    )
