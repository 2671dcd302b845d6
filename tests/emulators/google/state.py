"""What a Google Workspace account holds. Users, groups and members are kept as the API writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

USER_READ = "https://www.googleapis.com/auth/admin.directory.user.readonly"
GROUP_READ = "https://www.googleapis.com/auth/admin.directory.group.readonly"
MEMBER_READ = "https://www.googleapis.com/auth/admin.directory.group.member.readonly"
ORGUNIT_READ = "https://www.googleapis.com/auth/admin.directory.orgunit.readonly"
USER_WRITE = USER_READ.removesuffix(".readonly")
GROUP_WRITE = GROUP_READ.removesuffix(".readonly")
MEMBER_WRITE = MEMBER_READ.removesuffix(".readonly")
ORGUNIT_WRITE = ORGUNIT_READ.removesuffix(".readonly")

JsonObject = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Role:
    """What an administrator who is no super administrator may do. ``org_unit`` limits it to one organizational unit
    and those below.
    """

    users: bool = True
    groups: bool = True
    org_unit: str = "/"


@dataclass(slots=True, kw_only=True)
class Client:
    """A service account: its keys (id -> public key as PEM), and the scopes of its domain-wide delegation."""

    email: str
    client_id: str
    keys: dict[str, str]
    scopes: list[str]


@dataclass(slots=True)
class State:
    """Everything that a test can edit. ``users``, ``deleted`` and ``groups`` are by id; the members of a group are
    in its ``members``, which the API never shows there. ``roles`` are by user id. ``invisible`` are ids of users that
    the listing leaves out without a word.
    """

    customer: str = "C01abc234"
    domains: list[str] = field(default_factory=lambda: ["example.com"])
    users: dict[str, JsonObject] = field(default_factory=dict)
    deleted: dict[str, JsonObject] = field(default_factory=dict)
    groups: dict[str, JsonObject] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    foreign_groups: dict[str, str] = field(default_factory=dict)
    invisible: set[str] = field(default_factory=set)
    api_enabled: bool = True
    numbers: int = 0

    # ------------------------------------------------------------------------------------------------- editing

    def add_user(self, email: str, **fields: Any) -> JsonObject:
        """A user with everything that the API shows; ``fields`` replace or add."""
        self.numbers += 1
        given, _, family = fields.pop("name", email.partition("@")[0]).partition(" ")
        user: JsonObject = {
            "kind": "admin#directory#user",
            "id": f"1{self.numbers:020d}",
            "etag": f'"etag-user/{self.numbers}"',
            "primaryEmail": email,
            "name": {"givenName": given, "familyName": family, "fullName": f"{given} {family}".strip()},
            "isAdmin": False,
            "isDelegatedAdmin": False,
            "lastLoginTime": "1970-01-01T00:00:00.000Z",
            "creationTime": "2024-01-02T03:04:05.000Z",
            "agreedToTerms": True,
            "suspended": False,
            "archived": False,
            "changePasswordAtNextLogin": False,
            "ipWhitelisted": False,
            "emails": [{"address": email, "primary": True}],
            "languages": [{"languageCode": "en", "preference": "preferred"}],
            "customerId": self.customer,
            "orgUnitPath": "/",
            "isMailboxSetup": True,
            "isEnrolledIn2Sv": False,
            "isEnforcedIn2Sv": False,
            "includeInGlobalAddressList": True,
            "isGuestUser": False,
        } | fields
        self.users[user["id"]] = user
        return user

    def add_group(self, email: str, *members: JsonObject | str, **fields: Any) -> JsonObject:
        """A group; ``members`` are users, groups, or e-mail addresses of people from outside."""
        self.numbers += 1
        group: JsonObject = {
            "kind": "admin#directory#group",
            "id": f"0{self.numbers:014x}",
            "etag": f'"etag-group/{self.numbers}"',
            "email": email,
            "name": email.partition("@")[0],
            "description": "",
            "adminCreated": True,
            "members": [],
        } | fields
        self.groups[group["id"]] = group
        for member in members:
            self.join(group, member)
        return group

    def join(self, group: JsonObject, member: JsonObject | str, role: str = "MEMBER", **fields: Any) -> JsonObject:
        """Make somebody a member. A string is the address of somebody from outside; ``CUSTOMER`` is everybody."""
        self.numbers += 1
        entry: JsonObject = {"kind": "admin#directory#member", "etag": f'"etag-member/{self.numbers}"', "role": role}
        if member == "CUSTOMER":
            entry |= {"id": self.customer, "type": "CUSTOMER"}
        elif isinstance(member, str):
            entry |= {"id": f"1{self.numbers:020d}", "email": member, "type": "USER", "status": "ACTIVE"}
        elif "primaryEmail" in member:
            status = "SUSPENDED" if member.get("suspended") else "ACTIVE"
            entry |= {"id": member["id"], "email": member["primaryEmail"], "type": "USER", "status": status}
        else:
            entry |= {"id": member["id"], "email": member["email"], "type": "GROUP", "status": "ACTIVE"}
        group["members"].append(entry | fields)
        return entry | fields

    def leave(self, group: JsonObject, member_id: str) -> None:
        """Take a member out."""
        group["members"][:] = [member for member in group["members"] if member.get("id") != member_id]

    def delete_user(self, user_id: str, when: str = "2026-11-20T10:00:00.000Z") -> None:
        """Delete a user: memberships end, the deleted list has them for about 20 days."""
        user = self.users.pop(user_id)
        self.deleted[user_id] = {
            name: user[name] for name in ("kind", "id", "etag", "primaryEmail", "customerId", "name") if name in user
        } | {"deletionTime": when}
        for group in self.groups.values():
            self.leave(group, user_id)

    def delete_group(self, group_id: str) -> None:
        """Delete a group: it leaves no trace."""
        del self.groups[group_id]
        for group in self.groups.values():
            self.leave(group, group_id)

    # ------------------------------------------------------------------------------------------------- finding

    def user(self, key: str) -> JsonObject | None:
        """A user by id, primary address or alias."""
        if key in self.users:
            return self.users[key]
        key = key.lower()
        return next((user for user in self.users.values() if key in addresses(user)), None)

    def group(self, key: str) -> JsonObject | None:
        """A group by id, address or alias."""
        if key in self.groups:
            return self.groups[key]
        key = key.lower()
        return next(
            (
                g
                for g in self.groups.values()
                if key == g["email"].lower() or key in map(str.lower, g.get("aliases", []))
            ),
            None,
        )


def addresses(user: JsonObject) -> list[str]:
    """All addresses of a user in lower case."""
    found = [user.get("primaryEmail", ""), *user.get("aliases", []), *user.get("nonEditableAliases", [])]
    return [address.lower() for address in found]


def dumped(state: State) -> JsonObject:
    """The state as JSON, without keys."""
    return {
        "customer": state.customer,
        "domains": state.domains,
        "users": list(state.users.values()),
        "deleted": list(state.deleted.values()),
        "groups": list(state.groups.values()),
        "roles": {
            key: {"users": r.users, "groups": r.groups, "org_unit": r.org_unit} for key, r in state.roles.items()
        },
        "clients": {
            c.client_id: {"email": c.email, "scopes": c.scopes, "keys": sorted(c.keys)} for c in state.clients.values()
        },
        "foreign_groups": state.foreign_groups,
        "invisible": sorted(state.invisible),
        "api_enabled": state.api_enabled,
    }


def load(state: State, posted: JsonObject) -> None:
    """Replace the parts that were posted. Users and groups need only an address; scopes are posted by client id."""
    posted = json.loads(json.dumps(posted))
    unknown = posted.keys() - dumped(state).keys()
    if unknown:
        raise ValueError(f"no such part of the state: {', '.join(sorted(unknown))}")
    for part in ("customer", "domains", "foreign_groups", "api_enabled"):
        if part in posted:
            setattr(state, part, posted[part])
    if "users" in posted:
        state.users = {}
        for user in posted["users"]:
            name = user.pop("name", {})
            added = state.add_user(user["primaryEmail"], **user)
            added["name"] |= name
    if "deleted" in posted:
        state.deleted = {user["id"]: user for user in posted["deleted"]}
    if "groups" in posted:
        state.groups = {}
        for group in posted["groups"]:
            members = group.pop("members", [])
            state.add_group(**group)["members"] = [
                {"kind": "admin#directory#member", "role": "MEMBER"} | m for m in members
            ]
    if "roles" in posted:
        state.roles = {key: Role(**role) for key, role in posted["roles"].items()}
    if "invisible" in posted:
        state.invisible = set(posted["invisible"])
    for client_id, client in posted.get("clients", {}).items():
        state.clients[client_id].scopes = list(client["scopes"])
