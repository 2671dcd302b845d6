"""What became of a run: the plan, what was applied, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass

from dirconnector.plan.model import Outcome, Plan

DONE = 0
HELD = 3
FAILED = 4
INCOMPLETE = 6
PENDING = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run as it is shown and stored. ``outcome`` is None when nothing was to be applied (a dry run, a plan).

    ``run`` is the number in the history, 0 when it is not in it. ``seconds`` is how long applying took, None for a
    dry run.
    """

    plan: Plan
    dry_run: bool
    outcome: Outcome | None = None
    run: int = 0
    seconds: float | None = None

    @property
    def exit_code(self) -> int:
        """4 when changes failed, else 6 when a read was incomplete, else 3 when a limit holds, else 0."""
        return exit_code(self.plan, self.outcome)


def exit_code(plan: Plan, outcome: Outcome | None = None, *, pending: bool = False) -> int:
    """The exit code of an outcome, the most serious first. ``pending`` asks for 10 when changes wait and nothing is
    wrong.
    """
    if outcome is not None and outcome.failures:
        return FAILED
    if not plan.complete:
        return INCOMPLETE
    if plan.held or plan.exceeded:
        return HELD
    if pending and plan.changes:
        return PENDING
    return DONE
