"""Text for people: readable at 80 columns, coloured on a terminal, safe whatever a directory holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dirconnector.model import Finding
from dirconnector.output.clean import clean
from dirconnector.output.sections import Row, Section, Tone, View, sections
from dirconnector.output.words import forecast_words, headline
from dirconnector.plan.report import DONE, Report

_STYLES = {Tone.PLAIN: "bold", Tone.GIVES: "bold green", Tone.TAKES: "bold red", Tone.WARNS: "bold yellow"}


class Screen:
    """Text for ``stream``: with colours when it is a terminal and ``color`` allows them.

    ``width`` is in columns, that of the terminal when None (80 where there is none). Everything that is shown is
    cleaned first and nothing in it is taken for markup.
    """

    def __init__(self, stream: TextIO, *, color: bool = True, width: int | None = None) -> None:
        color = color and not os.environ.get("NO_COLOR")  # https://no-color.org
        self._console = Console(
            # the stream is only looked at: what is rendered is returned, and written by whoever can say why it failed
            file=StringIO(),
            force_terminal=stream.isatty() or None,
            width=width,
            color_system="auto" if color else None,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def render(self, report: Report, view: View) -> str:
        """A whole report."""
        with self._console.capture() as captured:
            self._report(report, view)
        return _without_padding(captured.get())

    def render_sections(self, first: str, parts: Iterable[Section]) -> str:
        """A sentence and sections, for everything that is not a report."""
        with self._console.capture() as captured:
            self._line(first, "bold")
            for part in parts:
                self._section(part)
        return _without_padding(captured.get())

    def render_findings(self, findings: Iterable[Finding], last: str) -> str:
        """The lines of ``dirsync check``, cures below what they cure, and a sentence."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", max_width=max(12, self._console.width // 3))
        table.add_column(overflow="fold")
        before = ""
        for finding in findings:
            mark = Text("ok", style="green") if finding.ok else Text("FAIL", style="bold red")
            detail = Text(clean(finding.detail))
            if finding.cure:
                detail.append(f"\n-> {clean(finding.cure)}", style="bold")
            table.add_row(mark, Text(clean(finding.subject) if finding.subject != before else ""), detail)
            before = finding.subject
        with self._console.capture() as captured:
            self._console.print(table)
            self._line(last, "bold")
        return _without_padding(captured.get())

    def _report(self, report: Report, view: View) -> None:
        self._line(headline(report), "bold" if report.exit_code == DONE else "bold yellow")
        for section in sections(report, view):
            self._section(section)
        self._console.print()
        if report.plan.changes and report.outcome is None:
            self._line(f"Forecast: {forecast_words(report.plan.forecast)}.")
        run = f"Run {report.run}: p" if report.run else "P"
        self._line(f"{run}lan {report.plan.plan_id} for {report.plan.organization}", "dim")

    def _section(self, section: Section) -> None:
        if section.title:
            self._console.print()
            self._line(section.title, _STYLES[section.tone])
        if section.rows:
            self._console.print(Padding(self._rows(section.rows), (0, 0, 0, 2)))
        if section.hidden:
            self._line(f"  {_not_shown(section)}", "dim")
        if section.note:
            self._line(section.note)
        if section.command:
            # one line whatever the width: it is there to be copied
            self._console.print(Text("  " + clean(section.command), style="bold"), soft_wrap=True)

    def _rows(self, rows: Sequence[Row]) -> RenderableType:
        """Two columns, or, where something is too long for the first (a DN), the one below the other."""
        widest = self._console.width * 2 // 5
        cells = [(Text(clean(row.what)), Text(clean(row.why))) for row in rows]
        # folded, never cut: an address that is half shown is worse than one on two lines
        if max(what.cell_len for what, _ in cells) > widest:
            lines: list[RenderableType] = []
            for what, why in cells:
                what.overflow = why.overflow = "fold"
                lines += [what] if what else []  # nothing: it goes on about the row before
                lines.append(Padding(why, (0, 0, 0, 4)))
            return Group(*lines)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(overflow="fold", max_width=widest)
        table.add_column(overflow="fold")
        for what, why in cells:
            table.add_row(what, why)
        return table

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(clean(text), style=style, overflow="fold"))


def _not_shown(section: Section) -> str:
    if not section.rows:
        return "... not shown; --all shows it"
    return f"... and {section.hidden} more; --all shows {'it' if section.hidden == 1 else 'them'}"


def _without_padding(text: str) -> str:
    return "\n".join(line.rstrip(" ") for line in text.split("\n"))
