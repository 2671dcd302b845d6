"""``dirsync snapshot``: what the directories say after the rules."""

from __future__ import annotations

from collections.abc import Iterator

import click

from dirconnector.cli.job import configuration, directories_of, watched
from dirconnector.cli.options import Shared, common, json_option, view_options
from dirconnector.cli.run import view_of
from dirconnector.cli.screen import screen
from dirconnector.config import Config
from dirconnector.model import Accepts, Snapshot
from dirconnector.output.sections import Row, Section, View, cut, incomplete, unsyncable
from dirconnector.output.stdout import write, write_json
from dirconnector.output.words import count
from dirconnector.plan.document import snapshot_document
from dirconnector.plan.report import DONE, INCOMPLETE
from dirconnector.rules.desired import desire


@click.command()
@click.argument("directory", required=False)
@json_option
@view_options
@common
def snapshot(shared: Shared, directory: str | None, as_json: bool, limit: int, everything: bool) -> None:
    """Show the selected users and groups of the directories.

    They are what the plan wants: normalized, merged and selected by the rules of the configuration. With DIRECTORY,
    only those that this directory of the configuration describes.
    """
    config = configuration(shared)
    names = [entry.name for entry in config.directories]
    if directory is not None and directory not in names:
        raise click.UsageError(f"no directory {directory!r} in {config.path}; there are: {', '.join(names)}")
    found = only(wanted(config, shared), directory)
    if as_json:
        write_json(snapshot_document(found))
    else:
        view = view_of(shared, limit, everything)
        first = f"{count(len(found.users), 'user')} and {count(len(found.groups), 'group')} are selected."
        write(screen(shared).render_sections(first, _sections(found, view)))
    click.get_current_context().exit(DONE if found.complete else INCOMPLETE)


def wanted(config: Config, shared: Shared) -> Snapshot:
    """Read every directory and apply the rules, for an organization that accepts the usual lengths."""
    with watched(shared) as progress:
        snapshots = [directory.reader.read(progress) for directory in directories_of(config).values()]
    return desire(snapshots, config.select, Accepts()).snapshot()


def only(snapshot: Snapshot, directory: str | None) -> Snapshot:
    """The part of a snapshot that one directory describes; all of it when None. Groups keep all their members."""
    if directory is None:
        return snapshot
    return Snapshot(
        users={key: user for key, user in snapshot.users.items() if user.directory == directory},
        groups={key: group for key, group in snapshot.groups.items() if group.directory == directory},
        evidence=tuple(evidence for evidence in snapshot.evidence if evidence.directory == directory),
        problems=tuple(problem for problem in snapshot.problems if problem.directory == directory),
        # nobody says which directory these keys are from, and without them a replay would take the faulty for gone
        unsyncable=snapshot.unsyncable,
        deleted=snapshot.deleted,
    )


def _sections(snapshot: Snapshot, view: View) -> Iterator[Section]:
    users = sorted(snapshot.users.values(), key=lambda user: (user.email, user.key))
    rows = [
        Row(user.email, f"{user.name or user.username} ({user.directory}{'' if user.enabled else ', disabled'})")
        for user in users
    ]
    if rows:
        yield cut("Users", rows, view.limit)
    groups = sorted(snapshot.groups.values(), key=lambda group: (group.name, group.key))
    rows = [Row(group.name, f"{count(len(group.members), 'member')} ({group.directory})") for group in groups]
    if rows:
        yield cut("Groups", rows, view.limit)
    yield from incomplete(snapshot.complete, snapshot.evidence)
    yield from unsyncable(snapshot.problems, view)
