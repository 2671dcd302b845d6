"""The organization's state, indexed so that no call costs more than what it touches.

All changes go through the methods here, which keep the indexes. The server runs in one event loop in a
thread of its own; a test may read at any time and change things between requests.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tests.emulators.bitwarden.entities import (
    Account,
    Collection,
    Event,
    Group,
    Member,
    Organization,
    Status,
    Type,
    new_id,
)

OCCUPYING = (Status.INVITED, Status.ACCEPTED, Status.CONFIRMED)


class Index:
    """Ids by a key that need not be unique, in the order of insertion. ``repeated`` are the keys with more
    than one id.
    """

    __slots__ = ("_ids", "repeated")

    def __init__(self) -> None:
        self._ids: dict[str, dict[str, None]] = {}
        self.repeated: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, key: str, id_: str) -> None:
        ids = self._ids.setdefault(key, {})
        ids[id_] = None
        if len(ids) > 1:
            self.repeated.add(key)

    def discard(self, key: str, id_: str) -> None:
        ids = self._ids.get(key, {})
        ids.pop(id_, None)
        if len(ids) < 2:
            self.repeated.discard(key)
        if not ids:
            self._ids.pop(key, None)

    def first(self, key: str) -> str | None:
        return next(iter(self._ids.get(key, ())), None)

    def all(self, key: str) -> tuple[str, ...]:
        return tuple(self._ids.get(key, ()))


class State:
    """One organization with its accounts, members, groups, collections, policies and events."""

    def __init__(self, organization: Organization | None = None) -> None:
        self.organization = organization or Organization(
            client_secret=secrets.token_hex(15), scim_key=secrets.token_hex(15)
        )
        self.accounts: dict[str, Account] = {}
        self.members: dict[str, Member] = {}
        self.groups: dict[str, Group] = {}
        self.collections: dict[str, Collection] = {}
        self.policies: dict[int, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.member_by_external_id = Index()
        self.member_by_email = Index()
        """By the address that the API shows, exact."""
        self.known_emails = Index()
        """By invited and by account address, folded, as the database's collation compares them."""
        self.group_by_external_id = Index()
        self._member_by_user = Index()
        self._account_by_email = Index()
        self._status: Counter[Status] = Counter()
        self._confirmed_owners: set[str] = set()
        self._members_of: dict[str, set[str]] = {}
        self._groups_of: dict[str, set[str]] = {}

    # accounts

    def put_account(self, account: Account) -> Account:
        """Add or change an account; the members linked to it follow its address."""
        linked = [self.members[id_] for id_ in self._member_by_user.all(account.id)]
        for member in linked:
            self._unindex(member)
        old = self.accounts.get(account.id)
        if old is not None:
            self._account_by_email.discard(old.email.lower(), old.id)
        self.accounts[account.id] = account
        self._account_by_email.add(account.email.lower(), account.id)
        for member in linked:
            self._index(member)
        return account

    def remove_account(self, id_: str) -> None:
        """Delete an account and its membership."""
        for member_id in self._member_by_user.all(id_):
            self.remove_member(member_id)
        account = self.accounts.pop(id_)
        self._account_by_email.discard(account.email.lower(), id_)

    def account_of(self, member: Member) -> Account | None:
        return self.accounts[member.user_id] if member.user_id else None

    def account_by_email(self, email: str) -> Account | None:
        id_ = self._account_by_email.first(email.lower())
        return self.accounts[id_] if id_ else None

    # members

    def email_of(self, member: Member) -> str:
        """The linked account's address once there is one, else the invited address
        (OrganizationUserUserDetailsView).
        """
        return self.accounts[member.user_id].email if member.user_id else member.email

    def put_member(self, member: Member) -> Member:
        """Add a member, or replace the one with the same id."""
        old = self.members.get(member.id)
        if old is not None:
            self._unindex(old)
        self.members[member.id] = member
        self._index(member)
        return member

    def change_member(self, id_: str, **changes: Any) -> Member:
        return self.put_member(replace(self.members[id_], **changes))

    def remove_member(self, id_: str) -> None:
        """Delete the membership row. The account stays."""
        self.set_groups(id_, ())
        self._groups_of.pop(id_, None)
        self._unindex(self.members.pop(id_))

    def members_with_email(self, email: str) -> list[Member]:
        return [self.members[id_] for id_ in self.member_by_email.all(email)]

    def known_email(self, email: str) -> bool:
        """Whether the address is present in any status (OrganizationUser_SelectKnownEmails).

        On databases other than SQL Server the lookup joins to the accounts without an outer join: members
        that are only invited are not seen.
        """
        ids = self.known_emails.all(email.lower())
        if self.organization.database == "mssql":
            return bool(ids)
        return any(self.members[id_].user_id for id_ in ids)

    def member_by_known_email(self, email: str) -> Member | None:
        """A member by invited or account address, in any case."""
        id_ = self.known_emails.first(email.lower())
        return self.members[id_] if id_ else None

    def another_confirmed_owner(self, than: str | None = None) -> bool:
        """Whether there is a confirmed owner other than this member, or a provider's confirmed user."""
        if self.organization.confirmed_provider_user:
            return True
        return len(self._confirmed_owners) > (than in self._confirmed_owners)

    @property
    def occupied_seats(self) -> int:
        """Members in status 0, 1 and 2 plus sponsorships; Revoked and Staged are free."""
        return sum(self._status[status] for status in OCCUPYING) + self.organization.sponsorships

    def _index(self, member: Member) -> None:
        if member.external_id and member.external_id.strip():
            self.member_by_external_id.add(member.external_id, member.id)
        self.member_by_email.add(self.email_of(member), member.id)
        for email in {member.email.lower(), self.email_of(member).lower()}:
            self.known_emails.add(email, member.id)
        if member.user_id:
            self._member_by_user.add(member.user_id, member.id)
        self._status[member.status] += 1
        if member.type is Type.OWNER and member.status is Status.CONFIRMED:
            self._confirmed_owners.add(member.id)

    def _unindex(self, member: Member) -> None:
        if member.external_id:
            self.member_by_external_id.discard(member.external_id, member.id)
        self.member_by_email.discard(self.email_of(member), member.id)
        for email in {member.email.lower(), self.email_of(member).lower()}:
            self.known_emails.discard(email, member.id)
        if member.user_id:
            self._member_by_user.discard(member.user_id, member.id)
        self._status[member.status] -= 1
        self._confirmed_owners.discard(member.id)

    # groups

    def put_group(self, group: Group) -> Group:
        """Add a group, or replace the one with the same id; its members stay."""
        old = self.groups.get(group.id)
        if old is not None and old.external_id:
            self.group_by_external_id.discard(old.external_id, old.id)
        self.groups[group.id] = group
        if group.external_id and group.external_id.strip():
            self.group_by_external_id.add(group.external_id, group.id)
        return group

    def remove_group(self, id_: str) -> None:
        self.set_members(id_, ())
        self._members_of.pop(id_, None)
        group = self.groups.pop(id_)
        if group.external_id:
            self.group_by_external_id.discard(group.external_id, group.id)

    def members_of(self, group_id: str) -> frozenset[str]:
        """The ids of the members of a group."""
        return frozenset(self._members_of.get(group_id, ()))

    def groups_of(self, member_id: str) -> frozenset[str]:
        """The ids of the groups of a member."""
        return frozenset(self._groups_of.get(member_id, ()))

    def set_members(self, group_id: str, member_ids: Iterable[str]) -> None:
        """Make these the members of the group. Ids that are not in the organization vanish without error."""
        new = {id_ for id_ in member_ids if id_ in self.members}
        old = self._members_of.get(group_id, set())
        for id_ in old - new:
            self._groups_of[id_].discard(group_id)
        for id_ in new - old:
            self._groups_of.setdefault(id_, set()).add(group_id)
        self._members_of[group_id] = new

    def set_groups(self, member_id: str, group_ids: Iterable[str]) -> None:
        """Make these the groups of the member. Ids that are not in the organization vanish without error."""
        new = {id_ for id_ in group_ids if id_ in self.groups}
        old = self._groups_of.get(member_id, set())
        for id_ in old - new:
            self._members_of[id_].discard(member_id)
        for id_ in new - old:
            self._members_of.setdefault(id_, set()).add(member_id)
        self._groups_of[member_id] = new

    # collections and policies

    def remove_collection(self, id_: str) -> None:
        del self.collections[id_]
        for member in [m for m in self.members.values() if any(c.id == id_ for c in m.collections)]:
            self.change_member(member.id, collections=tuple(c for c in member.collections if c.id != id_))
        for group in [g for g in self.groups.values() if any(c.id == id_ for c in g.collections)]:
            self.put_group(replace(group, collections=tuple(c for c in group.collections if c.id != id_)))

    def set_policy(self, type_: int, *, enabled: bool, data: object = None) -> None:
        id_ = self.policies[type_]["id"] if type_ in self.policies else new_id()
        self.policies[type_] = {"id": id_, "enabled": enabled, "data": data}

    def policy_enabled(self, type_: int) -> bool:
        return bool(self.policies.get(type_, {}).get("enabled"))

    # short cuts for tests and seeds

    def enrol(self, email: str, *, account: Account | None = None, **fields: Any) -> Member:
        """Add a confirmed member with an account of the same address. ``fields`` are those of
        :class:`Member`.
        """
        linked = self.put_account(account or Account(email=email, name=email.partition("@")[0]))
        defaults: dict[str, Any] = {"status": Status.CONFIRMED, "user_id": linked.id}
        return self.put_member(Member(email=email, **(defaults | fields)))

    def add_group(self, name: str, members: Iterable[Member] = (), **fields: Any) -> Group:
        """Add a group with these members. ``fields`` are those of :class:`Group`."""
        group = self.put_group(Group(**{"id": new_id(), "name": name} | fields))
        self.set_members(group.id, [member.id for member in members])
        return group


def seeded(members: int = 0) -> State:
    """An organization with one confirmed owner, and ``members`` confirmed users of a directory with
    externalIds ``user-000001``...
    """
    state = State()
    state.enrol("owner@example.org", type=Type.OWNER)
    for number in range(1, members + 1):
        state.enrol(f"user{number:06}@example.org", external_id=f"user-{number:06}")
    return state
