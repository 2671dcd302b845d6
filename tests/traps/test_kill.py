"""SIGKILL at random moments of an apply, and run again: the same end, nobody invited twice, nobody gone.

DIRSYNC_KILLS is how many moments (20 without it).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from dirconnector.model import Snapshot
from tests.bitwarden import Site, entry_for, organization_on
from tests.emulators.bitwarden import BitwardenEmulator
from tests.traps.lifecycle import is_done, prepare

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("DIRSYNC_KILLS", "20"))
KILLED = 128 + signal.SIGKILL
PATIENCE = 30.0


class Forking:
    """Runs, each in a process that can be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, config: Path) -> int:
        """Begin a run. Returns its process id."""
        return self._asked(str(config))["pid"]

    def end(self) -> int:
        """Wait for the end of the run that was begun. Returns its exit code; until then its process id is its own."""
        return self._asked("")["code"]

    def _asked(self, line: str) -> dict[str, int]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        line: dict[str, int] = json.loads(self._process.stdout.readline())
        return line


@contextmanager
def forking(folder: Path) -> Iterator[Forking]:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "xdg")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.traps.forking"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Forking(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def written_down(snapshot: Snapshot) -> str:
    """A snapshot as the file that the kind ``file`` reads."""
    users = [
        {
            "key": u.key,
            "email": u.email,
            "name": u.name,
            "enabled": u.enabled,
            "directory": "hq",
            "username": u.username,
        }
        for u in snapshot.users.values()
    ]
    groups = [
        {"key": g.key, "name": g.name, "directory": "hq", "members": sorted(g.members)}
        for g in snapshot.groups.values()
    ]
    evidence = [
        {"directory": "hq", "query": query, "complete": True, "pages": 1, "entries": 1, "why": ""}
        for query in ("users", "groups")
    ]
    return json.dumps({"users": users, "groups": groups, "evidence": evidence, "problems": []})


def configured(site: Site, folder: Path) -> Path:
    """The config of the lifecycle, in a folder."""
    (folder / "people.json").write_text(written_down(site.directory.snapshot))
    limit = {"percent": 100, "floor": 1000}
    document = {
        "directories": {"hq": {"kind": "file", "path": "people.json"}},
        "organization": {"kind": "bitwarden", **entry_for(site.emulator, folder, settle_seconds=1)},
        "offboarding": {"absent": "remove", "disabled": "revoke", "groups": "delete"},
        "limits": {"removals": limit, "group_members": limit, "shrink": limit},
        "state": {"url": "sqlite:///killed.db"},
    }
    path = folder / "dirsync.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def slow_emulator() -> Iterator[BitwardenEmulator]:
    """Slow enough that most moments of an apply are moments of a call."""
    with BitwardenEmulator(latency_seconds=0.01) as running:
        yield running


def wait_for_a_write(site: Site) -> None:
    deadline = time.monotonic() + PATIENCE
    while not site.writes():
        assert time.monotonic() < deadline, "the run never wrote anything"
        time.sleep(0.001)


def test_killed_at_any_moment_and_run_again(slow_emulator: BitwardenEmulator, tmp_path: Path) -> None:
    moments = random.Random(4711)
    kills = 0
    with forking(tmp_path) as runs:
        for attempt in range(KILLS * 3):
            if kills < KILLS:
                slow_emulator.reset()
                folder = tmp_path / str(attempt)
                folder.mkdir()
                kills += _killed_and_run_again(slow_emulator, folder, runs, moments.uniform(0, 0.4))
    assert kills == KILLS


def _killed_and_run_again(emulator: BitwardenEmulator, folder: Path, runs: Forking, moment: float) -> bool:
    """True when the kill came before the run's own end."""
    site = Site(emulator, organization_on(emulator, folder), folder)
    prepare(site)
    config = configured(site, folder)
    pid = runs.begin(config)
    wait_for_a_write(site)
    time.sleep(moment)
    os.kill(pid, signal.SIGKILL)
    first = runs.end()
    assert first in (KILLED, 0)
    runs.begin(config)
    assert runs.end() == 0, f"killed after {moment:.3f} s"
    is_done(site)
    runs.begin(config)
    assert runs.end() == 0
    assert site.plan().changes == ()
    return first == KILLED
