"""Directory kind ``onelogin``."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dirconnector.model import Finding, Progress, Snapshot, no_progress
from dirconnector.readers import Reading
from dirconnector.readers.onelogin.people import Wanted
from dirconnector.readers.onelogin.refusal import ApiRefused
from dirconnector.readers.onelogin.settings import OneLoginSettings
from dirconnector.readers.onelogin.throttle import REAL, Timing
from dirconnector.settings import Settings

if TYPE_CHECKING:
    from dirconnector.readers.onelogin.connection import Api
    from dirconnector.readers.onelogin.stages import Whole

CURSOR_VERSION = 1


class OneLoginReader:
    """One OneLogin account; see :class:`OneLoginSettings`. ``timing`` is the clock and how to wait."""

    settings_class: type[Settings] = OneLoginSettings

    def __init__(
        self, name: str, settings: OneLoginSettings, attributes: frozenset[str], *, timing: Timing = REAL
    ) -> None:
        self._name = name
        self._settings = settings
        self._timing = timing
        self._wanted = Wanted(
            directory=name,
            email=settings.email,
            pending=settings.pending,
            attributes=frozenset(attribute.lower() for attribute in attributes),
            roles=settings.groups in ("roles", "both"),
            groups=settings.groups in ("groups", "both"),
        )

    def check(self) -> Iterator[Finding]:
        """See :class:`~dirconnector.readers.Reader`."""
        from dirconnector.readers.onelogin.checking import findings

        with closing(self._api(no_progress)) as api:
            yield from findings(api, self._settings, self._wanted)

    def read(self, progress: Progress) -> Snapshot:
        """See :class:`~dirconnector.readers.Reader`."""
        return self._whole(progress).snapshot

    def read_with_cursor(self, progress: Progress) -> Reading:
        """See :class:`~dirconnector.readers.IncrementalReader`."""
        return self._reading(self._whole(progress))

    def read_since(self, before: Reading, progress: Progress) -> Reading | None:
        """See :class:`~dirconnector.readers.IncrementalReader`. None as well when what changed cannot be told for
        certain, as after a deletion that no event names.
        """
        from dirconnector.readers.onelogin.increments import Unsound, base_of, read_changes

        cursor = self._cursor(before.cursor)
        if cursor is None or not before.snapshot.complete:
            return None
        since, labels = cursor
        if not labels.keys() <= before.snapshot.unsyncable.keys():
            return None
        progress = _one_at_a_time(progress)
        with closing(self._api(progress)) as api:
            try:
                base = base_of(before.snapshot, labels)
                whole = read_changes(api, self._settings, self._wanted, base, since, progress)
            except (Unsound, ApiRefused):
                return None
        return self._reading(whole)

    # -------------------------------------------------------------------------------------------------------- inside

    def _api(self, progress: Progress) -> Api:
        # the HTTP library is loaded when something is read, not when a config is checked
        from dirconnector.readers.onelogin.connection import Api

        return Api(self._name, self._settings, self._timing, progress)

    def _whole(self, progress: Progress) -> Whole:
        from dirconnector.readers.onelogin.stages import read_all

        progress = _one_at_a_time(progress)
        with closing(self._api(progress)) as api:
            return read_all(api, self._settings, self._wanted, progress)

    def _reading(self, whole: Whole) -> Reading:
        since = whole.since.isoformat() if whole.since is not None and whole.believed else ""
        cursor = {"version": CURSOR_VERSION, "scope": self._scope(), "since": since, "labels": whole.labels}
        return Reading(whole.snapshot, json.dumps(cursor, sort_keys=True, separators=(",", ":")))

    def _cursor(self, text: str) -> tuple[datetime, dict[str, str]] | None:
        """The time and the labels of a cursor; None when a full read has to follow."""
        try:
            cursor: Any = json.loads(text)
            fits = cursor["version"] == CURSOR_VERSION and cursor["scope"] == self._scope()
            since, labels = datetime.fromisoformat(cursor["since"]), dict(cursor["labels"])
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        return (since, labels) if fits and since.tzinfo is not None else None

    def _scope(self) -> str:
        """A digest of everything that a snapshot depends on."""
        wanted = self._wanted
        parts = [self._settings.base, self._settings.client_id, wanted.directory, wanted.fields, wanted.pending]
        parts += [*wanted.email, *sorted(wanted.attributes), self._settings.groups]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _one_at_a_time(progress: Progress) -> Progress:
    """Calls that wait for the limit report from threads of their own."""
    lock = threading.Lock()

    def report(phase: str, done: int, total: int | None) -> None:
        with lock:
            progress(phase, done, total)

    return report
