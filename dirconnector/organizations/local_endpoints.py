"""The public API of a local organization: answers and refuses like the real one (bitwarden/server,
``Api/.../Public``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from dirconnector.model import MemberType, Status
from dirconnector.organizations.endpoints import ALREADY_ACTIVE, ALREADY_REVOKED, Answer, ApiRefused
from dirconnector.organizations.local_api import INVALID, NO_OWNER, NO_SEAT, SERVER_ERROR, LocalApi
from dirconnector.organizations.local_import import import_document
from dirconnector.organizations.local_store import translated

_MEMBER = "SELECT id, email, external_id, name, status, type, permissions FROM members"


class LocalEndpoints(LocalApi):
    """Implements :class:`~dirconnector.organizations.endpoints.Endpoints`; each call is one transaction."""

    # ------------------------------------------------------------------------------------------------------ members

    def members(self) -> list[Answer]:
        with translated(self.path):
            collections = self._collections("member")
            rows = self.connection.execute(_MEMBER).fetchall()
        return [_member(row, collections.get(row[0], [])) for row in rows]

    def member(self, member_id: str) -> Answer:
        with translated(self.path):
            row = self.connection.execute(f"{_MEMBER} WHERE id = ?", (member_id,)).fetchone()
            if row is None:
                raise ApiRefused(404)
            return _member(row, self._collections("member", member_id).get(member_id, []))

    def put_member(self, member_id: str, body: Mapping[str, Any]) -> Answer:
        with self.writing():
            self._status(member_id)
            type_ = body.get("type")
            permissions = body.get("permissions")
            if type_ not in (0, 1, 2, 4) or (permissions is not None and type_ != MemberType.CUSTOM):
                raise ApiRefused(400, INVALID)
            external_id = checked_key(body.get("externalId"))
            if type_ != MemberType.OWNER and not self.another_owner(member_id):
                raise ApiRefused(400, NO_OWNER)
            self.connection.execute(
                "UPDATE members SET type = ?, external_id = ?,"
                " permissions = CASE WHEN ? = 4 THEN coalesce(?, permissions) END WHERE id = ?",
                (type_, external_id, type_, permissions and json.dumps(permissions), member_id),
            )
            self._grant("member", member_id, body.get("collections") or [])
            if (groups := body.get("groups")) is not None:
                self._replace("member_id", member_id, "group_id", groups)
        return self.member(member_id)

    def delete_member(self, member_id: str) -> None:
        with self.writing():
            self._status(member_id)
            self._spare_last_owner(member_id)
            self.connection.execute("DELETE FROM members WHERE id = ?", (member_id,))
            self.connection.execute("DELETE FROM group_members WHERE member_id = ?", (member_id,))
            self.connection.execute("DELETE FROM member_collections WHERE member_id = ?", (member_id,))

    def revoke(self, member_id: str) -> None:
        with self.writing():
            if self._status(member_id) == Status.REVOKED:
                raise ApiRefused(400, ALREADY_REVOKED)
            self._spare_last_owner(member_id)
            self.connection.execute(
                "UPDATE members SET status_before = status, status = ? WHERE id = ?",
                (int(Status.REVOKED), member_id),
            )

    def restore(self, member_id: str) -> None:
        with self.writing():
            if self._status(member_id) != Status.REVOKED:
                raise ApiRefused(400, ALREADY_ACTIVE)
            free = self.seats_free()
            if free is not None and free < 1:
                raise ApiRefused(400, NO_SEAT)
            self.connection.execute(
                "UPDATE members SET status = coalesce(status_before, 0), status_before = NULL WHERE id = ?",
                (member_id,),
            )

    def reinvite(self, member_id: str) -> None:
        with self.writing():
            if self._status(member_id) != Status.INVITED:
                raise ApiRefused(400, "User invalid.")
            query = "SELECT email FROM members WHERE id = ?"
            self.mail([row[0] for row in self.connection.execute(query, (member_id,))])

    # ------------------------------------------------------------------------------------------------------- groups

    def groups(self) -> list[Answer]:
        with translated(self.path):
            collections = self._collections("group")
            rows = self.connection.execute("SELECT id, name, external_id FROM groups").fetchall()
        return [_group(row, collections.get(row[0], [])) for row in rows]

    def group(self, group_id: str) -> Answer:
        with translated(self.path):
            row = self.connection.execute(
                "SELECT id, name, external_id FROM groups WHERE id = ?", (group_id,)
            ).fetchone()
            if row is None:
                raise ApiRefused(404)
            return _group(row, self._collections("group", group_id).get(group_id, []))

    def post_group(self, body: Mapping[str, Any]) -> Answer:
        with self.writing():
            group_id = str(uuid4())
            row = (group_id, checked_name(body.get("name")), checked_key(body.get("externalId")))
            self.connection.execute("INSERT INTO groups VALUES (?, ?, ?)", row)
            known = {row[0] for row in self.connection.execute("SELECT id FROM collections")}
            self._grant("group", group_id, [c for c in body.get("collections") or [] if c["id"] in known])
        return self.group(group_id)

    def put_group(self, group_id: str, body: Mapping[str, Any]) -> Answer:
        with self.writing():
            self._group_exists(group_id)
            self.connection.execute(
                "UPDATE groups SET name = ?, external_id = ? WHERE id = ?",
                (checked_name(body.get("name")), checked_key(body.get("externalId")), group_id),
            )
            if (collections := body.get("collections")) is not None:
                self._grant("group", group_id, collections)
        return self.group(group_id)

    def delete_group(self, group_id: str) -> None:
        with self.writing():
            self._group_exists(group_id)
            for table, column in (("groups", "id"), ("group_members", "group_id"), ("group_collections", "group_id")):
                self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (group_id,))  # noqa: S608 (our own names)

    def group_member_ids(self, group_id: str) -> list[str]:
        with translated(self.path):
            self._group_exists(group_id)
            query = "SELECT member_id FROM group_members WHERE group_id = ?"
            return [row[0] for row in self.connection.execute(query, (group_id,))]

    def put_group_member_ids(self, group_id: str, member_ids: Sequence[str]) -> None:
        with self.writing():
            self._group_exists(group_id)
            self._replace("group_id", group_id, "member_id", member_ids)

    def import_(
        self, *, members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], large: bool = False
    ) -> None:
        import_document(self, members, groups, large=large)

    # ------------------------------------------------------------------------------------------------- what they share

    def _status(self, member_id: str) -> int:
        row = self.connection.execute("SELECT status FROM members WHERE id = ?", (member_id,)).fetchone()
        if row is None:
            raise ApiRefused(404)
        return int(row[0])

    def _group_exists(self, group_id: str) -> None:
        if self.connection.execute("SELECT 1 FROM groups WHERE id = ?", (group_id,)).fetchone() is None:
            raise ApiRefused(404)

    def _spare_last_owner(self, member_id: str) -> None:
        row = self.connection.execute("SELECT type FROM members WHERE id = ?", (member_id,)).fetchone()
        if row[0] == MemberType.OWNER and not self.another_owner(member_id):
            raise ApiRefused(400, NO_OWNER)

    def _replace(self, column: str, value: str, other: str, ids: Sequence[str]) -> None:
        """Exact replacement on one side of the memberships; ids that do not exist vanish, repeated ones are a
        500.
        """
        if len(set(ids)) < len(ids):
            raise ApiRefused(500, SERVER_ERROR)
        table = "members" if other == "member_id" else "groups"
        self.connection.execute(f"DELETE FROM group_members WHERE {column} = ?", (value,))  # noqa: S608 (our own names)
        self.connection.executemany(
            f"INSERT INTO group_members ({column}, {other}) SELECT ?, id FROM {table} WHERE id = ?",  # noqa: S608
            ((value, i) for i in ids),
        )

    def _collections(self, kind: str, holder: str | None = None) -> dict[str, list[Answer]]:
        where, parameters = (f" WHERE {kind}_id = ?", (holder,)) if holder else ("", ())
        found: dict[str, list[Answer]] = {}
        for row in self.connection.execute(f"SELECT * FROM {kind}_collections{where}", parameters):  # noqa: S608
            flags = dict(zip(("readOnly", "hidePasswords", "manage"), map(bool, row[2:]), strict=True))
            found.setdefault(row[0], []).append({"id": row[1], **flags})
        return found

    def _grant(self, kind: str, holder: str, collections: Sequence[Mapping[str, Any]]) -> None:
        self.connection.execute(f"DELETE FROM {kind}_collections WHERE {kind}_id = ?", (holder,))  # noqa: S608
        for collection in collections:
            query = "SELECT 1 FROM collections WHERE id = ?"
            if self.connection.execute(query, (collection["id"],)).fetchone() is None:
                raise ApiRefused(404, "Resource not found.")
            flags = [bool(collection.get(flag)) for flag in ("readOnly", "hidePasswords", "manage")]
            self.connection.execute(
                f"INSERT INTO {kind}_collections VALUES (?, ?, ?, ?, ?)",  # noqa: S608 (our own names)
                (holder, collection["id"], *flags),
            )


def checked_key(value: object) -> str | None:
    """An externalId of a body: at most 300 characters, blank becomes null."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > 300:
        raise ApiRefused(400, INVALID)
    return value if value.strip() else None


def checked_name(value: object) -> str:
    """A group's name of a body: not blank, at most 100 characters."""
    if not isinstance(value, str) or not value.strip() or len(value) > 100:
        raise ApiRefused(400, INVALID)
    return value


def _member(row: Sequence[Any], collections: list[Answer]) -> Answer:
    id_, email, external_id, name, status, type_, permissions = row
    return {
        "object": "member",
        "id": id_,
        "userId": None,
        "name": name,
        "email": email,
        "twoFactorEnabled": False,
        "status": status,
        "type": type_,
        "externalId": external_id,
        "permissions": json.loads(permissions) if permissions else None,
        "collections": collections,
        "resetPasswordEnrolled": False,
        "ssoExternalId": None,
    }


def _group(row: Sequence[Any], collections: list[Answer]) -> Answer:
    return {"object": "group", "id": row[0], "name": row[1], "externalId": row[2], "collections": collections}
