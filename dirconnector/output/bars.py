"""The progress display itself. Imported only when a terminal is watching: rich takes a tenth of a second."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dirconnector.output.clean import clean

DELAY = 1.0
"""Seconds before a phase is shown: whatever is faster does not flicker."""


class _Late(Progress):
    """Shows only tasks that are old enough."""

    def get_renderables(self) -> Iterator[RenderableType]:
        late = [task for task in self.tasks if not task.finished and (task.elapsed or 0) >= DELAY]
        if late:
            yield self.make_tasks_table(late)


class _Counted(MofNCompleteColumn):
    """``12/40``, or ``12`` while the total is not known, or nothing before the first."""

    def render(self, task: Task) -> Text:
        if task.total is not None:
            return super().render(task)
        return Text(f"{task.completed:.0f}" if task.completed else "")


class Bars:
    """One line on stderr for the phase that is going on, a :data:`~dirconnector.model.Progress`."""

    def __init__(self) -> None:
        self.display = _Late(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            _Counted(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._phase = ""
        self._task: TaskID | None = None

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        if self._task is None:
            self.display.start()
        if self._task is None or phase != self._phase:
            if self._task is not None:
                self.display.remove_task(self._task)
            self._phase = phase
            self._task = self.display.add_task(clean(phase), total=total)
        self.display.update(self._task, completed=done, total=total)

    def stop(self) -> None:
        """Take the display away."""
        self.display.stop()
