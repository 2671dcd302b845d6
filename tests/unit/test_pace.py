"""The pace: no window holds more calls than the limit, whoever sends them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dirconnector.errors import StateError
from dirconnector.model import no_progress
from dirconnector.organizations.pace import STALE, WAITING, Limit, Limits, Pacer, Turn, wait_for

ROOT = Path(__file__).parents[2]
LIMITS: Limits = {"write": [Limit(60, 60.0), Limit(5, 1.0)], "read": [Limit(200, 60.0)], "token": [Limit(10, 60.0)]}


class Clock:
    """A clock that only sleeping and :meth:`tick` move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    def tick(self, seconds: float) -> None:
        self.now += seconds


def pacer(folder: Path, clock: Clock, limits: Limits = LIMITS, host: str = "api.example.org") -> Pacer:
    return Pacer(host, limits, folder=folder, clock=clock, sleep=clock.sleep)


def most_in_a_window(times: list[float], seconds: float) -> int:
    """The most calls in any window of this length, wherever it begins."""
    times = sorted(times)
    return max((sum(start <= t < start + seconds for t in times) for start in times), default=0)


def call(pace: Pacer, kind: str, clock: Clock, seconds: float = 0.0) -> float:
    """One call. Returns when it was sent."""
    with pace.turn(kind, no_progress):
        sent = clock.now
        clock.tick(seconds)
    return sent


@pytest.mark.parametrize(
    ("kind", "number"), [("write", 200), ("read", 500), ("token", 35)], ids=["write", "read", "token"]
)
def test_never_more_than_the_limit_in_any_window(tmp_path: Path, kind: str, number: int) -> None:
    clock = Clock()
    random_ = random.Random(7)
    runs = [pacer(tmp_path, clock) for _ in range(3)]
    times = [call(random_.choice(runs), kind, clock, random_.choice((0.0, 0.01, 0.3))) for _ in range(number)]
    for limit in LIMITS[kind]:
        assert most_in_a_window(times, limit.seconds) <= limit.calls
    # and it is not slower than it has to be
    assert clock.slept <= 60.0 * (number // LIMITS[kind][0].calls) + 60.0 * 0.2


def test_the_limit_is_used_up(tmp_path: Path) -> None:
    clock = Clock()
    pace = pacer(tmp_path, clock)
    times = [call(pace, "token", clock) for _ in range(11)]
    assert times[9] == 1000.0
    assert times[10] == 1060.0


def test_a_slow_call_counts_until_it_was_answered(tmp_path: Path) -> None:
    """The server may have counted it at any moment until then."""
    clock = Clock()
    pace = pacer(tmp_path, clock, {"write": [Limit(1, 60.0)]})
    first = call(pace, "write", clock, seconds=30.0)
    assert call(pace, "write", clock) == first + 90.0


def test_a_call_that_is_open_elsewhere_counts(tmp_path: Path) -> None:
    clock = Clock()
    limits: Limits = {"write": [Limit(1, 60.0)]}
    one, two = pacer(tmp_path, clock, limits), pacer(tmp_path, clock, limits)
    with one.turn("write", no_progress):
        clock.tick(100.0)
        sent_at = []
        thread = threading.Thread(target=lambda: sent_at.append(call(two, "write", clock)))
        thread.start()
        while clock.slept < 5:
            assert thread.is_alive()
        assert sent_at == []
        clock.tick(STALE)
    thread.join(10)
    assert sent_at


def test_a_killed_call_is_forgotten_in_the_end(tmp_path: Path) -> None:
    clock = Clock()
    pace = pacer(tmp_path, clock, {"write": [Limit(1, 60.0)]})
    killed = pace.turn("write", no_progress)
    killed.__enter__()
    assert call(pace, "write", clock) <= 1000.0 + STALE + 60.0
    del killed


def test_waiting_is_shown(tmp_path: Path) -> None:
    clock = Clock()
    pace = pacer(tmp_path, clock)
    shown: list[tuple[str, int, int | None]] = []
    for _ in range(11):
        with pace.turn("token", lambda *step: shown.append(step)):
            pass
    assert shown[0] == (WAITING, 60, None)
    assert shown[-1][1] <= 1
    assert [step[1] for step in shown] == sorted((step[1] for step in shown), reverse=True)


def test_a_pause_is_for_everybody(tmp_path: Path) -> None:
    clock = Clock()
    pacer(tmp_path, clock).pause("write", 42.0)
    assert call(pacer(tmp_path, clock), "write", clock) == 1042.0
    assert call(pacer(tmp_path, clock), "read", clock) == 1042.0


def test_hosts_and_kinds_do_not_wait_for_each_other(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(10):
        call(pacer(tmp_path, clock), "token", clock)
    call(pacer(tmp_path, clock), "read", clock)
    call(pacer(tmp_path, clock, host="api.example.com"), "token", clock)
    assert clock.slept == 0


def test_without_limits_there_is_no_file(tmp_path: Path) -> None:
    clock = Clock()
    pace = pacer(tmp_path, clock, {})
    for _ in range(1000):
        call(pace, "write", clock)
    pace.pause("write", 100.0)
    assert (clock.slept, list(tmp_path.iterdir())) == (0, [])


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"turns": 1, "pause": {}}', '{"turns": {"token": [[1]]}, "pause": {}}']
)
def test_a_damaged_file_counts_as_full(tmp_path: Path, damage: str) -> None:
    clock = Clock()
    call(pacer(tmp_path, clock), "token", clock)
    (file,) = tmp_path.glob("*.json")
    file.write_text(damage)
    assert call(pacer(tmp_path, clock), "token", clock) == 1060.0


def test_a_clock_that_began_again_waits_at_most_once(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(10):
        call(pacer(tmp_path, clock), "token", clock)
    pacer(tmp_path, clock).pause("token", 3000.0)
    clock.now = 5.0
    assert call(pacer(tmp_path, clock), "token", clock) == 65.0


def test_the_file_is_private_and_holds_no_host_name_that_breaks_it(tmp_path: Path) -> None:
    clock = Clock()
    call(pacer(tmp_path, clock, host="../../EVIL host:8443"), "token", clock)
    (file,) = tmp_path.glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(file.read_text())) == {"turns", "pause"}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"pace towards api\.example\.org cannot be kept"):
        call(pacer(tmp_path / "file" / "folder", clock), "token", clock)


def test_wait_for_is_exact() -> None:
    limit = [Limit(2, 10.0)]
    assert wait_for([], limit, 5.0) == 0.0
    turns = [Turn(1.0, 1.0), Turn(4.0, 4.0)]
    assert wait_for(turns, limit, 5.0) == 6.0
    assert wait_for(turns, limit, 11.0) == 0.0


WORKER = """
import sys, time
from pathlib import Path
from dirconnector.model import no_progress
from dirconnector.organizations.pace import Limit, Pacer
pace = Pacer("h", {"write": [Limit(20, 0.5), Limit(5, 0.05)]}, folder=Path(sys.argv[1]))
for _ in range(25):
    with pace.turn("write", no_progress):
        print(time.monotonic(), flush=True)
"""


def test_several_processes_share_the_limit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    times = []
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        times += [float(line) for line in out.split()]
    assert len(times) == 75
    assert most_in_a_window(times, 0.5) <= 20
    assert most_in_a_window(times, 0.05) <= 5
