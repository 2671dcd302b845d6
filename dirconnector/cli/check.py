"""``dirsync check``: does everything answer, and if not, what is to be done?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import click

from dirconnector.cli.job import configuration, directories_of, organization_of
from dirconnector.cli.options import Shared, common, json_option
from dirconnector.cli.screen import screen
from dirconnector.config import Config
from dirconnector.errors import ConfigError, DirsyncError
from dirconnector.model import Finding
from dirconnector.output.logs import redacted
from dirconnector.output.stdout import write, write_json
from dirconnector.output.words import count
from dirconnector.state import State
from dirconnector.state.lock import default_folder

READ_IT = "do what the message says and check again"


@click.command()
@json_option
@common
def check(shared: Shared, as_json: bool) -> None:
    """Try every connection and name the cure of what fails.

    Validates the configuration, then connects to each directory, to the organization, and to the state. Changes
    nothing on any side. Exits with 0 when all is well, 1 when something fails, 2 when the configuration is not valid.
    """
    config = configuration(shared)
    found = list(findings(config))
    failed = sum(1 for finding in found if not finding.ok)
    if as_json:
        items = [{"ok": f.ok, "subject": f.subject, "detail": f.detail, "cure": f.cure} for f in found]
        write_json({"ok": not failed, "findings": items, "exit_code": 1 if failed else 0})
    else:
        first = f"{count(failed, 'check')} of {len(found)} failed." if failed else f"All {len(found)} checks are well."
        write(screen(shared).render_findings(found, first))
    click.get_current_context().exit(1 if failed else 0)


def findings(config: Config) -> Iterator[Finding]:
    """Everything that can be found out without reading whole directories."""
    directories = count(len(config.directories), "directory", "directories")
    yield Finding(ok=True, subject=str(config.path), detail=f"valid: {directories}, kind {config.organization.kind}")
    for name, directory in directories_of(config).items():
        yield from (_of(name, finding) for finding in _guarded(name, directory.reader.check))
    yield from _guarded("organization", lambda: organization_of(config).check())
    yield from _guarded("state", lambda: _state(config))


def _guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of one side; what it raises is a finding too, and the others get their turn."""
    try:
        yield from check()
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(ok=False, subject=subject, detail=redacted(problem), cure=READ_IT)
    except DirsyncError as error:
        yield Finding(ok=False, subject=subject, detail=redacted(str(error)), cure=READ_IT)


def _of(directory: str, finding: Finding) -> Finding:
    """A finding that names its directory, and whose cure is not what was said already."""
    named = finding.subject.split(":")[0] == directory
    subject = finding.subject if named else f"{directory}: {finding.subject}"
    return replace(finding, subject=subject, cure=READ_IT if finding.cure == finding.detail else finding.cure)


def _state(config: Config) -> Iterator[Finding]:
    with State.open(config.state_url) as state:
        last = state.runs(None, 1)
    detail = f"opened, the last run is {last[0].number}" if last else "opened, no run yet"
    yield Finding(ok=True, subject="state", detail=detail)
    yield Finding(ok=True, subject="lock", detail=f"kept in {default_folder()}")
