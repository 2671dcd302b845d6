"""``dirsync plan`` and ``dirsync apply``: look first, apply exactly that later."""

from __future__ import annotations

import json
import logging
import shlex
from functools import partial
from pathlib import Path

import click

from dirconnector.cli.job import configuration, recorded
from dirconnector.cli.options import Shared, common, json_option, view_options, want_json
from dirconnector.cli.run import show, view_of
from dirconnector.cli.screen import screen
from dirconnector.errors import ConfigError
from dirconnector.output.clean import json_text
from dirconnector.output.markdown import markdown
from dirconnector.output.sections import View
from dirconnector.output.stdout import write, write_file, write_json
from dirconnector.output.words import headline
from dirconnector.plan.document import report_document, saved_plan
from dirconnector.plan.model import Plan
from dirconnector.plan.report import Report, exit_code
from dirconnector.sync import apply_saved
from dirconnector.sync import run as sync_run

logger = logging.getLogger(__name__)


@click.command()
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write into this file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    callback=want_json,
    help="The form: with -o json, else text, when it is not given.",
)
@click.option("--json", "form", flag_value="json", callback=want_json, help="The same as --format json.")
@click.option("--verify", is_flag=True, help="Read every membership of the organization instead of trusting the state.")
@click.option("--full", is_flag=True, help="Read every directory in full instead of what changed since the last run.")
@click.option("--exit-code", "pending", is_flag=True, help="Exit with 10 when changes wait and nothing is wrong.")
@view_options
@common
def plan(
    shared: Shared,
    output: Path | None,
    form: str | None,
    verify: bool,
    full: bool,
    pending: bool,
    limit: int,
    everything: bool,
) -> None:
    """Show, or save, what a run would do. Only reads.

    \b
    Examples:
      dirsync plan --format markdown > ticket.md
      dirsync plan -o plan.json && dirsync apply plan.json
    """
    form = form or ("json" if output else "text")

    def code_of(report: Report) -> int:
        return exit_code(report.plan, pending=pending)

    work = partial(sync_run, dry_run=True, verify=verify, full=full)
    report = recorded(configuration(shared), shared, "plan", work, dry_run=True, exit_code=code_of)
    view = view_of(shared, limit, everything)
    code = code_of(report)
    if output is None:
        if form == "json":
            write_json(report_document(report, exit_code=code))
        else:
            write(_text(shared, report, view, form, code))
    else:
        write_file(output, _text(shared, report, view, form, code))
        cure = f"; to apply exactly this: dirsync apply {shlex.quote(str(output))}" if form == "json" else ""
        write(f"{headline(report)}\nPlan {report.plan.plan_id} is in {output}{cure}\n")
    click.get_current_context().exit(code)


def _text(shared: Shared, report: Report, view: View, form: str, code: int) -> str:
    if form == "json":
        return json_text(report_document(report, exit_code=code))
    if form == "markdown":
        return markdown(report, view)
    return screen(shared).render(report, view)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@view_options
@common
def apply(shared: Shared, file: Path, as_json: bool, limit: int, everything: bool) -> None:
    """Apply a saved plan, if neither side has moved since.

    FILE is what `dirsync plan -o FILE` wrote. Both sides are read again; when that does not give the very same plan,
    nothing is applied.
    """
    saved = read_plan(file)
    report = recorded(configuration(shared), shared, "apply", partial(apply_saved, saved=saved), dry_run=False)
    show(shared, report, view_of(shared, limit, everything), as_json)
    click.get_current_context().exit(report.exit_code)


def read_plan(file: Path) -> Plan:
    """The plan in a file. Raises :class:`ConfigError` when there is none in it."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError(f"{file}: not a plan of dirsync (not JSON); write one with: dirsync plan -o {file}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: not a plan of dirsync; write one with: dirsync plan -o {file}")
    return saved_plan(document, str(file))
