"""What an Okta organization holds, and what changing it does to time stamps and to the System Log."""

from __future__ import annotations

import json
import time
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

STATUSES = (
    "STAGED",
    "PROVISIONED",
    "ACTIVE",
    "RECOVERY",
    "LOCKED_OUT",
    "PASSWORD_EXPIRED",
    "SUSPENDED",
    "DEPROVISIONED",
)
LAZY = frozenset({"LOCKED_OUT", "PASSWORD_EXPIRED"})
"""Statuses that Okta works out at sign-in: nothing moves when they begin."""
GONE = "DEPROVISIONED"
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EVENTS = {
    "ACTIVE": "user.lifecycle.activate",
    "SUSPENDED": "user.lifecycle.suspend",
    GONE: "user.lifecycle.deactivate",
}


def stamp(seconds: float) -> str:
    """An instant as Okta writes it: milliseconds and Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03}Z"


class State:
    """One organization. ``skew`` shifts its clock; documents are what the API shows, ``members`` are ids by group."""

    def __init__(self, *, seed: int = 1, base: str = "https://example.okta.com") -> None:
        self.random = Random(seed)
        self.base = base
        self.skew = 0.0
        self.search_lag = 0.0
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.members: dict[str, set[str]] = {}
        self.apps: dict[str, dict[str, Any]] = {}
        self.assigned: dict[str, dict[str, str]] = {}
        """By app: user id -> when it was assigned."""
        self.app_groups: dict[str, dict[str, str]] = {}
        self.events: list[dict[str, Any]] = []
        self.order: list[str] = []
        """Ids of users, sorted, as the list pages through them."""
        self._bodies: dict[str, bytes] = {}
        self._indexed: dict[str, tuple[float, dict[str, Any] | None]] = {}
        self.everyone = self.add_group("Everyone", type="BUILT_IN", description="All users in your organization")

    def now(self) -> float:
        """The organization's clock, in seconds since the epoch."""
        return time.time() + self.skew

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.skew += seconds

    def new_id(self, prefix: str) -> str:
        """An id of 20 characters, as Okta makes them."""
        return prefix + "".join(self.random.choices(_LETTERS, k=17))

    # ----------------------------------------------------------------------------------------------------- users

    def add_user(self, login: str, *, status: str = "ACTIVE", id: str = "", **profile: Any) -> str:
        """A new user; ``profile`` are further attributes, of which those that are None are omitted."""
        now = stamp(self.now())
        key = id or self.new_id("00u")
        active = status not in ("STAGED", "PROVISIONED")
        whole = {"firstName": "Some", "lastName": "Body", "email": login, "login": login} | profile
        self.users[key] = {
            "id": key,
            "status": status,
            "created": now,
            "activated": now if active else None,
            "statusChanged": now if active else None,
            "lastLogin": None,
            "lastUpdated": now,
            "passwordChanged": None,
            "type": {"id": "oty1defaultusertype"},
            "profile": {name: value for name, value in whole.items() if value is not None},
            "credentials": {"provider": {"type": "OKTA", "name": "OKTA"}},
            "_links": {"self": {"href": f"{self.base}/api/v1/users/{key}"}},
        }
        insort(self.order, key)
        self._indexed[key] = (self.now(), None)
        self._log("user.lifecycle.create", user=key)
        if status != GONE:
            self._membership_moved(self.everyone)
        return key

    def change_user(self, key: str, **profile: Any) -> None:
        """Change attributes of the profile; None removes one."""
        self._touch(key)
        attributes = self.users[key]["profile"]
        for name, value in profile.items():
            attributes.pop(name, None)
            if value is not None:
                attributes[name] = value
        self._log("user.account.update_profile", user=key)

    def set_status(self, key: str, status: str) -> None:
        """Move a user to another status. A deactivated user loses groups and apps."""
        before = self.users[key]["status"]
        if before == status:
            return
        if status in LAZY:
            self._bodies.pop(key, None)
        else:
            self._touch(key)
            self.users[key]["statusChanged"] = stamp(self.now())
            self._log(_EVENTS.get(status, "user.lifecycle.update"), user=key)
        self.users[key]["status"] = status
        if status == GONE:
            for group in [g for g, members in self.members.items() if key in members]:
                self.remove_member(group, key)
            for assigned in self.assigned.values():
                assigned.pop(key, None)
        if GONE in (before, status):
            self._membership_moved(self.everyone)

    def delete_user(self, key: str) -> None:
        """Delete for good. Okta deactivates whoever is not deactivated yet, and deletes at the second call; this does
        both.
        """
        self.set_status(key, GONE)
        del self.users[key]
        self.order.pop(bisect_right(self.order, key) - 1)
        self._bodies.pop(key, None)
        self._indexed.pop(key, None)
        self._log("user.lifecycle.delete.initiated", user=key)
        self._log("user.lifecycle.delete.completed", user=key)

    def user_body(self, key: str) -> bytes:
        """The user's document as JSON."""
        body = self._bodies.get(key)
        if body is None:
            document = {name: value for name, value in self.users[key].items() if value is not None}
            body = self._bodies[key] = json.dumps(document).encode()
        return body

    def as_searched(self, key: str) -> dict[str, Any] | None:
        """The user as the search index knows them, which lags behind by :attr:`search_lag` seconds."""
        changed, before = self._indexed.get(key, (0.0, None))
        return self.users[key] if not self.search_lag or self.now() - changed >= self.search_lag else before

    def after(self, key: str) -> Iterator[str]:
        """Ids of users behind this one."""
        yield from self.order[bisect_right(self.order, key) :]

    def _touch(self, key: str) -> None:
        user = self.users[key]
        self._indexed[key] = (self.now(), json.loads(json.dumps(user)))
        user["lastUpdated"] = stamp(self.now())
        self._bodies.pop(key, None)

    # ---------------------------------------------------------------------------------------------------- groups

    def add_group(
        self, name: str, members: Iterable[str] = (), *, type: str = "OKTA_GROUP", id: str = "", **profile: Any
    ) -> str:
        """A new group. Groups from Active Directory are ``APP_GROUP``."""
        now = stamp(self.now())
        key = id or self.new_id("00g")
        windows = type == "APP_GROUP"
        self.groups[key] = {
            "id": key,
            "created": now,
            "lastUpdated": now,
            "lastMembershipUpdated": now,
            "objectClass": ["okta:windows_security_principal" if windows else "okta:user_group"],
            "type": type,
            "profile": {"name": name, "description": None} | profile,
            "_links": {"users": {"href": f"{self.base}/api/v1/groups/{key}/users"}},
        }
        self.members[key] = set(members)
        self._log("group.lifecycle.create", group=key)
        return key

    def rename_group(self, key: str, name: str) -> None:
        """Give a group another name."""
        self.groups[key]["profile"]["name"] = name
        self.groups[key]["lastUpdated"] = stamp(self.now())
        self._log("group.profile.update", group=key)

    def delete_group(self, key: str) -> None:
        """Delete a group; Everyone cannot be deleted."""
        if key == self.everyone:
            raise ValueError("Everyone cannot be deleted")
        del self.groups[key]
        del self.members[key]
        for groups in self.app_groups.values():
            groups.pop(key, None)
        self._log("group.lifecycle.delete", group=key)

    def add_member(self, group: str, user: str) -> None:
        """Put a user into a group. The user's document does not move."""
        if group == self.everyone or self.users[user]["status"] == GONE:
            raise ValueError("not a group, or not a user, that memberships can be given to")
        if user not in self.members[group]:
            self.members[group].add(user)
            self._membership_moved(group)
            self._log("group.user_membership.add", group=group, user=user)

    def remove_member(self, group: str, user: str) -> None:
        """Take a user out of a group. The user's document does not move."""
        if user in self.members[group]:
            self.members[group].remove(user)
            self._membership_moved(group)
            self._log("group.user_membership.remove", group=group, user=user)

    def members_of(self, group: str) -> list[str]:
        """Ids of the members, sorted."""
        if group == self.everyone:
            return [key for key in self.order if self.users[key]["status"] != GONE]
        return sorted(self.members[group])

    def count_of(self, group: str) -> int:
        """How many members a group has."""
        return len(self.members_of(group)) if group == self.everyone else len(self.members[group])

    def _membership_moved(self, group: str) -> None:
        self.groups[group]["lastMembershipUpdated"] = stamp(self.now())

    # ------------------------------------------------------------------------------------------------------ apps

    def add_app(self, label: str, users: Iterable[str] = (), groups: Iterable[str] = ()) -> str:
        """An app with assigned users and groups (members of an assigned group are assigned, too)."""
        key, now = self.new_id("0oa"), stamp(self.now())
        self.apps[key] = {"id": key, "name": "oidc_client", "label": label, "status": "ACTIVE", "lastUpdated": now}
        self.app_groups[key] = dict.fromkeys(groups, now)
        everybody = {*users, *(user for group in self.app_groups[key] for user in self.members_of(group))}
        self.assigned[key] = dict.fromkeys(sorted(everybody), now)
        return key

    # ---------------------------------------------------------------------------------------------------- events

    def _log(self, event: str, *, user: str = "", group: str = "") -> None:
        targets = []
        if user:
            login = self.users[user]["profile"].get("login") if user in self.users else None
            targets.append({"id": user, "type": "User", "alternateId": login, "displayName": login})
        if group:
            name = self.groups[group]["profile"]["name"] if group in self.groups else None
            targets.append({"id": group, "type": "UserGroup", "alternateId": "unknown", "displayName": name})
        self.events.append(
            {
                "uuid": f"{self.random.getrandbits(128):032x}",
                "published": stamp(self.now()),
                "eventType": event,
                "severity": "INFO",
                "displayMessage": event,
                "outcome": {"result": "SUCCESS"},
                "target": targets,
            }
        )
