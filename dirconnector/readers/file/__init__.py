"""Directory kind ``file``: an LDIF export, CSV tables, or a saved snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dirconnector.errors import DirectoryError
from dirconnector.model import Finding, Progress, Snapshot, no_progress
from dirconnector.readers.file import csv, entries, json
from dirconnector.readers.file.settings import FileSettings
from dirconnector.readers.file.source import Source

__all__ = ["FileReader"]


class FileReader:
    """Reads one file (two, when CSV has its groups in a file of their own)."""

    settings_class = FileSettings

    def __init__(self, name: str, settings: FileSettings, attributes: frozenset[str]) -> None:
        self._settings = settings
        self._attributes = attributes
        self._source = self._of(name, settings.path)
        self._groups = self._of(name, settings.groups_path) if settings.groups_path else None

    def check(self) -> Iterator[Finding]:
        """Reads the file as a run would, and says what is in it."""
        try:
            snapshot = self.read(no_progress)
            hours = self._source.age_hours()
        except (DirectoryError, OSError) as error:
            yield Finding(
                ok=False,
                subject=_subject(self._source),
                detail=str(error),
                cure="mend or export the file again; the message names the place",
            )
            return
        detail = (
            f"{self._settings.format_of_file}, users: {len(snapshot.users)}, groups: {len(snapshot.groups)}, "
            f"written {hours:.1f} hours ago"
        )
        yield Finding(ok=True, subject=_subject(self._source), detail=detail)
        yield from _findings(self._source, snapshot)

    def read(self, progress: Progress) -> Snapshot:
        """The whole file.

        Raises :class:`DirectoryUnreachable` when it is not there and :class:`DirectoryRefused` when it cannot
        be read, is damaged (naming file and line) or holds no people at all.
        """
        match self._settings.format_of_file:
            case "ldif":
                return entries.read(self._source, self._settings, self._attributes, progress)
            case "csv":
                return csv.read(self._source, self._groups, self._settings.delimiter, self._attributes, progress)
            case _:
                return json.read(self._source, self._attributes, progress)

    def _of(self, name: str, path: Path) -> Source:
        return Source(directory=name, path=path, max_age_hours=self._settings.max_age_hours)


def _subject(source: Source) -> str:
    return f"{source.directory}: {source.path.name}"


def _findings(source: Source, snapshot: Snapshot) -> Iterator[Finding]:
    for evidence in snapshot.evidence:
        if not evidence.complete:
            yield Finding(
                ok=False,
                subject=f"{_subject(source)}: {evidence.query}",
                detail=f"not complete: {evidence.why}",
                cure="until this is mended, people are added but nobody is taken out",
            )
    by_dn = sum(user.key == user.entry for user in snapshot.users.values())
    if by_dn:
        yield Finding(
            ok=True,
            subject=f"{_subject(source)}: keys",
            detail=f"people known by their DN, which changes when they are renamed or moved: {by_dn}; "
            "export the operational attributes too (ldapsearch: '*' +) to know them by entryUUID",
        )
    without = sum(not user.email for user in snapshot.users.values())
    if without:
        yield Finding(
            ok=True, subject=f"{_subject(source)}: e-mail", detail=f"people without an e-mail address: {without}"
        )
    if snapshot.problems:
        yield Finding(
            ok=True,
            subject=f"{_subject(source)}: problems",
            detail=f"{len(snapshot.problems)}, the first: {snapshot.problems[0].entry}: {snapshot.problems[0].why}",
        )
