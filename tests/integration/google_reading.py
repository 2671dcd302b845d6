"""Readers of the Google emulator: one process, real TLS, the vendor's library, and waiting that costs no time."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from dirconnector.model import Evidence, Finding, Snapshot, no_progress
from dirconnector.readers.google import GoogleReader, GoogleSettings
from tests.emulators.google import GoogleEmulator


class Clock:
    """A clock that only waiting moves on, for all threads."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wait without waiting."""
        with self._lock:
            self.now += seconds


def reader_of(
    emulator: GoogleEmulator, folder: Path, *attributes: str, clock: Clock | None = None, **settings: Any
) -> GoogleReader:
    """A reader named ``hq`` of this emulator; ``settings`` replace those of its ``directory``."""
    clock = clock or Clock()
    key = folder / "key.json"
    if not key.exists():
        key.write_text(json.dumps(emulator.key_info()), encoding="utf-8")
    given = {name: value for name, value in emulator.directory.items() if name not in ("kind", "key", "customer")}
    given = given | {"key_file": "key.json"} | settings
    if "key" in given:
        del given["key_file"]
    parsed = GoogleSettings.model_validate(given, context={"folder": folder})
    return GoogleReader("hq", parsed, frozenset(attributes), clock=clock, sleep=clock.sleep)


def read(emulator: GoogleEmulator, folder: Path, *attributes: str, **settings: Any) -> Snapshot:
    """One read."""
    return reader_of(emulator, folder, *attributes, **settings).read(no_progress)


def check(emulator: GoogleEmulator, folder: Path, *attributes: str, **settings: Any) -> list[Finding]:
    """One check."""
    return list(reader_of(emulator, folder, *attributes, **settings).check())


def evidence(snapshot: Snapshot, query: str) -> Evidence:
    """The evidence of one query."""
    (found,) = (e for e in snapshot.evidence if e.query == query)
    return found


def members_of(snapshot: Snapshot, name: str) -> set[str]:
    """Addresses of the direct members of the group of this name."""
    (group,) = (group for group in snapshot.groups.values() if group.name == name)
    return {snapshot.users[key].email for key in group.members}
