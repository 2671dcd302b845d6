"""A run that is interrupted or killed at any moment is run again and comes to the same end; two runs never meet."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.departments import SLOW
from tests.integration.world import SECONDS, Corner, World, kill, slapd_for_long, wait_for
from tests.servers.proxy import Proxy
from tests.servers.slapd import BASE

pytestmark = pytest.mark.slapd

NAMES = [f"p{number:02d}" for number in range(30)]
MOMENTS = 9
"""Calls that the run makes whose moments are tried: see :func:`scene`."""


class Scene:
    """A directory and an organization that differ in many ways: one run makes :data:`MOMENTS` calls."""

    def __init__(self, corner: Corner, world: World) -> None:
        self.corner, self.world = corner, world
        self.before = world.save()
        assert self.calls_made() == 1, "the first run is one import"
        world.dirsync("run")
        self.after, self.mails = world.everything(), world.mails()
        assert self.calls_made() == 1 + MOMENTS

    def calls_made(self) -> int:
        with closing(sqlite3.connect(f"file:{self.world.state}?mode=ro", uri=True)) as connection:
            ((number,),) = connection.execute("SELECT count(*) FROM calls")
        return int(number)

    def ends_well(self) -> None:
        """Run again: the same end as that of a run that nobody disturbed, and nobody was invited twice."""
        self.world.dirsync("run")
        assert self.world.everything() == self.after
        assert self.world.mails() == self.mails == Counter(f"{name}@example.org" for name in [*NAMES, "new"])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as servers:
        corner = Corner(slapd_for_long(servers, "", log_operations=True), BASE)
        groups = corner.group("All", NAMES) + corner.group("Ops", NAMES[:5])
        corner.server.add("".join(map(corner.person, NAMES)) + groups)
        world = World(tmp_path_factory.mktemp("interrupted"))
        world.configure({"hq": corner.server})
        world.dirsync("run")
        corner.fire(*NAMES[10:13])  # three are revoked
        corner.fire(NAMES[20])
        corner.hire(NAMES[20], "new")  # one gets another key, one is invited
        corner.join("All", "new")
        corner.leave("Ops", NAMES[0])
        with world.by_hand() as api:
            for name in NAMES[14:17]:  # three are restored
                api.revoke(world.member_id(f"{name}@example.org"))
            # somebody made by hand is in the group: its members have to be put by id
            ops = world.group_id("Ops")
            api.put_group_member_ids(ops, [*api.group_member_ids(ops), world.member_id("owner@local.invalid")])
        yield Scene(corner, world)


@pytest.fixture
def scene(prepared: Scene) -> Scene:
    prepared.world.load(prepared.before)
    prepared.world.configure({"hq": prepared.corner.server})
    return prepared


@contextmanager
def standing_still(scene: Scene, calls: int) -> Iterator[None]:
    """Let the run go on until so many calls are in its journal; then it cannot write to the state, because somebody
    reads there (SQLite's shared lock), and stands still before it writes down the end of that call.
    """
    with closing(sqlite3.connect(scene.world.state, isolation_level=None, timeout=0)) as connection:
        deadline = time.monotonic() + SECONDS
        # without a pause, so that no moment is missed
        while True:
            assert time.monotonic() < deadline, f"call {calls}"
            with suppress(sqlite3.OperationalError):  # locked, for as long as a transaction is written down
                connection.execute("BEGIN")
                ((number,),) = connection.execute("SELECT count(*) FROM calls")
                if number >= calls:
                    break
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        yield


def stands_still(scene: Scene, pid: int) -> bool:
    """Whether the run waits to write to the state: it has SQLite's pending lock (https://www.sqlite.org/lockingv3.html,
    the byte at 0x40000000).
    """
    inode = f":{scene.world.state.stat().st_ino} "
    return any(
        f"WRITE {pid} " in line and inode in line and f" {0x40000000} " in f"{line} "
        for line in Path("/proc/locks").read_text().splitlines()
    )


REVOCATION, REKEY, RESTORATION, IMPORT, BY_ID = 1, 4, 5, 8, 9
TRIES = 5


@pytest.mark.parametrize("moment", [REVOCATION, 3, REKEY, 7, IMPORT, BY_ID])
@pytest.mark.parametrize("call_made", [False, True], ids=["at once", "after the call"])
def test_killed_while_applying(scene: Scene, moment: int, call_made: bool) -> None:
    for _ in range(TRIES):
        if killed(scene, moment, call_made):
            break
        scene.world.load(scene.before)
    else:
        pytest.fail("the run is always over before it can be killed")
    assert scene.calls_made() >= 1 + moment
    scene.ends_well()


def killed(scene: Scene, moment: int, call_made: bool) -> bool:
    """Run and kill; False when the run was faster."""
    process = scene.world.start("run")
    try:
        with standing_still(scene, 1 + moment):
            if call_made:
                wait_for(lambda: stands_still(scene, process.pid) or process.poll() is not None, "the call is made")
            kill(process)
            process.communicate()
    finally:
        kill(process)
    return process.returncode == -signal.SIGKILL


HALF_A_TRANSACTION = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # so that changed pages reach the file before the end
connection.execute("BEGIN IMMEDIATE")
for statement in sys.argv[2:]:
    connection.execute(statement)
os.kill(os.getpid(), signal.SIGKILL)
"""


def cut_short(path: Path, *statements: str) -> None:
    """Leave a database as a process leaves it that is killed in the middle of a transaction."""
    subprocess.run([sys.executable, "-c", HALF_A_TRANSACTION, str(path), *statements], check=False)
    assert Path(f"{path}-journal").stat().st_size > 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run"], "Invited 1 person, re-keyed 1 person, restored 3 people, revoked 3 people"),
        (["plan"], "Would invite 1 person, re-key 1 person, restore 3 people, revoke 3 people"),
        (["explain", "p10@example.org"], "no longer in hq"),
        (["check"], "31 members"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_killed_in_the_middle_of_a_transaction(scene: Scene, command: list[str], words: str) -> None:
    world = scene.world
    before = world.org.read_bytes(), world.state.read_bytes()
    cut_short(world.org, "UPDATE members SET email = email || '.' || hex(randomblob(2000))", "DELETE FROM members")
    cut_short(
        world.state, "DELETE FROM good", "UPDATE managed SET directory = 'elsewhere', name = hex(randomblob(2000))"
    )
    assert world.org.read_bytes() != before[0]
    assert world.state.read_bytes() != before[1]
    assert words in world.dirsync(*command).out
    scene.ends_well()


def test_killed_while_the_organization_is_created(scene: Scene) -> None:
    world = scene.world
    world.org.unlink()
    cut_short(world.org, "CREATE TABLE members (id TEXT)", "INSERT INTO members VALUES (hex(randomblob(50000)))")
    world.dirsync("plan", "--exit-code", code=10)
    world.load(scene.before)
    scene.ends_well()


@pytest.mark.parametrize("moment", [REVOCATION, RESTORATION, IMPORT])
def test_ctrl_c_while_applying(scene: Scene, moment: int) -> None:
    process = scene.world.start("run")
    try:
        with standing_still(scene, 1 + moment):
            kill(process, signal.SIGINT)
        done = scene.world.finish(process)
    finally:
        kill(process)
    assert done.code == 130
    assert "Nothing is lost: run again, and the rest follows" in done.err
    assert scene.calls_made() >= 1 + moment
    scene.ends_well()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_interrupted_while_reading(scene: Scene, number: signal.Signals) -> None:
    world, server = scene.world, scene.corner.server
    before = world.org.read_bytes()
    server.reconfigure(access=[f'to dn.regex="{SLOW}" by * none'])  # type: ignore[attr-defined]  # a slapd
    world.change(page_size=1)
    answers = server.log.count("SEARCH RESULT")
    process = world.start("run")
    try:
        wait_for(lambda: server.log.count("SEARCH RESULT") > answers + 5, "the command reads")
        kill(process, number)
        _, said = process.communicate()
    finally:
        kill(process)
        server.reconfigure(access=[])  # type: ignore[attr-defined]  # a slapd
    assert world.org.read_bytes() == before
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted before anything was changed: nothing is lost, run again" in said
        assert "Traceback" not in said
    scene.ends_well()


def test_a_second_run_while_one_is_at_work(scene: Scene) -> None:
    world = scene.world
    with Proxy(to=scene.corner.server.ports[0], stall_after=3000) as proxy:
        world.change(url=proxy.url, tls={})
        first = world.start("run")
        try:
            wait_for(lambda: proxy.from_server > 3000, "the first run reads")
            second = world.dirsync("run", code=5)
            assert f"local:{world.org}: another run works on this organization (process {first.pid} on " in second.err
            assert world.document("run", code=5)["exit_code"] == 5
            world.configure({"hq": scene.corner.server})
            world.dirsync("plan", "--exit-code", code=10)
        finally:
            kill(first)
            first.communicate()
    scene.ends_well()
