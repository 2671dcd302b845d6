"""One run at a time for each organization, with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dirconnector.errors import LockHeld, StateError
from dirconnector.state.lock import default_folder, lock_file, organization_lock

NOBODY = 65534

HOLD = """
import sys
from pathlib import Path
from dirconnector.state.lock import organization_lock
with organization_lock(sys.argv[1], Path(sys.argv[2]) if sys.argv[2] else None):
    print("held", flush=True)
    sys.stdin.readline()
    if sys.argv[3:] == ["fail"]:
        raise ZeroDivisionError
print("released", flush=True)
"""

Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Starts processes that hold a lock until a line on their standard input; they end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(organization: str, folder: Path | str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, organization, str(folder), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=30)


def test_another_process_is_refused_at_once_and_told_who_holds_it(tmp_path: Path, hold: Hold) -> None:
    process = hold("acme", tmp_path, "--config", "acme.yaml")
    with pytest.raises(LockHeld) as caught, organization_lock("acme", tmp_path):
        pytest.fail("two at once")
    message = str(caught.value)
    assert message.startswith("acme: another run works on this organization (process ")
    for part in (f"process {process.pid} on ", ", since 20", "--config acme.yaml", "Let it end, or stop it"):
        assert part in message


def test_kill_9_releases_it_although_the_files_stay(tmp_path: Path, hold: Hold) -> None:
    process = hold("acme", tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    left = {path.suffix for path in tmp_path.iterdir()}
    assert left == {".lock", ".holder"}
    with organization_lock("acme", tmp_path):
        assert str(os.getpid()) in lock_file("acme", tmp_path).with_suffix(".holder").read_text()


@pytest.mark.parametrize("words", [(), ("fail",)])
def test_the_end_of_the_block_releases_it_also_after_an_error(
    tmp_path: Path, hold: Hold, words: tuple[str, ...]
) -> None:
    process = hold("acme", tmp_path, *words)
    process.communicate("end\n", timeout=30)
    with organization_lock("acme", tmp_path):
        pass


def test_an_error_in_the_block_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), organization_lock("acme", tmp_path):
        raise ZeroDivisionError
    with organization_lock("acme", tmp_path):
        pass


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with organization_lock("acme", tmp_path):
        with pytest.raises(LockHeld, match=f"process {os.getpid()} "), organization_lock("acme", tmp_path):
            pytest.fail("twice")
        # the refused one has not let go of the first one's lock
        with pytest.raises(LockHeld), organization_lock("acme", tmp_path):
            pytest.fail("twice")


def test_other_organizations_are_free(tmp_path: Path, hold: Hold) -> None:
    hold("acme", tmp_path)
    with organization_lock("acme 2", tmp_path), organization_lock("ACME", tmp_path):
        pass


def test_who_holds_it_is_never_trusted(tmp_path: Path, hold: Hold) -> None:
    path = lock_file("acme", tmp_path)
    path.parent.mkdir(exist_ok=True)
    path.write_text("1")
    path.with_suffix(".holder").write_text('{"pid": 1, "host": "h", "since": "s", "command": "init"}')
    with organization_lock("acme", tmp_path):
        pass
    hold("acme", tmp_path)
    for rubbish in ("", "[1]", "{}", "\udcff"):
        path.with_suffix(".holder").write_bytes(rubbish.encode("utf-8", "surrogateescape"))
        with pytest.raises(LockHeld, match="nothing is written down"), organization_lock("acme", tmp_path):
            pytest.fail("two at once")
    path.with_suffix(".holder").unlink()
    with pytest.raises(LockHeld), organization_lock("acme", tmp_path):
        pytest.fail("two at once")


def test_file_names_are_readable_and_tell_everything_apart(tmp_path: Path) -> None:
    name = "https://bw.example.org/organization.0000"
    assert lock_file(name, tmp_path).name.startswith("https-bw-example-org-organization-0000-")
    alike = ["a/b", "a-b", "A/B", "../a/b", "", "ä", "\udcff", "x" * 300, "x" * 301]
    files = {lock_file(organization, tmp_path) for organization in alike}
    assert len(files) == len(alike)
    assert all(path.parent == tmp_path and len(path.name) < 120 for path in files)


# --------------------------------------------------------------------------------------------------------- the folder


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, and beside it a temporary folder, that an unprivileged user can reach, unlike pytest's own."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    (root / "home").mkdir()
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(root / "tmp"))
    yield root / "home"
    shutil.rmtree(root)


@pytest.fixture
def unprivileged(home: Path) -> Iterator[None]:
    """A user who cannot write the home: root becomes nobody, anybody else loses the right."""
    home.chmod(0o555)
    real, effective = os.getuid(), os.geteuid()
    if effective == 0:
        os.setresuid(NOBODY, NOBODY, 0)
    yield
    if effective == 0:
        os.setresuid(real, effective, 0)
    home.chmod(0o755)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_default_folder_is_in_the_home_for_the_owner_alone(home: Path) -> None:
    assert default_folder() == home / ".local/state/dirsync/locks"
    assert mode(default_folder()) == 0o700
    with organization_lock("acme"):
        (lock,) = default_folder().glob("*.lock")
        (holder,) = default_folder().glob("*.holder")
        assert (mode(lock), mode(holder)) == (0o600, 0o600)


def test_two_runs_without_a_folder_exclude_each_other(home: Path, hold: Hold) -> None:
    hold("acme", "")
    with pytest.raises(LockHeld), organization_lock("acme"):
        pytest.fail("two at once")


def test_xdg_state_home_is_honoured_when_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "xdg"))
    assert default_folder() == home / "xdg/dirsync/locks"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_folder() == home / ".local/state/dirsync/locks"


@pytest.mark.parametrize("already_there", [False, True])
def test_a_home_that_cannot_be_written_falls_back_to_the_temporary_folder(
    home: Path, already_there: bool, request: pytest.FixtureRequest
) -> None:
    if already_there:
        locks = home / ".local/state/dirsync/locks"
        locks.mkdir(parents=True)
        locks.chmod(0o555)
    request.getfixturevalue("unprivileged")
    folder = default_folder()
    assert folder == home.parent / "tmp" / f"dirsync-{os.getuid()}" / "locks"
    assert (mode(folder), mode(folder.parent)) == (0o700, 0o700)
    with organization_lock("acme"), pytest.raises(LockHeld), organization_lock("acme"):
        pytest.fail("twice")


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("trap", ["open", "link"])
def test_a_trap_in_the_temporary_folder_is_refused(home: Path, trap: str) -> None:
    mine = home.parent / "tmp" / f"dirsync-{os.getuid()}"
    if trap == "open":
        mine.mkdir()
        mine.chmod(0o777)
    else:
        (home.parent / "tmp" / "private").mkdir(mode=0o700)
        mine.symlink_to(home.parent / "tmp" / "private")
    with pytest.raises(StateError, match=r"not a folder that only this user can write.*Set XDG_STATE_HOME"):
        default_folder()


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_cannot_be_used_is_said_with_the_cure(home: Path) -> None:
    cure = r"the lock cannot be taken .*or set XDG_STATE_HOME"
    with pytest.raises(StateError, match=cure), organization_lock("acme", home / "locks"):
        pytest.fail("locked nothing")


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    lock_file("acme", tmp_path).symlink_to(tmp_path / "precious")
    with pytest.raises(StateError, match="the lock cannot be taken"), organization_lock("acme", tmp_path):
        pytest.fail("locked a link")
    assert (tmp_path / "precious").read_text() == "keep me"
