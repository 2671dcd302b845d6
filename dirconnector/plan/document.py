"""Plans, runs and snapshots as JSON documents, and a saved plan back from one. The field names are a contract:
never renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dirconnector.errors import ConfigError
from dirconnector.model import Evidence, Problem, Snapshot
from dirconnector.plan.model import Action, Change, Forecast, Held, Outcome, Plan, Seats
from dirconnector.plan.report import Report

FORMAT = 1


def snapshot_document(snapshot: Snapshot) -> dict[str, Any]:
    """``snapshot --json``: users sorted by e-mail, groups by name, members sorted. The ``file`` reader replays it.

    ``unsyncable`` and ``deleted`` (key -> why) are there so that a replay does not take for gone who is only faulty.
    """
    return {
        "users": [
            {
                "key": user.key,
                "email": user.email,
                "name": user.name,
                "enabled": user.enabled,
                "directory": user.directory,
                "username": user.username,
            }
            for user in sorted(snapshot.users.values(), key=lambda u: (u.email, u.key))
        ],
        "groups": [
            {
                "key": group.key,
                "name": group.name,
                "directory": group.directory,
                "members": sorted(group.members),
            }
            for group in sorted(snapshot.groups.values(), key=lambda g: (g.name, g.key))
        ],
        "evidence": evidence_document(snapshot.evidence),
        "problems": problems_document(snapshot.problems),
        "unsyncable": dict(sorted(snapshot.unsyncable.items())),
        "deleted": dict(sorted(snapshot.deleted.items())),
    }


def evidence_document(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """The ``evidence`` list."""
    return [
        {
            "directory": e.directory,
            "query": e.query,
            "complete": e.complete,
            "pages": e.pages,
            "entries": e.entries,
            "why": e.why,
        }
        for e in evidence
    ]


def problems_document(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """The ``problems`` list."""
    return [{"directory": p.directory, "entry": p.entry, "why": p.why} for p in problems]


def change_document(change: Change) -> dict[str, Any]:
    """One change. Beside the contract's fields, what applying it from a file needs."""
    return {
        "action": change.action.value,
        "key": change.key,
        "email": change.email or None,
        "group": change.group or None,
        "reason": change.reason,
        "group_key": change.group_key or None,
        "member_id": change.member_id or None,
        "group_id": change.group_id or None,
        "before": change.before or None,
    }


def held_document(held: Held) -> dict[str, Any]:
    """One change that is held: the change, the limit and the reason."""
    return {
        **change_document(held.change),
        "limit": held.limit,
        "why": held.why,
        "approvable": held.approvable,
    }


def forecast_document(forecast: Forecast) -> dict[str, Any]:
    """The ``forecast`` object."""
    return {
        "requests": dict(forecast.requests),
        "seconds": round(forecast.seconds, 1),
        "seats": {
            "needed": forecast.seats.needed,
            "freed": forecast.seats.freed,
            "free": forecast.seats.free,
        },
        "mails": forecast.mails,
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """The ``outcome`` object."""
    return {
        "applied": outcome.applied,
        "failed": outcome.failed,
        "skipped": outcome.skipped,
        "failures": [
            {
                "action": failure.change.action.value,
                "key": failure.change.key,
                "email": failure.change.email or None,
                "group": failure.change.group or None,
                "why": failure.why,
            }
            for failure in outcome.failures
        ],
    }


def report_document(report: Report, *, exit_code: int | None = None) -> dict[str, Any]:
    """``plan --format json`` and ``run --json``. ``exit_code`` where it is not the report's own."""
    return _document(report, [change_document(change) for change in report.plan.changes], exit_code)


def history_document(report: Report, *, exit_code: int | None = None) -> dict[str, Any]:
    """The same for the history, where a first sync has hundreds of thousands of changes: they are kept as bare rows.

    A dry run is kept without its changes: nothing of it happened. :func:`from_history` gives the other form back.
    """
    document = _document(report, [], exit_code)
    document[_ROWS] = [] if report.dry_run else report.plan.changes
    return document


def from_history(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of :func:`history_document`, back from the history, as :func:`report_document` makes it."""
    rows = document.get(_ROWS, [])
    restored = {name: value for name, value in document.items() if name != _ROWS}
    if rows:
        restored["changes"] = [change_document(Change(Action(row[0]), *row[1:])) for row in rows]
    return restored


_ROWS = "change_rows"


def _document(report: Report, changes: list[dict[str, Any]], exit_code: int | None) -> dict[str, Any]:
    plan = report.plan
    document: dict[str, Any] = {
        "format": FORMAT,
        "plan_id": plan.plan_id,
        "organization": plan.organization,
        "dry_run": report.dry_run,
        "complete": plan.complete,
        "summary": plan.summary,
        "changes": changes,
        "held": [held_document(held) for held in plan.held],
        "exceeded": [{"limit": e.limit, "why": e.why} for e in plan.exceeded],
        "unmanaged": [{"kind": u.kind, "id": u.id, "name": u.name, "why": u.why} for u in plan.unmanaged],
        "problems": problems_document(plan.problems),
        "evidence": evidence_document(plan.evidence),
        "forecast": forecast_document(plan.forecast),
        "sides": {"directory": plan.desired_digest, "organization": plan.current_digest},
    }
    if report.run:
        document["run"] = report.run
    if report.outcome is not None:
        document["outcome"] = outcome_document(report.outcome)
    document["exit_code"] = report.exit_code if exit_code is None else exit_code
    return document


def saved_plan(document: Mapping[str, Any], source: str) -> Plan:
    """The plan in a document written by ``dirsync plan -o``. ``source`` names the file in errors.

    Raises :class:`ConfigError` when it is not such a document.
    """
    try:
        if document["format"] != FORMAT:
            raise ConfigError(
                f"{source}: written by another version of dirsync (format {document['format']}, this one reads "
                f"{FORMAT}): plan again"
            )
        seats = document["forecast"]["seats"]
        return Plan(
            plan_id=_text(document["plan_id"]),
            organization=_text(document["organization"]),
            complete=bool(document["complete"]),
            changes=tuple(_change(item) for item in document["changes"]),
            held=tuple(
                Held(_change(item), _text(item["limit"]), _text(item["why"]), bool(item["approvable"]))
                for item in document["held"]
            ),
            problems=tuple(
                Problem(directory=p["directory"], entry=p["entry"], why=p["why"]) for p in document["problems"]
            ),
            evidence=tuple(Evidence(**item) for item in document["evidence"]),
            forecast=Forecast(
                requests=dict(document["forecast"]["requests"]),
                seconds=float(document["forecast"]["seconds"]),
                seats=Seats(needed=seats["needed"], freed=seats["freed"], free=seats["free"]),
                mails=int(document["forecast"]["mails"]),
            ),
            desired_digest=_text(document["sides"]["directory"]),
            current_digest=_text(document["sides"]["organization"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{source}: not a plan of dirsync ({type(error).__name__}: {error}); "
            f"write one with: dirsync plan -o {source}"
        ) from None


def _change(item: Mapping[str, Any]) -> Change:
    return Change(
        Action(item["action"]),
        _text(item["key"]),
        _text(item["email"] or ""),
        _text(item["group"] or ""),
        _text(item["reason"]),
        _text(item["group_key"] or ""),
        _text(item["member_id"] or ""),
        _text(item["group_id"] or ""),
        _text(item["before"] or ""),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value
