"""``dirsync history``: what was done, when, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from dirconnector.cli.job import configuration, organization_of
from dirconnector.cli.options import Shared, common, json_option, view_options
from dirconnector.cli.run import view_of
from dirconnector.cli.screen import screen
from dirconnector.errors import ConfigError
from dirconnector.output.sections import Row, Section, View, cut, sections
from dirconnector.output.stdout import write, write_json
from dirconnector.output.words import count, doing, headline
from dirconnector.plan.document import from_history, saved_plan
from dirconnector.plan.model import Action, Change, Exceeded, Failure, Outcome, Unmanaged
from dirconnector.plan.report import Report
from dirconnector.state import State
from dirconnector.state.rows import CallRow, RunRow

if TYPE_CHECKING:
    from dirconnector.output.text import Screen

_ENDINGS = {
    0: "done",
    1: "failed",
    2: "configuration not valid",
    3: "something held by a limit",
    4: "some changes failed",
    6: "incomplete read",
    10: "changes pending",
    130: "interrupted",
}


@click.command()
@click.argument("number", metavar="[RUN]", required=False, type=click.IntRange(min=1))
@json_option
@view_options
@common
def history(shared: Shared, number: int | None, as_json: bool, limit: int, everything: bool) -> None:
    """List the runs, or show one with its changes and calls.

    Without RUN, the last runs of this configuration's organization, newest first. With the number of a RUN, what it
    did and why, and each request that it made.
    """
    config = configuration(shared)
    organization = organization_of(config).name
    view = view_of(shared, limit, everything)
    with State.open(config.state_url) as state:
        if number is None:
            _list(shared, state.runs(organization, limit if not everything else 10**6), organization, as_json)
            return
        found = state.run(number)
        if found is None or found[0].organization != organization:
            raise ConfigError(
                f"no run {number} of {organization} in the history; `dirsync history` lists those there are"
            )
        row, stored = found
        calls = state.calls(number)
    document = from_history(stored)
    if as_json:
        write_json({"run": _run_document(row), "report": document, "calls": [asdict(call) for call in calls]})
    else:
        write(_one(screen(shared), row, document, calls, view))


def _list(shared: Shared, rows: tuple[RunRow, ...], organization: str, as_json: bool) -> None:
    if as_json:
        write_json({"organization": organization, "runs": [_run_document(row) for row in rows]})
        return
    found = tuple(Row(f"{row.number}  {_when(row.started)}", _line(row)) for row in rows)
    last = "The only run" if len(rows) == 1 else f"The last {count(len(rows), 'run')}"
    first = f"{last} of {organization}, newest first (UTC):" if rows else "No run yet."
    parts = [Section(title="", rows=found)] if found else []
    write(screen(shared).render_sections(first, parts))


def _run_document(row: RunRow) -> dict[str, Any]:
    return {**asdict(row), "finished": row.finished or None}


def _when(time: str) -> str:
    return time[:19].replace("T", " ")


def _line(row: RunRow) -> str:
    plan = f", plan {row.plan_id}" if row.plan_id else ""
    return f"{row.command}: {_ending(row)}{plan}"


def _ending(row: RunRow) -> str:
    if row.exit_code is None:
        return row.ending
    return f"{_ENDINGS.get(row.exit_code, 'ended')} (exit code {row.exit_code})"


def _one(screen: Screen, row: RunRow, document: Mapping[str, Any], calls: tuple[CallRow, ...], view: View) -> str:
    until = f" to {_when(row.finished)}" if row.finished else ""
    parts = [
        Section(
            title=f"Run {row.number}: dirsync {row.command}",
            rows=(
                Row("organization", row.organization),
                Row("when (UTC)", f"{_when(row.started)}{until}"),
                Row("ending", _ending(row)),
                *((Row("plan", row.plan_id),) if row.plan_id else ()),
            ),
        )
    ]
    first, more = _told(document, view)
    parts += more
    if calls:
        parts.append(cut("Requests", [_call(call) for call in calls], view.limit))
    return screen.render_sections(first, parts)


def _told(document: Mapping[str, Any], view: View) -> tuple[str, list[Section]]:
    """The first sentence and the sections of a stored document."""
    if not document:
        return "This run did not finish: it was killed, or it is still going on.", []
    if "error" in document:
        return f"It ended with an error: {document['error']}", []
    if document.get("dry_run") and not document.get("changes") and any(document["summary"].values()):
        return f"Would {doing(document['summary'], past=False)}. Of a dry run only the numbers are kept.", []
    try:
        report = stored_report(document)
    except ConfigError:
        return "The report is of another version of dirsync: --json shows it.", []
    # an approval that was needed then is of no use now
    return headline(report), [replace(part, note="", command="") for part in sections(report, view)]


def _call(call: CallRow) -> Row:
    result = call.result or "how it ended is not known"
    target = f" {call.target}" if call.target else ""
    return Row(f"{call.endpoint}{target}", f"{_when(call.started)[11:]} {count(call.changes, 'change')}: {result}")


def stored_report(document: Mapping[str, Any]) -> Report:
    """The report that a document of the history was made from.

    Raises :class:`ConfigError` when this version cannot read it.
    """
    plan = replace(
        saved_plan(document, "the history"),
        exceeded=tuple(Exceeded(item["limit"], item["why"]) for item in document.get("exceeded", ())),
        unmanaged=tuple(Unmanaged(**item) for item in document.get("unmanaged", ())),
    )
    outcome = document.get("outcome")
    return Report(plan=plan, dry_run=bool(document["dry_run"]), outcome=_outcome(outcome) if outcome else None)


def _outcome(item: Mapping[str, Any]) -> Outcome:
    return Outcome(applied=item["applied"], skipped=item["skipped"], failures=tuple(_failures(item["failures"])))


def _failures(items: list[dict[str, Any]]) -> Iterator[Failure]:
    for item in items:
        change = Change(Action(item["action"]), item["key"], item["email"] or "", item["group"] or "", "")
        yield Failure(change, item["why"])
