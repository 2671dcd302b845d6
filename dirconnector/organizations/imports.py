"""The document of one import, checked entry by entry before it is sent. Pure.

One bad entry makes the server reject the whole document, or fail in the middle of it (bitwarden/server,
``ImportOrganizationUsersAndGroupsCommand``): so every entry that would do that is taken out here, by name and
with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dirconnector.model import Accepts, Current, Member, OrgGroup
from dirconnector.organizations.routes import MEMBERSHIP_ACTIONS
from dirconnector.plan.model import Action, Change, Failure

SKIPPED_SILENTLY = (
    "the server took the import but skipped this person without a word: it knows the address already, "
    "for instance under another external ID or as the address of an account"
)


class Known:
    """What the organization holds as far as we know while calls are being made: ids, keys and addresses of
    members and groups.

    ``keys`` and ``emails`` (lower case) are by member id. ``id_of`` and ``holder_of`` find a member by key
    and by address. ``gone`` are ids of members that were there and are not any more. It is the one thing here
    that changes: calls that succeed are written into it, because later calls build on them.
    """

    __slots__ = ("emails", "gone", "group_id_of", "groups", "holder_of", "id_of", "keys", "twin_groups", "twins")

    def __init__(self, current: Current) -> None:
        self.groups = dict(current.groups)
        self.group_id_of = {group.key: group.id for group in self.groups.values() if group.key}
        self.twin_groups = _repeated(group.key for group in self.groups.values())
        self.gone: set[str] = set()
        self.keys: dict[str, str] = {}
        self.see(current.members.values())

    def see(self, members: Iterable[Member]) -> None:
        """Replace what is known of members by what was just read."""
        before = self.keys.keys()
        self.keys = {}
        self.emails: dict[str, str] = {}
        for member in members:
            self.keys[member.id] = member.key
            self.emails[member.id] = member.email.lower()
        self.gone |= before - self.keys.keys()
        self.twins = _repeated(self.keys.values())
        self.id_of = {key: member_id for member_id, key in self.keys.items() if key}
        self.holder_of = {email: member_id for member_id, email in self.emails.items()}

    def forget(self, member_id: str) -> None:
        """A member is gone."""
        self.gone.add(member_id)
        key = self.keys.pop(member_id, "")
        email = self.emails.pop(member_id, "")
        if self.id_of.get(key) == member_id:
            del self.id_of[key]
        if self.holder_of.get(email) == member_id:
            del self.holder_of[email]
        self.twins = self.twins and _repeated(self.keys.values())

    def rekey(self, member_id: str, key: str) -> None:
        """A member has another key."""
        old = self.keys.get(member_id, "")
        if self.id_of.get(old) == member_id:
            del self.id_of[old]
        self.keys[member_id] = key
        self.id_of[key] = member_id
        self.twins = self.twins and _repeated(self.keys.values())

    def see_group(self, group: OrgGroup) -> None:
        """A group is new, or has another name or key."""
        old = self.groups.get(group.id)
        if old is not None and self.group_id_of.get(old.key) == group.id:
            del self.group_id_of[old.key]
        self.groups[group.id] = group
        self.group_id_of[group.key] = group.id


def _repeated(keys: Iterable[str]) -> frozenset[str]:
    return frozenset(key for key, number in Counter(keys).items() if key and number > 1)


@dataclass(slots=True, kw_only=True)
class Entries:
    """Entries of a document, the changes they carry, and the changes that had to stay out."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    faults: list[Failure] = field(default_factory=list)


def member_entries(changes: Iterable[Change], known: Known, accepts: Accepts) -> Entries:
    """``members`` of an import: invitations and adoptions. Addresses are lower-cased, as the server would do."""
    result = Entries()
    emails: set[str] = set()
    keys: set[str] = set()
    for change in changes:
        email = change.email.lower()
        why = _person_fault(change, email, known, accepts)
        if not why and email in emails:
            why = f"{email} is twice in this import; two people cannot share an address"
        if not why and change.key in keys:
            why = f"the external ID {change.key} is twice in this import; two people cannot share one"
        if why:
            result.faults.append(Failure(change, why))
            continue
        emails.add(email)
        keys.add(change.key)
        result.entries.append({"email": email, "externalId": change.key, "deleted": False})
        result.changes.append(change)
    return result


def _person_fault(change: Change, email: str, known: Known, accepts: Accepts) -> str:
    """Why the server would reject the import because of this person, or would silently skip the person; empty
    when it would not.
    """
    if known.twins:
        return _twins_fault("members", known.twins)
    fault = email_fault(email, accepts) or key_fault(change.key, accepts)
    if fault:
        return fault
    holder = known.id_of.get(change.key)
    if change.action is Action.ADOPT and holder not in (None, change.member_id):
        return f"{known.emails[holder or '']} has the external ID {change.key} already"
    holder = known.holder_of.get(email)
    if change.action is Action.INVITE and holder is not None and known.keys[holder] != change.key:
        held = known.keys[holder] or "none"
        return f"{email} is a member already (external ID {held}); the server would skip this invitation without a word"
    return ""


def _twins_fault(what: str, twins: frozenset[str]) -> str:
    return (
        f"two {what} of the organization have the same external ID ({', '.join(sorted(twins)[:3])}): the server "
        "refuses every import until one of them gets another or none, in the web vault"
    )


def email_fault(email: str, accepts: Accepts) -> str:
    """Why the import would reject this address (it wants one ``@``, neither first nor last), empty when it
    would not.
    """
    if email.count("@") != 1 or email.startswith("@") or email.endswith("@"):
        return f"{email!r} is not an e-mail address"
    if len(email) > accepts.email_max:
        return f"the address has {len(email)} characters, the organization takes at most {accepts.email_max}"
    return ""


def key_fault(key: str, accepts: Accepts) -> str:
    """Why no externalId can be this key, empty when it can."""
    if not key.strip():
        return "the key is empty, and without one it could never be found again"
    if len(key) > accepts.key_max:
        return (
            f"the key has {len(key)} characters, the organization takes at most {accepts.key_max}: "
            "use the directory's immutable id as key instead of the DN"
        )
    return ""


def twins_fault(known: Known) -> str:
    """Why no import with groups can succeed, empty when one can."""
    if known.twin_groups:
        return _twins_fault("groups", known.twin_groups)
    return _twins_fault("members", known.twins) if known.twins else ""


def name_fault(name: str, accepts: Accepts) -> str:
    """Why no group can have this name, empty when one can."""
    if not name.strip():
        return "the group has no name"
    if len(name) > accepts.group_name_max:
        return f"the name has {len(name)} characters, the organization takes at most {accepts.group_name_max}"
    return ""


@dataclass(slots=True, kw_only=True)
class GroupState:
    """What one group is to become: ``ids`` of members who exist, ``keys`` of people in the same
    import.

    ``changes`` go into the call, ``orphans`` are memberships of people who are not in the organization.
    """

    ref: str
    group_id: str
    key: str
    name: str
    ids: set[str]
    keys: set[str] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    orphans: list[Change] = field(default_factory=list)

    def external_ids(self, known: Mapping[str, str]) -> list[str] | None:
        """The whole membership by externalId; None when somebody in it has none, or came after members were read."""
        keys = {known.get(member_id, "") for member_id in self.ids}
        return None if "" in keys else sorted(keys | self.keys)


def group_state(
    ref: str, changes: Iterable[Change], known: Known, *, members: Iterable[str], imported: frozenset[str]
) -> GroupState:
    """Current members plus additions minus removals: whoever is in the group for another reason stays in it, also
    somebody who was put into it since the members were read.
    """
    changes = list(changes)
    group = known.groups.get(ref)
    first = changes[0]
    state = GroupState(
        ref=ref,
        group_id=group.id if group else "",
        key=first.group_key or first.key,
        name=group.name if group else first.group,
        ids={member_id for member_id in members if member_id not in known.gone},
    )
    for change in changes:
        _work_in(change, state, known, imported)
    return state


def _work_in(change: Change, state: GroupState, known: Known, imported: frozenset[str]) -> None:
    if change.action in (Action.CREATE_GROUP, Action.RENAME_GROUP):
        state.name = change.group
    else:
        member_id = change.member_id if change.member_id in known.keys else known.id_of.get(change.key)
        if change.action is Action.REMOVE_MEMBERSHIP:
            state.ids.discard(member_id or "")
        elif change.key in imported and (member_id is None or not known.keys[member_id]):
            # invited or adopted by the very import that has the group: their keys are known to it by then
            state.keys.add(change.key)
        elif member_id is not None:
            state.ids.add(member_id)
        else:
            state.orphans.append(change)
            return
    state.changes.append(change)


@dataclass(slots=True, kw_only=True)
class GroupEntries:
    """``groups`` of an import with the changes they carry, and what stays out of it.

    ``by_id`` are groups that take calls of their own, because no import can name all their members;
    ``skipped`` counts memberships of people or groups that are not there.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    by_id: list[GroupState] = field(default_factory=list)
    faults: list[Failure] = field(default_factory=list)
    skipped: int = 0

    def add(self, state: GroupState, known: Known, accepts: Accepts) -> None:
        """Take in one group, whole: the import replaces its membership."""
        self.skipped += len(state.orphans)
        self._take_out_faults(state, known, accepts)
        if not state.changes:
            return
        external_ids = state.external_ids(known.keys)
        # the import finds groups by key only: under a key that is not the group's it would make a second one
        if external_ids is None or (state.group_id and known.group_id_of.get(state.key) != state.group_id):
            self.by_id.append(state)
            return
        self.entries.append({"name": state.name, "externalId": state.key, "memberExternalIds": external_ids})
        self.changes.extend(state.changes)

    def _take_out_faults(self, state: GroupState, known: Known, accepts: Accepts) -> None:
        """Twins fail everything; a bad new name only the renaming; a bad new group fails, its memberships are
        skipped.
        """
        if fault := twins_fault(known):
            self.faults.extend(Failure(change, fault) for change in state.changes)
            state.changes = []
            return
        fault = name_fault(state.name, accepts) or key_fault(state.key, accepts)
        if not fault:
            return
        culprits = [change for change in state.changes if change.action not in MEMBERSHIP_ACTIONS]
        self.faults.extend(Failure(change, fault) for change in culprits)
        state.changes = [change for change in state.changes if change.action in MEMBERSHIP_ACTIONS]
        if state.group_id:
            state.name = known.groups[state.group_id].name
        else:
            self.skipped += len(state.changes)
            state.changes = []
