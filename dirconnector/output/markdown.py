"""Markdown for tickets and pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from dirconnector.output.clean import clean
from dirconnector.output.sections import Section, View, sections
from dirconnector.output.words import VERBS, forecast_words, headline, outcome_words
from dirconnector.plan.model import Action
from dirconnector.plan.report import Report

_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(text: str) -> str:
    """``text`` as Markdown that shows just that: no links, no HTML, no table cells, no line ends."""
    return _SPECIAL.sub(r"\\\1", clean(text).translate(_ENTITIES))


def markdown(report: Report, view: View) -> str:
    """A whole report, nothing left out; memberships are gathered group by group."""
    return "\n".join(_lines(report, view)).rstrip("\n") + "\n"


def _lines(report: Report, view: View) -> Iterator[str]:
    plan = report.plan
    what = "plan" if report.outcome is None else "run"
    yield f"# dirsync {what} for {escape(plan.organization)}"
    yield ""
    yield escape(headline(report))
    yield ""
    yield f"Plan `{plan.plan_id}`"
    yield ""
    yield from _summary(report)
    for section in sections(report, replace(view, limit=None, details=True, named=None)):
        yield from _section(section)
    if plan.changes and report.outcome is None:
        yield "## Forecast"
        yield ""
        yield f"{escape(forecast_words(plan.forecast))}."
        yield ""
    if report.outcome is not None:
        yield "## Outcome"
        yield ""
        yield f"{escape(outcome_words(report.outcome))}."


def _summary(report: Report) -> Iterator[str]:
    counted = [(action, number) for action, number in report.plan.summary.items() if number]
    if not counted:
        return
    yield "| change | number |"
    yield "|---|---:|"
    for action, number in counted:
        infinitive, _, noun = VERBS[Action(action)]
        yield f"| {escape(infinitive)} {noun[1]} | {number} |"
    yield ""


def _section(section: Section) -> Iterator[str]:
    yield f"## {escape(section.title)}"
    yield ""
    if section.rows:
        yield "| what | why |"
        yield "|---|---|"
        for row in section.rows:
            yield f"| {escape(row.what)} | {escape(row.why)} |"
        yield ""
    if section.note:
        yield escape(section.note)
        yield ""
    if section.command:
        yield "```"
        yield clean(section.command).replace("`", "'")
        yield "```"
        yield ""
