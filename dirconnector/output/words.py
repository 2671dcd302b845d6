"""The sentences of a report: what was or would be done, in the words of an administrator. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dirconnector.plan.model import Action, Forecast, Outcome
from dirconnector.plan.report import Report

_PEOPLE = ("person", "people")
_GROUPS = ("group", "groups")
_MEMBERSHIPS = ("membership", "memberships")

VERBS: dict[Action, tuple[str, str, tuple[str, str]]] = {
    Action.INVITE: ("invite", "invited", _PEOPLE),
    Action.ADOPT: ("adopt", "adopted", _PEOPLE),
    Action.REKEY: ("re-key", "re-keyed", _PEOPLE),
    Action.RESTORE: ("restore", "restored", _PEOPLE),
    Action.REVOKE: ("revoke", "revoked", _PEOPLE),
    Action.REMOVE: ("remove", "removed", _PEOPLE),
    Action.CREATE_GROUP: ("create", "created", _GROUPS),
    Action.ADOPT_GROUP: ("adopt", "adopted", _GROUPS),
    Action.RENAME_GROUP: ("rename", "renamed", _GROUPS),
    Action.DELETE_GROUP: ("delete", "deleted", _GROUPS),
    Action.ADD_MEMBERSHIP: ("add", "added", _MEMBERSHIPS),
    Action.REMOVE_MEMBERSHIP: ("end", "ended", _MEMBERSHIPS),
}
"""Infinitive, past tense, and the noun in singular and plural of each action."""


def count(number: int, one: str, many: str = "") -> str:
    """``3 people``, ``1 person``. ``many`` is ``one`` with an s when it is not given."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listing(words: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def doing(summary: Mapping[str, int], *, past: bool) -> str:
    """``invite 3 people and revoke 1 person``: numbers of changes by action in words; empty when there is none."""
    parts = []
    for action, number in summary.items():
        if number:
            infinitive, done, noun = VERBS[Action(action)]
            parts.append(f"{done if past else infinitive} {count(number, *noun)}")
    return listing(parts)


def headline(report: Report) -> str:
    """The sentences that matter most, first."""
    plan = report.plan
    parts = [_what_happens(report)]
    if plan.held:
        parts.append(f"{_capital(count(len(plan.held), 'change'))} held back: see below.")
    elif plan.exceeded:
        parts.append("A limit was exceeded: see below.")
    elif plan.changes:
        parts.append("Nothing is held.")
    if not plan.complete:
        parts.append("A read was incomplete, so nobody's access is taken away.")
    return " ".join(parts)


def _what_happens(report: Report) -> str:
    plan, outcome = report.plan, report.outcome
    if not plan.changes:
        if plan.held:
            return "Nothing is applied."
        return "Nothing to do."
    if report.dry_run or outcome is None:
        return f"Would {doing(plan.summary, past=False)}."
    if outcome.failures or outcome.skipped:
        return f"{outcome_words(outcome)}."
    return f"{_capital(doing(plan.summary, past=True))}."


def outcome_words(outcome: Outcome) -> str:
    """``4 changes applied, 1 failed, 0 skipped``."""
    words = f"{count(outcome.applied, 'change')} applied, {outcome.failed} failed, {outcome.skipped} skipped"
    return words if outcome.skipped else words.removesuffix(", 0 skipped")


def forecast_words(forecast: Forecast) -> str:
    """Requests, time, mails and seats of what is to be applied, in one sentence."""
    number = sum(forecast.requests.values())
    calls = ", ".join(f"{endpoint}: {times}" for endpoint, times in forecast.requests.items())
    parts = [f"{count(number, 'request')} ({calls})" if calls else "no requests", duration(forecast.seconds)]
    if forecast.mails:
        parts.append(count(forecast.mails, "invitation mail"))
    seats = forecast.seats
    if seats.needed or seats.freed:
        free = "unlimited" if seats.free is None else f"{seats.free} free now"
        freed = f", {seats.freed} become free" if seats.freed else ""
        parts.append(f"{count(seats.needed, 'seat')} needed ({free}{freed})")
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """``less than a second``, ``about 12 seconds``, ``about 3 minutes``, ``about 2.5 hours``."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {count(round(seconds), 'second')}"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
