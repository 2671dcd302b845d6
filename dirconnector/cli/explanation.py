"""Why one person is in or out: everything that both sides, the rules and the plan have to say about them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from dirconnector.model import Member, Snapshot, User
from dirconnector.output.sections import Row, Section, Tone
from dirconnector.output.words import count, listing
from dirconnector.plan.diff import protection
from dirconnector.plan.model import Plan
from dirconnector.plan.policy import Policy
from dirconnector.rules.desired import Desired
from dirconnector.rules.flatten import path
from dirconnector.rules.rule import Select, UserRule
from dirconnector.rules.select import Verdict
from dirconnector.sync import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """``known`` is False when neither side has ever heard of the person. ``verdict`` is one or two sentences."""

    email: str
    known: bool
    verdict: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """All entries and memberships of one person, and the keys they go by. ``user`` is what the rules saw."""

    entries: tuple[tuple[str, User], ...]
    members: tuple[Member, ...]
    keys: frozenset[str]
    user: User | None


def explain(prepared: Prepared, select: Select, policy: Policy, asked: str) -> Explanation:
    """What there is to say about ``asked``: an e-mail address, or a login name or key as a directory has it."""
    found = _find(prepared, asked.strip().lower())
    if not found.entries and not found.members:
        return _unknown(prepared, asked)
    parts = [
        *_in_directories(prepared, found),
        *_rules(prepared.desired, select, found),
        *_groups(prepared.desired, found),
        *_in_organization(prepared, policy, found),
        *_problems(prepared.plan, found),
        *_planned(prepared.plan, found),
    ]
    return Explanation(email=asked, known=True, verdict=_verdict(prepared, policy, found, asked), sections=tuple(parts))


def _find(prepared: Prepared, wanted: str) -> _Found:
    entries = [(name, user) for name, snapshot in prepared.snapshots.items() for user in _matching(snapshot, wanted)]
    members = [m for m in prepared.current.members.values() if wanted in (m.email.lower(), m.key.lower())]
    aliases = prepared.desired.merged.aliases
    keys = {user.key for _, user in entries} | {m.key for m in members if m.key}
    keys |= {aliases[key] for key in keys if key in aliases} | {alias for alias, key in aliases.items() if key in keys}
    known = {user.key for _, user in entries}
    # the entry behind a membership under another address, and the membership behind an entry
    entries += [(n, s.users[k]) for n, s in prepared.snapshots.items() for k in sorted(keys - known) if k in s.users]
    ids = {m.id for m in members}
    members += [m for m in prepared.current.members.values() if m.key in keys and m.key and m.id not in ids]
    merged = prepared.desired.merged.users
    user = next((merged[key] for key in sorted(keys) if key in merged), None)
    return _Found(entries=tuple(entries), members=tuple(members), keys=frozenset(keys), user=user)


def _matching(snapshot: Snapshot, wanted: str) -> Iterator[User]:
    for user in snapshot.users.values():
        if wanted in (user.email.strip().lower(), user.username.lower(), user.key.lower(), user.entry.lower()):
            yield user


# ------------------------------------------------------------------------------------------------------------- sections


def _in_directories(prepared: Prepared, found: _Found) -> Iterator[Section]:
    unsyncable = prepared.desired.merged.unsyncable
    aliases = prepared.desired.merged.aliases
    rows = []
    for directory, user in found.entries:
        state = "enabled" if user.enabled else "disabled"
        rows.append(Row(directory, f"{user.entry or user.username or user.key}: {state}, {user.email or 'no e-mail'}"))
        rows.append(Row("", f"name {user.name or 'none'}, login {user.username or 'none'}, key {user.key}"))
        if user.key in aliases:
            first = prepared.desired.merged.users[aliases[user.key]]
            rows.append(
                Row("", f"the same person as in {first.directory}, which comes first in the config and decides")
            )
        if user.key in unsyncable:
            rows.append(Row("", f"cannot be synced: {unsyncable[user.key]}"))
    if not rows:
        rows = [Row(", ".join(prepared.snapshots), f"not found among {_read(prepared)}")]
    yield Section(title="In the directories", rows=tuple(rows))


def _rules(desired: Desired, select: Select, found: _Found) -> Iterator[Section]:
    user = found.user
    if user is None:
        return
    rules = select.users_include + select.users_exclude
    rows = []
    for rule, (words, matched) in zip(rules, desired.selection.matching_rules(user), strict=True):
        ways = list(_ways(desired, rule, user)) if rule.group else []
        reached = f", through {'; '.join(ways)}" if ways else ""
        rows.append(Row("matches" if matched else "does not", f"{words}{reached}"))
    if not rows:
        rows = [Row("", "there are none: everybody in the directories is selected")]
    yield Section(title="Rules", rows=tuple(rows), note="" if not select.users_exclude else "Exclude wins.")


def _ways(desired: Desired, rule: UserRule, user: User) -> Iterator[str]:
    """The paths of nested groups from each group that the rule names down to the person."""
    groups = desired.merged.groups
    for key, group in sorted(groups.items(), key=lambda item: item[1].name):
        if rule.group and rule.group.matches(group.name) and user.key in desired.memberships[key]:
            yield " > ".join(groups[step].name for step in path(groups, key, user.key))


def _groups(desired: Desired, found: _Found) -> Iterator[Section]:
    if found.user is None:
        return
    rows = []
    for key, group in sorted(desired.merged.groups.items(), key=lambda item: item[1].name):
        if found.user.key in desired.memberships[key]:
            verdict = desired.selection.group_verdict(group)
            if key in desired.merged.unsyncable_groups:
                verdict = Verdict(False, desired.merged.unsyncable_groups[key])
            nested = path(desired.merged.groups, key, found.user.key)
            way = f"; through {' > '.join(desired.merged.groups[k].name for k in nested)}" if len(nested) > 1 else ""
            rows.append(Row(group.name, f"{'synced' if verdict.selected else 'not synced'}: {verdict.reason}{way}"))
    yield Section(title="Groups in the directories", rows=tuple(rows or [Row("", "none")]))


def _in_organization(prepared: Prepared, policy: Policy, found: _Found) -> Iterator[Section]:
    rows = []
    for member in found.members:
        managed = f"externalId {member.key}" if member.key else "made by hand (no externalId)"
        rows.append(Row(member.email, f"{member.status.name.lower()}, {member.type.word}, {managed}"))
        names = sorted(group.name for group in prepared.current.groups.values() if member.id in group.members)
        rows.append(Row("", f"groups: {', '.join(names) or 'none'}"))
        if why := protection(member, policy.offboarding):
            rows.append(Row("", f"protected: never revoked, removed or taken out of a group ({why})"))
    if not rows:
        number = count(len(prepared.current.members), "member")
        rows = [Row(prepared.current.organization, f"not a member ({number} there)")]
    yield Section(title="In the organization", rows=tuple(rows))


def _problems(plan: Plan, found: _Found) -> Iterator[Section]:
    names = {name for _, user in found.entries for name in (user.entry, user.username, user.key) if name}
    emails = {user.email.strip().lower() for _, user in found.entries} | {m.email.lower() for m in found.members}
    emails.discard("")
    rows = [
        Row(problem.directory or problem.entry, problem.why)
        for problem in plan.problems
        if problem.entry in names or any(_names(email, f"{problem.entry} {problem.why}") for email in emails)
    ]
    if rows:
        yield Section(title="Problems that concern them", rows=tuple(rows), tone=Tone.WARNS)


def _names(email: str, text: str) -> bool:
    """True when ``text`` has this address, not merely a longer one that ends or begins with it."""
    return re.search(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", text.lower()) is not None


def _planned(plan: Plan, found: _Found) -> Iterator[Section]:
    ids = {member.id for member in found.members}
    rows = [
        Row("would be done", change.sentence)
        for change in plan.changes
        if change.email and (change.key in found.keys or change.member_id in ids)
    ]
    rows += [
        Row("held", f"{item.change.sentence} (held by {item.limit}: {item.why})")
        for item in plan.held
        if item.change.email and (item.change.key in found.keys or item.change.member_id in ids)
    ]
    rows += [Row("left alone", item.why) for item in plan.unmanaged if item.kind == "member" and item.id in ids]
    yield Section(title="The next run", rows=tuple(rows or [Row("nothing", "no change is needed for this person")]))


# ---------------------------------------------------------------------------------------------------- one sentence each


def _verdict(prepared: Prepared, policy: Policy, found: _Found, asked: str) -> str:
    user = found.user
    if user is not None and user.email in policy.offboarding.protect_emails:
        return f"{asked} is a protected address (offboarding.protect.emails): nothing is ever done to it."
    return f"{asked} {_standing(prepared.desired, found)}. {_next(prepared.plan, found)}."


def _standing(desired: Desired, found: _Found) -> str:
    if found.user is not None:
        verdict = desired.selection.verdict(found.user)
        if not verdict.selected:
            return f"is out: {verdict.reason}"
        state = "" if found.user.enabled else ", but disabled there"
        return f"is selected{state}: {verdict.reason}"
    refused = [desired.merged.unsyncable[key] for key in sorted(found.keys) if key in desired.merged.unsyncable]
    if refused:
        return f"is in a directory and cannot be synced: {refused[0]}"
    if any(member.key for member in found.members):
        return "is a member of the organization and no longer in any directory"
    return "is a member of the organization, made by hand, and in no directory"


def _next(plan: Plan, found: _Found) -> str:
    ids = {member.id for member in found.members}
    actions = [c.action for c in plan.changes if c.email and (c.key in found.keys or c.member_id in ids)]
    held = [i for i in plan.held if i.change.email and (i.change.key in found.keys or i.change.member_id in ids)]
    words = listing([action.replace("_", " ") for action in dict.fromkeys(actions)])
    parts = [f"The next run would do this: {words}" if words else ""]
    if held:
        what = listing([action.replace("_", " ") for action in dict.fromkeys(item.change.action for item in held)])
        parts.append(f"Held back: {what} ({held[0].limit})")
    return ". ".join(part for part in parts if part) or "The next run would change nothing"


def _unknown(prepared: Prepared, asked: str) -> Explanation:
    near = get_close_matches(asked.strip().lower(), sorted(_addresses(prepared)), n=5, cutoff=0.7)
    looked = [
        Row(name, f"{count(len(snapshot.users), 'user')} read{_cut_short(snapshot)}")
        for name, snapshot in prepared.snapshots.items()
    ]
    looked.append(Row(prepared.current.organization, count(len(prepared.current.members), "member")))
    parts = [Section(title="Looked for in", rows=tuple(looked))]
    if near:
        parts.append(Section(title="Did you mean", rows=tuple(Row(address, "") for address in near)))
    verdict = f"Nobody knows {asked}: neither as an e-mail address nor as a login name or key."
    return Explanation(email=asked, known=False, verdict=verdict, sections=tuple(parts))


def _cut_short(snapshot: Snapshot) -> str:
    return "" if snapshot.complete else " (the read was incomplete: they may be there all the same)"


def _read(prepared: Prepared) -> str:
    return count(sum(len(snapshot.users) for snapshot in prepared.snapshots.values()), "user")


def _addresses(prepared: Prepared) -> set[str]:
    people: list[Mapping[str, User]] = [snapshot.users for snapshot in prepared.snapshots.values()]
    found = {user.email.strip().lower() for users in people for user in users.values()}
    found |= {user.username.lower() for users in people for user in users.values()}
    found |= {member.email.lower() for member in prepared.current.members.values()}
    return found - {""}
