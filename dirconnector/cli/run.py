"""``dirsync run``: the job, for one configuration or for many."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from dirconnector.cli.failure import error_document, tell, tell_bug
from dirconnector.cli.job import configuration, recorded
from dirconnector.cli.options import Shared, common, json_option, view_options
from dirconnector.cli.screen import screen
from dirconnector.errors import ConfigError, DirsyncError
from dirconnector.output.logs import redacted
from dirconnector.output.sections import Row, Section, View
from dirconnector.output.stdout import write, write_json
from dirconnector.output.words import count, headline
from dirconnector.plan.document import report_document
from dirconnector.plan.report import Report
from dirconnector.sync import run as sync_run

logger = logging.getLogger(__name__)

SERIOUS = (130, 1, 2, 5, 4, 6, 3, 10, 0)
"""Exit codes, the most serious first."""


class Wanted(NamedTuple):
    """What the options of ``run`` ask for."""

    dry_run: bool
    approve: str
    verify: bool
    full: bool


class Ran(NamedTuple):
    """What became of one configuration: a report or an error."""

    path: Path
    report: Report | None
    error: Exception | None

    @property
    def exit_code(self) -> int:
        """The exit code of this configuration alone."""
        if self.report is not None:
            return self.report.exit_code
        return self.error.exit_code if isinstance(self.error, DirsyncError) else 1

    @property
    def words(self) -> str:
        """The outcome in a sentence or two."""
        if self.report is not None:
            return f"exit code {self.exit_code}. {headline(self.report)}"
        lines = self.error.problems if isinstance(self.error, ConfigError) else (str(self.error),)
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return f"exit code {self.exit_code}. {redacted(lines[0])}{more}"

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of this configuration alone."""
        if self.report is not None:
            return report_document(self.report)
        assert self.error is not None
        return error_document(self.error, self.exit_code)


def most_serious(codes: Iterable[int]) -> int:
    """The exit code of several runs."""
    return min(codes, key=SERIOUS.index, default=0)


@click.command()
@click.argument("configs", nargs=-1, metavar="[FILE|FOLDER]...", type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--approve", default="", metavar="ID", help="Release what a limit holds in the plan with this id, once.")
@click.option("--verify", is_flag=True, help="Read every membership of the organization instead of trusting the state.")
@click.option("--full", is_flag=True, help="Read every directory in full instead of what changed since the last run.")
@json_option
@view_options
@common
def run(
    shared: Shared,
    configs: tuple[Path, ...],
    dry_run: bool,
    approve: str,
    verify: bool,
    full: bool,
    as_json: bool,
    limit: int,
    everything: bool,
) -> None:
    """Make the organization equal to the directories.

    Reads both sides, plans, holds what is dangerous, applies the rest, and looks whether it is so. With FILEs or a
    FOLDER, runs every configuration there (*.yaml), each with its own outcome.

    \b
    Examples:
      dirsync run --dry-run
      dirsync run --approve 3f2a90c1d7be
      dirsync run --quiet /etc/dirsync/
    """
    if configs and shared.config:
        raise click.UsageError("give configurations either with --config or as arguments, not both")
    wanted = Wanted(dry_run, approve, verify, full)
    view = view_of(shared, limit, everything)
    if not configs:
        report = _run(shared, None, wanted)
        show(shared, report, view, as_json)
        click.get_current_context().exit(report.exit_code)
    _run_many(shared, configs, wanted, view, as_json)


def _run_many(shared: Shared, configs: Sequence[Path], wanted: Wanted, view: View, as_json: bool) -> None:
    one = len(configs) == 1 and not configs[0].is_dir()
    results = []
    for path in configurations(configs):
        ran = _attempt(shared, path, wanted)
        results.append(ran)
        if not as_json and ran.report is not None:
            if not one:
                write(f"== {path}\n")
            show(shared, ran.report, replace(view, again=f"dirsync run -c {shlex.quote(str(path))}"), as_json=False)
            write("" if one else "\n")
    code = most_serious(ran.exit_code for ran in results)
    if as_json:
        documents = [{"config": str(ran.path), **ran.document} for ran in results]
        write_json(documents[0] if one else {"runs": documents, "exit_code": code})
    elif not one:
        rows = tuple(Row(str(ran.path), ran.words) for ran in results)
        write(screen(shared).render_sections(f"{count(len(rows), 'configuration')}:", [Section(title="", rows=rows)]))
    click.get_current_context().exit(code)


def configurations(named: Sequence[Path]) -> list[Path]:
    """The files that arguments name: files themselves, and all ``*.yaml`` and ``*.yml`` of folders, sorted.

    Raises :class:`ConfigError` for a folder without any.
    """
    found: list[Path] = []
    for path in named:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml") and p.name[0] not in ".#")
        if not inside:
            raise ConfigError(f"{path}: no *.yaml in this folder")
        found += inside
    return list(dict.fromkeys(found))


def _attempt(shared: Shared, path: Path, wanted: Wanted) -> Ran:
    """Run one of several: whatever happens to it, the others get their turn."""
    try:
        return Ran(path, _run(shared, path, wanted), None)
    except DirsyncError as error:
        tell(error, "" if isinstance(error, ConfigError) else f"{path}: ")
        return Ran(path, None, error)
    except Exception as error:
        tell_bug(error, f"{path}: ")
        return Ran(path, None, error)


def _run(shared: Shared, path: Path | None, wanted: Wanted) -> Report:
    config = configuration(shared, path)
    work = partial(sync_run, dry_run=wanted.dry_run, verify=wanted.verify, full=wanted.full, approve=wanted.approve)
    command = "run --dry-run" if wanted.dry_run else "run"
    report = recorded(config, shared, command, work, dry_run=wanted.dry_run)
    if wanted.approve and wanted.approve != report.plan.plan_id:
        logger.warning(
            "--approve %s does not fit: the plan is %s now, so nothing that is held was released",
            wanted.approve,
            report.plan.plan_id,
        )
    return report


def view_of(shared: Shared, limit: int, everything: bool) -> View:
    """How much to show, and how to run again."""
    again = f"dirsync run -c {shlex.quote(shared.config)}" if shared.config else "dirsync run"
    if everything:
        return View(limit=None, gather=None, details=True, again=again)
    return View(limit=limit, details=shared.verbose > 0, again=again)


def show(shared: Shared, report: Report, view: View, as_json: bool) -> None:
    """Print one report."""
    if as_json:
        write_json(report_document(report))
    else:
        write(screen(shared).render(report, view))
