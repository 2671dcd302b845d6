"""What a OneLogin account holds: users, roles, groups, events, API credentials. Tests edit it in place."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

Record = dict[str, Any]

EVENT_ASSIGNED_ROLE, EVENT_CREATED, EVENT_UPDATED, EVENT_DELETED = 4, 13, 14, 17
EVENT_NAMES = {
    1: "APP_ADDED_TO_ROLE",
    2: "APP_REMOVED_FROM_ROLE",
    3: "USER_ASSUMED_USER",
    EVENT_ASSIGNED_ROLE: "USER_ASSIGNED_ROLE",
    5: "USER_LOGGED_INTO_ONELOGIN",
    EVENT_CREATED: "USER_CREATED",
    EVENT_UPDATED: "USER_UPDATED",
    EVENT_DELETED: "USER_DELETED",
}
SCOPES = ("authentication_only", "read_users", "manage_users", "read_all", "manage_all")

USER_DEFAULTS: Record = {
    "email": None,
    "username": None,
    "firstname": None,
    "lastname": None,
    "title": None,
    "department": None,
    "company": None,
    "phone": None,
    "comment": None,
    "status": 1,
    "state": 1,
    "group_id": None,
    "directory_id": None,
    "trusted_idp_id": None,
    "external_id": None,
    "manager_user_id": None,
    "manager_ad_id": None,
    "samaccountname": None,
    "userprincipalname": None,
    "distinguished_name": None,
    "member_of": None,
    "activated_at": None,
    "last_login": None,
    "invitation_sent_at": None,
    "locked_until": None,
    "invalid_login_attempts": 0,
    "password_changed_at": None,
    "preferred_locale_code": None,
}


def stamp(seconds: float) -> str:
    """A time as the service writes it: ISO 8601, milliseconds, Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True, kw_only=True)
class Role:
    """A role. ``users`` are ids of users; ``admins`` and ``apps`` are only shown."""

    id: int
    name: str
    users: dict[int, str] = field(default_factory=dict)
    """User id -> when the role was given."""
    admins: list[int] = field(default_factory=list)
    apps: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Credential:
    """An API credential pair."""

    client_id: str
    client_secret: str
    scope: str = "read_all"
    owner_deleted: bool = False


@dataclass(slots=True, kw_only=True)
class State:
    """One account. Roles hold their users; a user's ``role_ids`` is kept in step by the methods below.

    ``membership_touches_users``: whether giving or taking a role sets the user's ``updated_at``.
    """

    credentials: list[Credential]
    account_id: int = 98765
    users: dict[int, Record] = field(default_factory=dict)
    roles: dict[int, Role] = field(default_factory=dict)
    groups: dict[int, Record] = field(default_factory=dict)
    events: list[Record] = field(default_factory=list)
    membership_touches_users: bool = False
    next_user: int = 56_781_966
    next_role: int = 345_001
    next_group: int = 1_001
    next_event: int = 900_000_001

    # ------------------------------------------------------------------------------------------------------- users

    def add_user(self, *, roles: tuple[int, ...] = (), at: float | None = None, **fields: Any) -> int:
        """Create a user; returns the id."""
        unknown = fields.keys() - USER_DEFAULTS.keys() - {"id", "custom_attributes", "created_at", "updated_at"}
        if unknown:
            raise ValueError(f"a user has no {', '.join(sorted(unknown))}")
        when = stamp(time.time() if at is None else at)
        number = int(fields.pop("id", self.next_user))
        self.next_user = max(self.next_user, number) + 1
        times = {"created_at": when, "updated_at": when}
        self.users[number] = {"id": number, **USER_DEFAULTS, "custom_attributes": {}, **times, **fields, "role_ids": []}
        for role in roles:
            self._give(role, number, when)
        self._event(EVENT_CREATED, number, at=when)
        return number

    def change_user(self, user: int, **fields: Any) -> None:
        """Change fields of a user; ``updated_at`` follows."""
        unknown = fields.keys() - USER_DEFAULTS.keys() - {"custom_attributes"}
        if unknown:
            raise ValueError(f"a user has no {', '.join(sorted(unknown))}")
        self.users[user].update(fields, updated_at=stamp(time.time()))
        self._event(EVENT_UPDATED, user)

    def delete_user(self, user: int) -> None:
        """Delete for ever."""
        record = self.users.pop(user)
        for role in record["role_ids"]:
            self.roles[role].users.pop(user, None)
        self._event(EVENT_DELETED, user, name=_full_name(record))

    # ------------------------------------------------------------------------------------------------------- roles

    def add_role(self, name: str, users: tuple[int, ...] = (), **fields: Any) -> int:
        """Create a role; returns the id."""
        number = int(fields.pop("id", self.next_role))
        self.next_role = max(self.next_role, number) + 1
        self.roles[number] = Role(id=number, name=name, **fields)
        for user in users:
            self._give(number, user, stamp(time.time()))
        return number

    def assign(self, role: int, user: int) -> None:
        """Give a role to a user."""
        now = stamp(time.time())
        self._give(role, user, now)
        self._touch(user, now)
        self._event(EVENT_ASSIGNED_ROLE, user, role=role)

    def unassign(self, role: int, user: int) -> None:
        """Take a role from a user."""
        self.roles[role].users.pop(user, None)
        self.users[user]["role_ids"] = [r for r in self.users[user]["role_ids"] if r != role]
        self._touch(user, stamp(time.time()))

    def delete_role(self, role: int) -> None:
        """Delete a role."""
        for user in self.roles.pop(role).users:
            if user in self.users:
                self.users[user]["role_ids"] = [r for r in self.users[user]["role_ids"] if r != role]

    def add_group(self, name: str, **fields: Any) -> int:
        """Create a OneLogin group (a policy group: a user has at most one); returns the id."""
        number = int(fields.pop("id", self.next_group))
        self.next_group = max(self.next_group, number) + 1
        self.groups[number] = {"id": number, "name": name, "reference": None, **fields}
        return number

    # ------------------------------------------------------------------------------------------------------ inside

    def _give(self, role: int, user: int, when: str) -> None:
        self.roles[role].users[user] = when
        if role not in self.users[user]["role_ids"]:
            self.users[user]["role_ids"].append(role)

    def _touch(self, user: int, when: str) -> None:
        if self.membership_touches_users:
            self.users[user]["updated_at"] = when

    def _event(self, kind: int, user: int, *, role: int | None = None, name: str = "", at: str = "") -> None:
        record = self.users.get(user)
        self.events.append(
            {
                "id": self.next_event,
                "created_at": at or stamp(time.time()),
                "account_id": self.account_id,
                "user_id": user,
                "user_name": name or (_full_name(record) if record else None),
                "event_type_id": kind,
                "notes": None,
                "ipaddr": "192.0.2.1",
                "actor_user_id": 1,
                "actor_user_name": "Root Admin",
                "assuming_acting_user_id": None,
                "role_id": role,
                "role_name": self.roles[role].name if role is not None else None,
                "app_id": None,
                "app_name": None,
                "group_id": None,
                "group_name": None,
                "custom_message": None,
                "error_description": None,
            }
        )
        self.next_event += 1


def _full_name(record: Record) -> str:
    return " ".join(part for part in (record["firstname"], record["lastname"]) if part)


LONG_AGO = datetime(2019, 8, 22, 18, 43, 55, 188000, tzinfo=UTC).timestamp()
ODD_USERS: tuple[Record, ...] = (
    {"firstname": "No", "lastname": "Mail", "username": "no.mail"},
    {"firstname": "Plus", "lastname": "Tag", "username": "plus", "email": "plus+vault@example.org"},
    {"firstname": "Cee", "lastname": "Novák, Jr.", "username": "cee", "email": "cee@example.org"},
    {"firstname": "Žoë", "lastname": "Ångström", "username": "zoë", "email": "zoe@example.org"},
    {"firstname": "Bell\x07", "lastname": "Tab\tter", "username": "bell", "email": "bell@example.org"},
    {"firstname": "Twin", "lastname": "One", "username": "twin1", "email": "twin@example.org"},
    {"firstname": "Twin", "lastname": "Two", "username": "twin2", "email": "Twin@example.org"},
    {"firstname": "New", "lastname": "Hire", "username": "new.hire", "email": "new.hire@example.org", "status": 0},
    {"firstname": "Sus", "lastname": "Pended", "username": "sus", "email": "sus@example.org", "status": 2},
    {"firstname": "Loc", "lastname": "Ked", "username": "loc", "email": "loc@example.org", "status": 3},
    {"firstname": "Un", "lastname": "Licensed", "username": "unl", "email": "unl@example.org", "state": 3},
    {"firstname": "Un", "lastname": "Approved", "username": "una", "email": "una@example.org", "state": 0},
    {"firstname": "From", "lastname": "Tomorrow", "username": "tom", "email": "tom@example.org", "status": 11},
    {"firstname": None, "lastname": None, "username": None, "email": "nameless@example.org"},
)
"""Users as no administrator wants them: put before the ordinary ones when there are enough users."""


def seeded(users: int, groups: int, seed: int) -> State:
    """An account with so many users and roles (and a tenth as many OneLogin groups), the same for the same seed.

    The first role has every user, the second none; role names hold commas, non-ASCII and a control character.
    """
    random = Random(seed)
    secrets = [f"{random.getrandbits(256):064x}" for _ in range(2)]
    state = State(credentials=[Credential(client_id=secrets[0], client_secret=secrets[1])])
    for number in range(groups):
        state.add_role(_role_name(number))
    staff = [state.add_group(f"Staff {number}") for number in range(max(1, groups // 10))] if groups else []
    roles = list(state.roles)
    for number in range(users):
        fields = dict(ODD_USERS[number]) if number < len(ODD_USERS) <= users else _ordinary(number, random)
        if staff and random.random() < 0.8:
            fields["group_id"] = random.choice(staff)
        mine = [roles[0]] if roles else []
        mine += random.sample(roles[2:], min(len(roles[2:]), random.randrange(5)))
        state.add_user(roles=tuple(mine), at=LONG_AGO + number, **fields)
    state.events.clear()
    return state


def _role_name(number: int) -> str:
    odd = {0: "Everybody", 1: "Empty", 2: "Vault, Users", 3: "Größe", 4: "Bell\x07"}
    return odd.get(number, f"Vault-{number:04d}")


def _ordinary(number: int, random: Random) -> Record:
    return {
        "firstname": f"First{number}",
        "lastname": f"Last{number}",
        "username": f"user{number}",
        "email": f"user{number}@example.org",
        "department": random.choice(("Engineering", "Sales", None)),
        "activated_at": stamp(LONG_AGO + number),
        "custom_attributes": {"employee_type": random.choice(("employee", "contractor"))},
    }
