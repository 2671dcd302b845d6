"""Full disks, folders that cannot be written, a state that is gone or damaged, configurations with mistakes."""

from __future__ import annotations

import ctypes
import resource
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.integration.world import Corner, World
from tests.servers.slapd import BASE, Slapd

pytestmark = pytest.mark.slapd

NAMES = [f"p{number:02d}" for number in range(12)]
NEW = [f"n{number:02d}" for number in range(40)]


@pytest.fixture
def corner(slapd: Callable[..., Slapd]) -> Corner:
    corner = Corner(slapd(), BASE)
    corner.server.add("".join(map(corner.person, NAMES)) + corner.group("All", NAMES))
    return corner


@pytest.fixture
def fresh(corner: Corner, tmp_path: Path) -> World:
    """Configured, and not yet run."""
    world = World(tmp_path)
    world.configure({"hq": corner.server})
    return world


@pytest.fixture
def world(fresh: World) -> World:
    fresh.dirsync("run")
    return fresh


def much_to_do(corner: Corner) -> None:
    corner.hire(*NEW)
    corner.join("All", *NEW)
    corner.fire(NAMES[0])


def everybody_once(world: World) -> None:
    assert world.mails() == Counter(f"{name}@example.org" for name in [*NAMES, *NEW])
    assert set(world.members()) == {*world.mails(), "owner@local.invalid"}


# ------------------------------------------------------------------------------------------------------- a full disk


def no_file_beyond(size: int) -> None:
    """In the new process: no file may grow beyond so many bytes, as on a disk that is full (EFBIG for ENOSPC)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def padded(path: Path, table: str, size: int) -> int:
    """Make a database bigger than ``size`` with a table of its own; its new size."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (filling)")
        connection.execute(f"INSERT INTO {table} VALUES (zeroblob({size}))")
    return path.stat().st_size


def test_no_room_for_the_organization(corner: Corner, world: World) -> None:
    much_to_do(corner)
    limit = padded(world.org, "padding", 2_000_000)
    before = world.everything(), world.mails()
    done = world.dirsync("run", code=4, before=partial(no_file_beyond, limit))
    assert f"{world.org}: reading or writing failed: look at the disk and its quota, then run again" in done.out
    assert world.mails() == before[1]
    world.dirsync("run")
    everybody_once(world)
    world.in_step()


@pytest.mark.parametrize("pages", [0, 1, 3, 8, 20])
def test_no_room_for_the_state(corner: Corner, world: World, pages: int) -> None:
    """At whatever moment it becomes full: what was done is known, or found out, and nothing is done twice."""
    much_to_do(corner)
    limit = padded(world.state, "padding", 2_000_000) + 4096 * pages
    process = world.start("run", before=partial(no_file_beyond, limit))
    done = world.finish(process)
    said = f"{world.state}: the disk cannot be read or written (full, over quota, a file size limit, or failing)"
    if done.code != 0 or said in done.err:
        assert said in done.err
    if pages == 0:
        assert done.code == 1
    world.dirsync("run")
    everybody_once(world)


# ------------------------------------------------------------------------------------------- rights, losses and damage


def without_the_rights_of_root() -> None:
    """In the new process: rights of files count for root as well (capabilities(7), CAP_DAC_OVERRIDE); for anybody else
    nothing changes.
    """
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


@pytest.fixture
def sealed(world: World) -> Iterator[Path]:
    """The state in a folder of its own, which nobody may write."""
    folder = world.folder / "sealed"
    folder.mkdir()
    state = folder / "state.db"
    world.state.rename(state)
    config = yaml.safe_load(world.config.read_text())
    world.write({**config, "state": {"url": f"sqlite:///{state}"}})
    state.chmod(0o400)
    folder.chmod(0o500)
    yield state
    folder.chmod(0o700)


def test_a_state_that_cannot_be_written(corner: Corner, world: World, sealed: Path) -> None:
    corner.fire(NAMES[0])
    before = world.org.read_bytes()
    dry = world.dirsync("run", "--dry-run", before=without_the_rights_of_root)
    assert f"{NAMES[0]}@example.org  no longer in hq" in dry.out
    assert f"this dry run will not be in the history: {sealed}: cannot be written" in dry.err
    done = world.dirsync("run", code=1, before=without_the_rights_of_root)
    assert f"dirsync: error: {sealed}: cannot be written. Give the user who runs dirsync the right to wr" in done.err
    assert world.org.read_bytes() == before


def test_a_state_that_was_deleted_costs_nothing(world: World) -> None:
    before = world.org.read_bytes()
    world.state.unlink()
    assert world.dirsync("run").out.startswith("Nothing to do")
    assert world.org.read_bytes() == before
    world.in_step()


def test_a_deleted_state_and_a_leaver(corner: Corner, world: World) -> None:
    world.state.unlink()
    corner.fire(NAMES[0])
    world.dirsync("run")
    assert [e for e, m in world.members().items() if m.status == -1] == [f"{NAMES[0]}@example.org"]
    everybody = {f"{name}@example.org" for name in NAMES}
    assert set(world.mails()) == everybody


def test_a_deleted_state_and_an_emptied_directory(corner: Corner, world: World) -> None:
    """There is nothing left to compare the directory with, but what it says is compared with the members."""
    world.state.unlink()
    corner.fire(*NAMES)
    before = world.org.read_bytes()
    done = world.dirsync("run", code=3)
    assert "hq has no users at all: check base, filter and rights" in done.out
    assert world.org.read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "half", "zeros in the middle", "another program's"])
def test_a_damaged_state_is_named_with_its_cure(corner: Corner, world: World, damage: str) -> None:
    corner.fire(NAMES[0])
    content = world.state.read_bytes()
    if damage == "another program's":
        world.state.unlink()
        with closing(sqlite3.connect(world.state)) as connection, connection:
            connection.execute("CREATE TABLE bookmarks (url)")
    else:
        damaged = {
            "text": b"this is no database\n" * 1000,
            "half": content[: len(content) // 2],
            "zeros in the middle": content[:8192] + bytes(len(content) - 8192),
        }[damage]
        world.state.write_bytes(damaged)
    before = world.org.read_bytes()
    done = world.dirsync("run", code=1)
    assert done.err.startswith(f"dirsync: error: {world.state}: ")
    assert "safe to delete it" in done.err
    assert world.org.read_bytes() == before
    assert "no longer in" in world.dirsync("run", "--dry-run").out, "a dry run needs no state"
    world.state.unlink()
    world.dirsync("run")
    world.in_step()


# ------------------------------------------------------------------------------------------------- the configuration


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: ldap", "kind: ladp", "directories.hq.kind"),
        ("bind_dn:", "binddn:", "directories.hq.binddn"),
        ("tls:\n", "tls:\n      verfy: false\n", "directories.hq.tls.verfy"),
        ("kind: local", "kind: local\n  seats: many", "organization.seats"),
        ("state:", "limits: {removals: {percent: 200}}\nstate:", "limits.removals.percent"),
        ("state:", "select: {users: {include: [{grup: x}]}}\nstate:", "grup"),
        ("state:", "state: {}\nstate:", "state"),
    ],
)
def test_mistakes_are_named_with_file_and_line(fresh: World, old: str, new: str, words: str) -> None:
    text = fresh.config.read_text()
    assert old in text
    broken = text.replace(old, new, 1)
    fresh.config.write_text(broken)
    key = words.rpartition(".")[2]
    lines = [number for number, line in enumerate(broken.splitlines(), 1) if key in line]
    (problem,) = fresh.document("run", code=2)["config_problems"]
    assert any(problem.startswith(f"{fresh.config}:{line}: ") for line in lines), problem
    assert words in problem
    assert not fresh.org.exists()


def test_a_group_that_was_renamed_is_not_an_empty_one(corner: Corner, world: World) -> None:
    config = yaml.safe_load(world.config.read_text())
    world.write({**config, "select": {"users": {"include": [{"group": "All"}]}}})
    world.in_step()
    corner.rename_group("All", "Everybody")
    before = world.org.read_bytes()
    done = world.dirsync("run", code=2)
    assert (
        "select.users: {group: All}: no group named 'All' was read from the directories. It may have been re"
        in done.err
    )
    assert world.org.read_bytes() == before
