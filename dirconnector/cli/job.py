"""From a configuration to a job that is ready to run, with its state and its record in the history."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import make_url

from dirconnector.cli.announce import Announced
from dirconnector.cli.failure import error_document
from dirconnector.cli.group import INTERRUPTED
from dirconnector.cli.options import Shared
from dirconnector.config import Config, find, load
from dirconnector.config import model as config_model
from dirconnector.errors import DirsyncError, StateError
from dirconnector.model import Progress
from dirconnector.organizations import Organization, organization_class
from dirconnector.output.logs import redact_with
from dirconnector.output.progress import progress
from dirconnector.output.redact import Redaction, secrets_in
from dirconnector.output.words import count
from dirconnector.plan.document import history_document
from dirconnector.plan.report import Report
from dirconnector.readers import reader_class
from dirconnector.reading import Directory
from dirconnector.settings import IncrementalSettings
from dirconnector.state import State
from dirconnector.state.lock import organization_lock
from dirconnector.sync import Job

logger = logging.getLogger(__name__)


class Recorded(NamedTuple):
    """A job and its number in the history, 0 when it is not recorded."""

    job: Job
    number: int


def configuration(shared: Shared, path: Path | None = None) -> Config:
    """The configuration to work with; what its secrets hold is kept out of the log from here on."""
    config = load(path or find(shared.config))
    sections = [*(directory.settings for directory in config.directories), config.organization.settings]
    redact_with(Redaction(secret for settings in sections for secret in secrets_in(settings)))
    return config


def organization_of(config: Config) -> Organization:
    """The organization of the config, not connected yet."""
    return organization_class(config.organization.kind)(config.organization.settings)


def directories_of(config: Config) -> dict[str, Directory]:
    """The directories of the config by name, in its order, not connected yet."""
    return {entry.name: _directory(entry, config.select.attributes) for entry in config.directories}


def _directory(entry: config_model.Directory, attributes: frozenset[str]) -> Directory:
    reader = reader_class(entry.kind)(entry.name, entry.settings, attributes)
    if not isinstance(entry.settings, IncrementalSettings):
        return Directory(reader=reader)
    # secrets are references there, never values
    described = f"{entry.kind} {entry.settings.model_dump_json()} {sorted(attributes)}"
    return Directory(
        reader=reader,
        source=hashlib.sha256(described.encode()).hexdigest(),
        full_read_every=entry.settings.full_read_every,
    )


@contextmanager
def watched(shared: Shared) -> Iterator[Progress]:
    """Where to report progress to: a display when somebody is watching."""
    with progress(wanted=not shared.quiet and shared.log_format == "text") as watching:
        yield watching


def job_of(config: Config, state: State, watching: Progress) -> Job:
    """The job that a config describes."""
    return Job(
        directories=directories_of(config),
        select=config.select,
        policy=config.policy,
        organization=Announced(organization_of(config)),
        state=state,
        progress=watching,
    )


def recorded(
    config: Config,
    shared: Shared,
    command: str,
    work: Callable[[Job, int], Report],
    *,
    dry_run: bool,
    exit_code: Callable[[Report], int] = lambda report: report.exit_code,
) -> Report:
    """Do a job that is in the history from before its first read until after its end, however it ends.

    A job that writes holds the lock of its organization. A dry run needs neither the lock nor a state that can be
    written.
    """
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(organization_lock(organization_of(config).name))
        watching = stack.enter_context(watched(shared))
        job, number = stack.enter_context(_begun(config, command, watching, dry_run=dry_run))
        try:
            _tell_of_killed_runs(job)
            report = work(job, number)
        except KeyboardInterrupt:
            words = _interrupted(job, number)
            _finish(job, number, {"error": words, "exit_code": INTERRUPTED}, "")
            raise KeyboardInterrupt(words) from None
        except Exception as error:
            code = error.exit_code if isinstance(error, DirsyncError) else 1
            _finish(job, number, error_document(error, code), "")
            raise
        _finish(job, number, history_document(report, exit_code=exit_code(report)), report.plan.plan_id)
        return report


@contextmanager
def _begun(config: Config, command: str, watching: Progress, *, dry_run: bool) -> Iterator[Recorded]:
    with ExitStack() as stack:
        try:
            state = stack.enter_context(State.open(config.state_url))
            job = job_of(config, state, watching)
            number = state.begin_run(job.organization.name, command, datetime.now(UTC), dry_run)
        except StateError as error:
            if not dry_run:
                raise
            logger.warning("this dry run will not be in the history: %s", error)
            job, number = job_of(config, stack.enter_context(copied_state(config)), watching), 0
        yield Recorded(job, number)


@contextmanager
def copied_state(config: Config) -> Iterator[State]:
    """A state to read from and to write to without consequences: a copy of the config's, empty if there is none."""
    with tempfile.TemporaryDirectory(prefix="dirsync-") as folder, ExitStack() as stack:
        yield stack.enter_context(_copy(config.state_url, Path(folder)))


def _copy(url: str, folder: Path) -> State:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        try:
            return State.open(f"sqlite:///{_sound_copy(Path(parsed.database), folder / 'copy.db')}")
        except FileNotFoundError:
            logger.info("there is no state yet")
        except (OSError, sqlite3.Error, StateError) as error:
            logger.warning("the state is not used: %s", str(error).replace(str(folder / "copy.db"), parsed.database))
    return State.open(f"sqlite:///{folder / 'empty.db'}")


def _sound_copy(database: Path, copy: Path) -> Path:
    """Copy an SQLite database. Raises what says that it cannot be read, or is damaged somewhere."""
    shutil.copyfile(database, copy)
    # what a killed run left half done is undone in the copy: without its journal the copy would be damaged
    with suppress(FileNotFoundError):
        shutil.copyfile(f"{database}-journal", f"{copy}-journal")
    with closing(sqlite3.connect(copy)) as connection:
        ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise StateError(f"{database}: damaged ({found})")
    return copy


def _finish(job: Job, number: int, document: dict[str, object], plan_id: str) -> None:
    if not number:
        return
    code = document["exit_code"]
    assert isinstance(code, int)
    try:
        job.state.finish_run(number, finished=datetime.now(UTC), exit_code=code, plan_id=plan_id, report=document)
    except StateError as error:
        # what was done is done: it must be reported whatever becomes of the record
        logger.error("the end of run %d is not in the history: %s", number, error)


def _tell_of_killed_runs(job: Job) -> None:
    killed = {call.run for call in job.state.open_calls(job.organization.name)}
    for run in sorted(killed):
        logger.warning(
            "run %d was stopped in the middle of a request: both sides are read again, so nothing is done twice", run
        )


def _interrupted(job: Job, number: int) -> str:
    calls = job.state.calls(number) if number else ()
    if not calls:
        return "interrupted before anything was changed: nothing is lost, run again"
    done = [call for call in calls if call.result == "ok"]
    changes = count(sum(call.changes for call in done), "change")
    words = f"interrupted: {count(len(done), 'request')} with {changes} had been applied"
    if any(not call.finished for call in calls):
        words += ", one more may have been"
    return f"{words}. Nothing is lost: run again, and the rest follows (dirsync history {number} lists the requests)"
