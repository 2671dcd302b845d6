"""Making the calls of :mod:`dirconnector.organizations.routes`, one after the other, and saying what became
of each change.

A call that fails marks its changes failed; what depends on them is skipped; everything else goes on. Nothing
here knows how a call travels: the :class:`~dirconnector.organizations.endpoints.Endpoints` do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dirconnector.errors import OrganizationError, OrganizationRefused, OrganizationUnreachable
from dirconnector.model import Current, Progress
from dirconnector.organizations import Call, Journal, routes
from dirconnector.organizations.endpoints import (
    ALREADY_ACTIVE,
    ALREADY_REVOKED,
    NOT_INVITED,
    ApiRefused,
    Endpoints,
    group_from,
    member_from,
    not_found,
    still_to_change,
)
from dirconnector.organizations.imports import (
    SKIPPED_SILENTLY,
    GroupEntries,
    GroupState,
    Known,
    group_state,
    key_fault,
    member_entries,
    name_fault,
)
from dirconnector.plan.model import Action, Change, Failure, Outcome

GIVE_UP_AFTER = 2
"""Calls in a row without an answer after which the rest is not tried."""

T = TypeVar("T")


def apply_calls(
    calls: Sequence[Call],
    current: Current,
    endpoints: Endpoints,
    journal: Journal,
    progress: Progress,
    *,
    unverified: Collection[str] = frozenset(),
) -> Outcome:
    """Make the calls in order and return what became of their changes.

    ``current`` is the state the calls were planned from. ``unverified`` are ids of groups whose membership in
    it comes from memory: it is read again just before it is replaced. A KeyboardInterrupt passes through; the
    journal then has at most one record without an end, that of the call whose effect is not known.

    Raises :class:`~dirconnector.errors.OrganizationUnreachable` when two calls in a row get no answer and
    more are left.
    """
    applying = _Applying(current, endpoints, journal, frozenset(unverified))
    for number, call in enumerate(calls):
        progress("apply", number, len(calls))
        applying.unless_unreachable(calls[number:])
        applying.make(call)
    progress("apply", len(calls), len(calls))
    return applying.outcome()


def digest(body: object) -> str:
    """SHA-256 of a body as JSON, for the journal."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class _Applying:
    """The state of one application: what is known of the organization, and the tally."""

    def __init__(self, current: Current, endpoints: Endpoints, journal: Journal, unverified: frozenset[str]) -> None:
        self.accepts = current.accepts
        self.endpoints = endpoints
        self.journal = journal
        self.unverified = unverified
        self.known = Known(current)
        self.applied = 0
        self.skipped = 0
        self.failures: list[Failure] = []
        self.lost_groups: set[str] = set()
        self.restored: dict[str, Change] = {}
        self.unsettled: list[tuple[Change, OrganizationError | None]] = []
        self.unanswered: list[OrganizationUnreachable] = []
        self.steps: dict[str, Callable[[Call], None]] = {
            routes.DELETE_MEMBER: self._delete_member,
            routes.REVOKE: self._revoke,
            routes.RESTORE: self._restore,
            routes.REINVITE: self._reinvite,
            routes.PUT_MEMBER: self._put_member,
            routes.PUT_GROUP: self._put_group,
            routes.POST_GROUP: self._post_group,
            routes.DELETE_GROUP: self._delete_group,
            routes.PUT_GROUP_MEMBERS: self._put_group_members,
            routes.IMPORT: self._import,
        }

    def make(self, call: Call) -> None:
        self.steps[call.endpoint](call)

    def outcome(self) -> Outcome:
        """The tally. People of the last import count by its answer: reading back is the caller's next step."""
        failed = [Failure(change, str(error)) for change, error in self.unsettled if error is not None]
        return Outcome(
            applied=self.applied + len(self.unsettled) - len(failed),
            skipped=self.skipped,
            failures=(*self.failures, *failed),
        )

    def unless_unreachable(self, left: Sequence[Call]) -> None:
        if len(self.unanswered) < GIVE_UP_AFTER:
            return
        done = self.outcome()
        untried = sum(len(call.changes) for call in left)
        raise OrganizationUnreachable(
            f"{self.unanswered[-1]} (gave up after {GIVE_UP_AFTER} calls without an answer: {done.applied} changes "
            f"were applied, {done.failed} failed, {untried} were not tried; run again, it continues from there)"
        )

    # ------------------------------------------------------------------------------------------------------ sending

    def _ask(self, request: Callable[[], T]) -> T:
        """A request that may not get an answer."""
        try:
            answer = request()
        except OrganizationUnreachable as error:
            self.unanswered.append(error)
            raise
        except OrganizationRefused:
            self.unanswered.clear()
            raise
        self.unanswered.clear()
        return answer

    def _send(self, call: Call, body: object, request: Callable[[], T]) -> T:
        """A call that writes, recorded before and after."""
        number = self.journal.begin(call, digest(body))
        try:
            answer = self._ask(request)
        except OrganizationError as error:
            self.journal.end(number, str(error) or type(error).__name__)
            raise
        self.journal.end(number, "ok")
        return answer

    def _fail(self, changes: Iterable[Change], why: object) -> None:
        self.failures.extend(Failure(change, str(why)) for change in changes)

    def _simple(self, call: Call, request: Callable[[], object], already: Callable[[ApiRefused], bool]) -> bool:
        """A call without a body. ``already`` recognises the refusal that means that nothing is left to do."""
        try:
            self._send(call, None, request)
        except OrganizationError as error:
            if isinstance(error, ApiRefused) and already(error):
                self.skipped += len(call.changes)
                return True
            self._fail(call.changes, error)
            return False
        self.applied += len(call.changes)
        return True

    # ------------------------------------------------------------------------------------------------------ members

    def _delete_member(self, call: Call) -> None:
        if self._simple(call, lambda: self.endpoints.delete_member(call.target), not_found):
            self.known.forget(call.target)

    def _revoke(self, call: Call) -> None:
        self._simple(call, lambda: self.endpoints.revoke(call.target), lambda e: e.message == ALREADY_REVOKED)

    def _restore(self, call: Call) -> None:
        done = self.applied
        self._simple(call, lambda: self.endpoints.restore(call.target), lambda e: e.message == ALREADY_ACTIVE)
        if self.applied > done:
            self.restored[call.target] = call.changes[0]

    def _reinvite(self, call: Call) -> None:
        """After a restoration, for somebody who had not accepted the invitation."""
        restored = self.restored.get(call.target)
        if restored is None:
            return
        try:
            self._send(call, None, lambda: self.endpoints.reinvite(call.target))
        except OrganizationError as error:
            # a staged member is not linked either, and was never invited
            if not (isinstance(error, ApiRefused) and error.message == NOT_INVITED):
                why = f"restored, but the invitation could not be sent again: {error}. Send it in the web vault"
                self._fail((restored,), why)
                self.applied -= 1

    def _put_member(self, call: Call) -> None:
        """Read, modify, write: what a PUT omits is wiped."""
        change = call.changes[0]
        holder = self.known.id_of.get(change.key)
        fault = key_fault(change.key, self.accepts)
        if not fault and holder not in (None, call.target):
            fault = f"{self.known.emails[holder or '']} has the external ID {change.key} already"
        if fault:
            self._fail(call.changes, fault)
            return
        try:
            member = self._ask(lambda: self.endpoints.member(call.target))
            if still_to_change(member, change):
                body = {name: member.get(name) for name in ("type", "permissions", "collections")}
                body["externalId"] = change.key
                self._send(call, body, lambda: self.endpoints.put_member(call.target, body))
                self.applied += 1
            else:
                self.skipped += 1
        except OrganizationError as error:
            self._fail(call.changes, error)
        else:
            self.known.rekey(call.target, change.key)

    # ------------------------------------------------------------------------------------------------------- groups

    def _put_group(self, call: Call) -> None:
        """Read, modify, write: a new external id, a new name, or both at once."""
        adopt = next((change for change in call.changes if change.action is Action.ADOPT_GROUP), None)
        rename = next((change for change in call.changes if change.action is Action.RENAME_GROUP), None)
        try:
            group = self._ask(lambda: self.endpoints.group(call.target))
            moved = adopt is not None and still_to_change(group, adopt)
            name = rename.group if rename else group["name"]
            key = adopt.key if adopt else group.get("externalId") or ""
            self._check_group(call.target, name, key)
            if moved or name != group["name"]:
                body = {"name": name, "externalId": key or None, "collections": group.get("collections")}
                self._send(call, body, lambda: self.endpoints.put_group(call.target, body))
                self.applied += len(call.changes)
            else:
                self.skipped += len(call.changes)
        except OrganizationError as error:
            self._fail(call.changes, error)
            if adopt is not None:
                self.lost_groups.add(call.target)
        else:
            self.known.see_group(replace(self.known.groups[call.target], name=name, key=key))

    def _check_group(self, group_id: str, name: str, key: str) -> None:
        """Raises what the server would say, and what it should say: it lets two groups have one external id."""
        holder = self.known.group_id_of.get(key)
        if holder not in (None, group_id):
            name = self.known.groups[holder or ""].name
            raise OrganizationRefused(f"the group {name} has the external ID {key} already")
        if fault := name_fault(name, self.accepts) or (key and key_fault(key, self.accepts)):
            raise OrganizationRefused(fault)

    def _post_group(self, call: Call) -> None:
        change = call.changes[0]
        key = change.group_key or change.key
        body = {"name": change.group, "externalId": key, "collections": []}
        try:
            self._check_group("", change.group, key)
            answer = self._send(call, body, lambda: self.endpoints.post_group(body))
        except OrganizationError as error:
            self._fail(call.changes, error)
            return
        self.applied += 1
        self.known.see_group(group_from(answer, frozenset()))

    def _delete_group(self, call: Call) -> None:
        """Only a group that grants nothing, and that is looked at now, not when the plan was made."""
        try:
            group = self._ask(lambda: self.endpoints.group(call.target))
        except OrganizationError as error:
            if isinstance(error, ApiRefused) and not_found(error):
                self.skipped += len(call.changes)
            else:
                self._fail(call.changes, error)
            return
        if granted := len(group.get("collections") or ()):
            self._fail(call.changes, f"it grants access to {granted} collections and is kept; take them from it first")
            return
        self._simple(call, lambda: self.endpoints.delete_group(call.target), not_found)

    def _put_group_members(self, call: Call) -> None:
        ref = call.target or self.known.group_id_of.get(call.changes[0].group_key, "")
        if not ref or ref in self.lost_groups:
            self.skipped += len(call.changes)
            return
        going: Sequence[Change] = call.changes
        try:
            self._settle()
            state = self._state(ref, call.changes, frozenset())
            self.skipped += len(state.orphans)
            going = tuple(state.changes)
            if going:
                ids = sorted(state.ids)
                put = Call(call.endpoint, ref, going)
                self._send(put, ids, lambda: self.endpoints.put_group_member_ids(ref, ids))
        except OrganizationError as error:
            self._fail(going, error)
        else:
            self.applied += len(going)

    def _import(self, call: Call) -> None:
        people = member_entries(
            (c for c in call.changes if c.action in routes.PERSON_ACTIONS), self.known, self.accepts
        )
        self.failures.extend(people.faults)
        groups = [change for change in call.changes if change.action in routes.GROUP_ACTIONS]
        if not people.entries:
            self._import_groups(groups)
            return
        try:
            imported = frozenset(change.key for change in people.changes)
            document = self._group_document(groups, imported)
        except OrganizationError as error:
            self._fail(groups, error)
            groups, document = [], GroupEntries()
        going = call._replace(changes=(*people.changes, *document.changes))
        refusal = self._send_import(going, people.entries, document.entries)
        self.unsettled.extend((change, refusal) for change in people.changes)
        if refusal is None:
            self._tally(document)
        else:
            # seats that are missing must not keep groups from losing or getting members who are already here
            self._import_groups(groups)

    def _import_groups(self, changes: Sequence[Change]) -> None:
        """An import of groups alone, when it is known who is a member."""
        if not changes:
            return
        try:
            self._settle()
            document = self._group_document(changes, frozenset())
        except OrganizationError as error:
            self._fail(changes, error)
            return
        if document.entries:
            going = Call(routes.IMPORT, "", tuple(document.changes))
            refusal = self._send_import(going, [], document.entries)
            if refusal is not None:
                self._fail(document.changes, refusal)
                document.changes = []
        self._tally(document)

    def _send_import(
        self, call: Call, members: list[dict[str, Any]], groups: list[dict[str, Any]]
    ) -> OrganizationError | None:
        body = {"members": members, "groups": groups}
        try:
            self._send(call, body, lambda: self.endpoints.import_(members=members, groups=groups))
        except OrganizationError as error:
            return error
        return None

    def _tally(self, document: GroupEntries) -> None:
        self.applied += len(document.changes)
        self.skipped += document.skipped
        self.failures.extend(document.faults)
        for state in document.by_id:
            for call in routes.calls_by_id(state.ref, state.changes):
                self.make(call)

    def _group_document(self, changes: Iterable[Change], imported: frozenset[str]) -> GroupEntries:
        document = GroupEntries()
        for ref, work in routes.by_ref(changes, self.known.group_id_of).items():
            if ref in self.lost_groups:
                document.skipped += len(work)
            else:
                document.add(self._state(ref, work, imported), self.known, self.accepts)
        return document

    def _state(self, ref: str, changes: Iterable[Change], imported: frozenset[str]) -> GroupState:
        group = self.known.groups.get(ref)
        members: Iterable[str] = group.members if group else ()
        if ref in self.unverified:
            members = self._ask(lambda: self.endpoints.group_member_ids(ref))
        return group_state(ref, changes, self.known, members=members, imported=imported)

    def _settle(self) -> None:
        """Read the members once more, when somebody was imported since: who is there now, with which id, and
        who was skipped?

        An import answers 200 without saying whom it skipped, and one that failed may still have done a part.
        """
        if not self.unsettled:
            return
        self.known.see([member_from(answer) for answer in self._ask(self.endpoints.members)])
        for change, error in self.unsettled:
            if change.key in self.known.id_of:
                self.applied += 1
            else:
                self._fail((change,), error or SKIPPED_SILENTLY)
        self.unsettled = []
