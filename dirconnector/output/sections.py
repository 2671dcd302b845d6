"""A report cut into sections of rows: what every renderer shows, in the order it is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from dirconnector.model import Evidence, Problem
from dirconnector.output.words import VERBS, count
from dirconnector.plan.model import Action, Change, Held, Plan
from dirconnector.plan.report import Report

FEW = 10
"""So many memberships are listed one by one."""
_NO_END = "the end of the data was not seen"
_MEMBERSHIPS = (Action.ADD_MEMBERSHIP, Action.REMOVE_MEMBERSHIP)


class Tone(Enum):
    """How much a section wants to be seen."""

    PLAIN = "plain"
    GIVES = "gives"
    TAKES = "takes"
    WARNS = "warns"


class Row(NamedTuple):
    """What it is about, and what there is to say about it."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, its rows, and how many more rows there are that are not shown. ``note`` comes after them, and
    ``command`` is a line to be copied as it is.
    """

    title: str
    rows: tuple[Row, ...] = ()
    hidden: int = 0
    note: str = ""
    command: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How much is shown: at most about ``limit`` rows (None = all of them), and with ``details`` also what is only
    counted otherwise. More than ``gather`` memberships are gathered group by group (None = never), with at most
    ``named`` people of each group named (None = all); likewise people for whom the reason is the same. ``again`` is
    the command to which ``--approve`` can be added.
    """

    limit: int | None = 40
    details: bool = False
    gather: int | None = FEW
    named: int | None = 3
    again: str = "dirsync run"


def sections(report: Report, view: View) -> Iterator[Section]:
    """Everything but the headline and the forecast."""
    plan = report.plan
    if report.outcome is not None and report.outcome.failures:
        failed = [Row(f.change.what, f"{_label(f.change)}: {f.why}") for f in report.outcome.failures]
        yield cut("Failed", failed, view.limit, tone=Tone.WARNS)
    yield from _changes(plan, view)
    yield from _held(plan, view)
    yield from incomplete(plan.complete, plan.evidence)
    yield from unsyncable(plan.problems, view)
    yield from _unmanaged(plan, view)


def shares(sizes: Sequence[int], limit: int | None) -> list[int]:
    """How many of each to show so that no more than ``limit`` are shown: small ones wholly, big ones the same number.

    >>> shares([2, 50, 3], 11)
    [2, 6, 3]
    """
    if limit is None or sum(sizes) <= limit:
        return list(sizes)
    left, waiting, shown = limit, len(sizes), [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=sizes.__getitem__):
        shown[index] = min(sizes[index], left // waiting)
        left -= shown[index]
        waiting -= 1
    return shown


def cut(title: str, rows: Sequence[Row], limit: int | None, tone: Tone = Tone.PLAIN) -> Section:
    """A section of at most ``limit`` rows, with the number of all of them in its title."""
    shown = len(rows) if limit is None else min(len(rows), limit)
    return Section(title=f"{title} ({len(rows)})", rows=tuple(rows[:shown]), hidden=len(rows) - shown, tone=tone)


# ------------------------------------------------------------------------------------------------------------- changes


def _changes(plan: Plan, view: View) -> Iterator[Section]:
    by_action = [(action, list(group)) for action, group in groupby(plan.changes, key=lambda change: change.action)]
    tables = [_rows(action, changes, view) for action, changes in by_action]
    shown = shares([len(rows) for rows in tables], view.limit)
    for (action, changes), rows, number in zip(by_action, tables, shown, strict=True):
        infinitive, _, noun = VERBS[action]
        yield Section(
            title=f"{infinitive.capitalize()} {count(len(changes), *noun)}",
            rows=tuple(rows[:number]),
            hidden=len(rows) - number,
            tone=Tone.TAKES if action.takes_away else Tone.GIVES,
        )


def _rows(action: Action, changes: Sequence[Change], view: View) -> list[Row]:
    if action in _MEMBERSHIPS and view.gather is not None and len(changes) > view.gather:
        groups = groupby(changes, key=lambda change: (change.group, change.group_key))
        return [_one_group(list(members), view.named) for _, members in groups]
    return _by_reason([Row(change.what, change.reason) for change in changes], view)


def _by_reason(rows: Sequence[Row], view: View) -> list[Row]:
    """Gather more than a few rows with the same reason in one row: the reason, then whom it is about.

    Not where everything is shown: there each line is to stand for itself.
    """
    if view.limit is None or view.gather is None:
        return list(rows)
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row.why, []).append(row.what)
    gathered: list[Row] = []
    for why, names in reasons.items():
        if len(names) > view.gather:
            hidden = len(names) - view.limit
            more = f" and {hidden} more (--all shows them)" if hidden > 0 else ""
            gathered.append(Row(f"{why} ({len(names)}):", ", ".join(names[: view.limit]) + more))
        else:
            gathered += [Row(name, why) for name in names]
    return gathered


def _one_group(changes: Sequence[Change], named: int | None) -> Row:
    emails = [change.email for change in changes]
    shown = emails if named is None else emails[:named]
    more = f" and {len(emails) - len(shown)} more" if len(emails) > len(shown) else ""
    return Row(changes[0].group, f"{count(len(emails), 'person', 'people')}: {', '.join(shown)}{more}")


# ---------------------------------------------------------------------------------------------------------------- held


def _held(plan: Plan, view: View) -> Iterator[Section]:
    causes: dict[tuple[str, str], list[Held]] = {}
    for exceeded in plan.exceeded:
        causes[exceeded.limit, exceeded.why] = []
    for item in plan.held:
        limit, why = item.limit, item.why
        # what waits for something else that is held has a sentence of its own: it stands in the row
        causes.setdefault((limit, "" if why.startswith("waits for: ") else why), []).append(item)
    found = list(_causes(causes, view))
    if found and approvable(plan):
        note = "If all this is meant, release exactly this and nothing else, once:"
        found[-1] = replace(found[-1], note=note, command=f"{view.again} --approve {plan.plan_id}")
    yield from found


def _causes(causes: dict[tuple[str, str], list[Held]], view: View) -> Iterator[Section]:
    tables = [_by_reason([Row(i.change.what, _held_words(i)) for i in items], view) for items in causes.values()]
    shown = shares([len(rows) for rows in tables], view.limit)
    for ((limit, why), items), rows, number in zip(causes.items(), tables, shown, strict=True):
        held = f" ({count(len(items), 'change')})" if items else ""
        title = f"Held by {limit}{held}: {why}" if why else f"Held with them by {limit}{held}"
        yield Section(title=title, rows=tuple(rows[:number]), hidden=len(rows) - number, tone=Tone.WARNS)


def _held_words(item: Held) -> str:
    waits = f"; {item.why}" if item.why.startswith("waits for: ") else ""
    return f"{_label(item.change)}: {item.change.reason}{waits}"


def approvable(plan: Plan) -> bool:
    """True when ``--approve`` would release something: a change, or, after a complete read, the directory's new size
    as the measure of the next run.
    """
    return any(item.approvable for item in plan.held) or (plan.complete and bool(plan.exceeded))


def _label(change: Change) -> str:
    return change.action.value.replace("_", " ")


# --------------------------------------------------------------------------------------------------- reads and the rest


def incomplete(plan_complete: bool, evidence: Iterable[Evidence]) -> Iterator[Section]:
    """The queries that were cut short."""
    rows = [
        Row(f"{e.directory}: {e.query}", f"{e.why or _NO_END} ({count(e.entries, 'entry', 'entries')} read)")
        for e in evidence
        if not e.complete
    ]
    if rows or not plan_complete:
        yield Section(
            title="Incomplete reads",
            rows=tuple(rows),
            tone=Tone.WARNS,
            note="Absence proves nothing there, so nothing is taken away. Mend the read and run again.",
        )


def unsyncable(problems: Iterable[Problem], view: View) -> Iterator[Section]:
    """What cannot be synced, and why."""
    rows = [Row(": ".join(part for part in (p.directory, p.entry) if part), p.why) for p in problems]
    if rows:
        yield cut("Cannot be synced", rows, view.limit, tone=Tone.WARNS)


def _unmanaged(plan: Plan, view: View) -> Iterator[Section]:
    if not plan.unmanaged:
        return
    if view.details or view.limit is None:
        rows = [Row(f"{item.kind} {item.name}", item.why) for item in plan.unmanaged]
        yield cut("Left alone", rows, view.limit)
        return
    reasons: dict[tuple[str, str], int] = {}
    for item in plan.unmanaged:
        reasons[item.kind, item.why] = reasons.get((item.kind, item.why), 0) + 1
    rows = [Row(count(number, kind), why) for (kind, why), number in reasons.items()]
    yield Section(
        title=f"Left alone ({len(plan.unmanaged)}; -v names them)", rows=tuple(rows[:5]), hidden=max(len(rows) - 5, 0)
    )
