"""The tenant: users, groups, administrative units, what is deleted, and the log of changes that delta queries read."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Kind = Literal["user", "group", "device", "orgContact", "servicePrincipal", "administrativeUnit"]
Object = dict[str, Any]

CREATED, REMOVED, MEMBERS = "@created", "@removed", "members"
"""Aspects of a change beside the names of properties."""

RECYCLE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log. ``aspects`` are names of properties, or one of the constants above; ``member`` is the id
    that a change of the membership is about.
    """

    number: int
    kind: str
    id: str
    aspects: frozenset[str]
    member: str = ""


@dataclass(slots=True, kw_only=True)
class App:
    """The registered application. ``roles`` are application permissions with admin consent; an expired secret is
    known by its value too. ``certificates`` are PEM.
    """

    client_id: str
    secret: str
    expired_secret: str = ""
    roles: set[str] = field(default_factory=lambda: {"User.Read.All", "GroupMember.Read.All"})
    certificates: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Tenant:
    """Everything in it. ``objects`` are by id, without members; ``deleted`` are soft-deleted ones and ``gone`` the
    ids of what was purged.
    """

    id: str
    domain: str
    app: App
    kinds: dict[str, str] = field(default_factory=dict)
    objects: dict[str, Object] = field(default_factory=dict)
    deleted: dict[str, Object] = field(default_factory=dict)
    members: dict[str, dict[str, None]] = field(default_factory=dict)
    member_of: dict[str, dict[str, None]] = field(default_factory=dict)
    units: dict[str, dict[str, None]] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    _left: dict[str, list[str]] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------------- queries

    @property
    def number(self) -> int:
        """Of the last change."""
        return len(self.log)

    def of_kind(self, kind: str) -> list[Object]:
        """Living objects of this kind, in the order of their ids (which is no order that means anything)."""
        return [self.objects[id_] for id_, found in sorted(self.kinds.items()) if found == kind and id_ in self.objects]

    def deleted_of(self, kind: str) -> list[Object]:
        """Soft-deleted objects of this kind."""
        return [self.deleted[id_] for id_ in sorted(self.deleted) if self.kinds[id_] == kind]

    def find(self, kind: str, name: str) -> Object | None:
        """A living object by id; a user also by userPrincipalName."""
        found = self.objects.get(name)
        if found is not None and self.kinds[name] == kind:
            return found
        if kind != "user" or "@" not in name:
            return None
        wanted = name.casefold()
        return next((u for u in self.of_kind("user") if (u["userPrincipalName"] or "").casefold() == wanted), None)

    def members_of(self, group: str) -> list[Object]:
        """Direct members that live."""
        return [self.objects[id_] for id_ in self.members.get(group, ())]

    def transitive_members_of(self, group: str) -> list[Object]:
        """Members at any depth, each once, without the group itself."""
        return self._reach(group, self.members)

    def transitive_groups_of(self, id_: str) -> list[Object]:
        """Groups at any height that this object is in."""
        return self._reach(id_, self.member_of)

    def _reach(self, start: str, edges: Mapping[str, Mapping[str, None]]) -> list[Object]:
        seen: dict[str, None] = {}
        stack = [start]
        while stack:
            for id_ in edges.get(stack.pop(), ()):
                if id_ not in seen and id_ != start:
                    seen[id_] = None
                    stack.append(id_)
        return [self.objects[id_] for id_ in sorted(seen)]

    # ------------------------------------------------------------------------------------------------------- changes

    def add(self, kind: Kind, **properties: Any) -> str:
        """A new object; its id, which may be given."""
        id_ = properties.get("id") or str(uuid.uuid4())
        if id_ in self.objects or id_ in self.deleted:
            raise ValueError(f"{id_} is there already")
        self.objects[id_] = _defaults(kind, id_, self.domain) | properties | {"id": id_}
        self.kinds[id_] = kind
        self.gone.pop(id_, None)
        if kind == "group":
            self.members[id_] = {}
        if kind == "administrativeUnit":
            self.units[id_] = {}
        self._write(id_, {CREATED})
        return id_

    def update(self, id_: str, **properties: Any) -> None:
        """Change properties; what stays the same is not a change."""
        found = self.objects[id_]
        changed = {name for name, value in properties.items() if name not in found or found[name] != value}
        found.update(properties)
        if changed:
            self._write(id_, changed)

    def delete(self, id_: str) -> None:
        """Users and Microsoft 365 groups go to the recycle bin, everything else is gone. Memberships end, and are back
        after a restore.
        """
        found = self.objects[id_]
        kind = self.kinds[id_]
        self._left[id_] = list(self.member_of.get(id_, ()))
        for group in self._left[id_]:
            self.remove_member(group, id_)
        for unit in self.units.values():
            unit.pop(id_, None)
        soft = kind == "user" or (kind == "group" and "Unified" in found["groupTypes"])
        for member in list(self.members.get(id_, ())):
            self.member_of[member].pop(id_, None)
        del self.objects[id_]
        if soft:
            now = datetime.now(UTC)
            self.deleted[id_] = found | {"deletedDateTime": _stamp(now)}
            if kind == "user":
                self.deleted[id_]["userPrincipalName"] = id_.replace("-", "") + (found["userPrincipalName"] or "")
        else:
            self._forget(id_)
        self._write(id_, {REMOVED})

    def restore(self, id_: str) -> None:
        """Out of the recycle bin, with the memberships of before."""
        found = self.deleted.pop(id_)
        found["deletedDateTime"] = None
        if self.kinds[id_] == "user":
            found["userPrincipalName"] = found["userPrincipalName"].removeprefix(id_.replace("-", ""))
        self.objects[id_] = found
        self._write(id_, {CREATED})
        for group in self._left.pop(id_, []):
            if group in self.objects:
                self.add_member(group, id_)
        for member in list(self.members.get(id_, ())):
            if member in self.objects:
                self.member_of.setdefault(member, {})[id_] = None
                self._write(id_, {MEMBERS}, member)
            else:
                del self.members[id_][member]

    def purge(self, id_: str) -> None:
        """Out of the recycle bin for ever."""
        del self.deleted[id_]
        self._forget(id_)
        self._write(id_, {REMOVED})

    def _forget(self, id_: str) -> None:
        self.gone[id_] = self.kinds[id_]
        self.members.pop(id_, None)
        self.member_of.pop(id_, None)
        self._left.pop(id_, None)
        self.units.pop(id_, None)

    def add_member(self, group: str, member: str) -> None:
        """Any object may be a member, a group of itself by a detour too."""
        if group not in self.members or member not in self.objects or group == member:
            raise ValueError(f"{member} cannot be a member of {group}")
        if member not in self.members[group]:
            self.members[group][member] = None
            self.member_of.setdefault(member, {})[group] = None
            self._write(group, {MEMBERS}, member)

    def remove_member(self, group: str, member: str) -> None:
        """The same the other way."""
        if member in self.members[group]:
            del self.members[group][member]
            self.member_of[member].pop(group, None)
            self._write(group, {MEMBERS}, member)

    def set_members(self, group: str, members: Iterable[str]) -> None:
        """Exactly these."""
        wanted = list(members)
        for member in [m for m in self.members[group] if m not in set(wanted)]:
            self.remove_member(group, member)
        for member in wanted:
            self.add_member(group, member)

    def add_to_unit(self, unit: str, member: str) -> None:
        """Into an administrative unit, which is no property of the member."""
        if member not in self.objects:
            raise ValueError(f"{member} does not exist")
        self.units[unit][member] = None

    def remove_from_unit(self, unit: str, member: str) -> None:
        """Out of it."""
        self.units[unit].pop(member, None)

    def _write(self, id_: str, aspects: Iterable[str], member: str = "") -> None:
        kind = self.kinds[id_]
        self.log.append(Change(len(self.log) + 1, kind, id_, frozenset(aspects), member))

    # ------------------------------------------------------------------------------------------- the side door's form

    def shown(self) -> dict[str, Any]:
        """The whole tenant as JSON."""
        return {
            "tenant": self.id,
            "domain": self.domain,
            "roles": sorted(self.app.roles),
            "secret": self.app.secret,
            "users": self.of_kind("user"),
            "groups": [g | {"members": sorted(self.members[g["id"]])} for g in self.of_kind("group")],
            "administrativeUnits": [
                u | {"members": sorted(self.units[u["id"]])} for u in self.of_kind("administrativeUnit")
            ],
            "others": [o | {"kind": self.kinds[o["id"]]} for k in OTHERS for o in self.of_kind(k)],
            "deletedItems": [o | {"kind": self.kinds[o["id"]]} for k in ("user", "group") for o in self.deleted_of(k)],
        }

    def take(self, posted: Mapping[str, Any]) -> None:
        """Change what is named: objects by id (new ones too), with ``members`` where they have some, and
        ``{"id": ..., "@removed": {"reason": "changed" | "deleted"}}`` or ``{"id": ..., "@restored": true}``; ``roles``,
        ``secret`` and ``expired_secret`` of the application.
        """
        unknown = (
            posted.keys()
            - {"roles", "secret", "expired_secret", "certificates", "users", "groups"}
            - {
                "administrativeUnits",
                "others",
            }
        )
        if unknown:
            raise ValueError(f"unknown sections: {sorted(unknown)}")
        self.app.roles = set(posted.get("roles", self.app.roles))
        self.app.secret = posted.get("secret", self.app.secret)
        self.app.expired_secret = posted.get("expired_secret", self.app.expired_secret)
        self.app.certificates = list(posted.get("certificates", self.app.certificates))
        for section, kind in SECTIONS:
            for item in posted.get(section, ()):
                self._take_one(kind or item["kind"], item)
        for item in posted.get("groups", ()):
            if "members" in item:
                self.set_members(item["id"], item["members"])
        for item in posted.get("administrativeUnits", ()):
            if "members" in item:
                self.units[item["id"]] = dict.fromkeys(item["members"])

    def _take_one(self, kind: Any, item: Mapping[str, Any]) -> None:
        id_ = item.get("id", "")
        properties = {k: v for k, v in item.items() if k not in ("members", "kind") and not k.startswith("@")}
        if "@removed" in item:
            if id_ in self.objects:
                self.delete(id_)
            if item["@removed"].get("reason") == "deleted" and id_ in self.deleted:
                self.purge(id_)
        elif "@restored" in item:
            self.restore(id_)
        elif id_ in self.objects:
            self.update(id_, **properties)
        else:
            self.add(kind, **properties)


OTHERS = ("device", "orgContact", "servicePrincipal")
SECTIONS: tuple[tuple[str, str], ...] = (
    ("users", "user"),
    ("others", ""),
    ("groups", "group"),
    ("administrativeUnits", "administrativeUnit"),
)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def long_ago(days: int) -> str:
    """A date as Graph writes it."""
    return _stamp(datetime.now(UTC) - timedelta(days=days))


def _defaults(kind: str, id_: str, domain: str) -> Object:
    nick = id_.replace("-", "")
    if kind == "user":
        return {
            "displayName": nick,
            "givenName": None,
            "surname": None,
            "mail": None,
            "userPrincipalName": f"{nick}@{domain}",
            "mailNickname": nick,
            "accountEnabled": True,
            "userType": "Member",
            "businessPhones": [],
            "otherMails": [],
            "proxyAddresses": [],
            "createdDateTime": "2023-02-11T08:30:00Z",
            "deletedDateTime": None,
        }
    if kind == "group":
        return {
            "displayName": nick,
            "description": None,
            "mail": None,
            "mailEnabled": False,
            "mailNickname": nick,
            "securityEnabled": True,
            "groupTypes": [],
            "visibility": None,
            "createdDateTime": "2018-12-22T02:21:05Z",
            "deletedDateTime": None,
        }
    return {"displayName": nick, "deletedDateTime": None}
