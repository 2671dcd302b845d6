"""The real process: what it imports, how it exits, what reaches stdout and stderr."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dirconnector.cli.group import COMMANDS, cli
from tests.cli.company import Company
from tests.cli.conftest import TWELVE
from tests.cli.reference import context

HEAVY = ("pydantic", "sqlalchemy", "ldap3", "rich", "yaml", "filelock")
ROOT = Path(__file__).parents[2]


def _dirsync(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    command = [sys.executable, "-m", "dirconnector", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


def _imported(*words: str) -> set[str]:
    """Top-level packages that a command line imports."""
    lines = _dirsync(*words, PYTHONPROFILEIMPORTTIME="1").stderr.splitlines()
    names = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    assert "dirconnector.cli" in names
    return {name.partition(".")[0] for name in names}


def test_the_help_does_not_even_import_click() -> None:
    assert not _imported("--help") & {"click", "typing", "re", *HEAVY}
    assert "Usage: dirsync [OPTIONS] COMMAND" in _dirsync("-h").stdout


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("frobnicate",), ()])
def test_the_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not _imported(*words) & set(HEAVY)


def test_json_does_not_import_rich(company: Company) -> None:
    imported = _imported("run", "-c", str(company.config), "--json")
    assert "sqlalchemy" in imported
    assert "rich" not in imported
    assert "ldap3" not in imported


def test_the_table_of_commands_has_the_commands_own_words() -> None:
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(context(), name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").partition("\n\n")[0].replace("\n", " ") == line


def test_completion_offers_commands_and_options() -> None:
    asked = "import dirconnector.cli as c; c.main()"
    environment = {**os.environ, "_DIRSYNC_COMPLETE": "bash_complete", "COMP_WORDS": "dirsync r", "COMP_CWORD": "1"}
    result = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert result.stdout == "plain,run\n"
    assert "--config" in [item.value for item in cli.shell_complete(context(), "--c")]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("frobnicate",), 2),
        (("run", "--frobnicate"), 2),
        (("snapshot", "nowhere"), 2),
        (("plan", "--exit-code"), 10),
        (("run", "--dry-run"), 0),
        (("run",), 0),
        (("explain", "nobody@example.org"), 1),
    ],
)
def test_exit_codes_of_the_process(company: Company, words: tuple[str, ...], code: int) -> None:
    assert _dirsync("-c", str(company.config), *words).returncode == code


def test_no_configuration_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = _dirsync("run", XDG_CONFIG_HOME=str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith("dirsync: error: no configuration found")
    assert result.stdout == ""


@pytest.mark.parametrize("words", [("run",), ("check", "--json"), ("init", "--defaults")])
def test_in_a_folder_that_is_gone(company: Company, tmp_path: Path, words: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = shlex.join([sys.executable, "-m", "dirconnector", *words, "-c", "dirsync.yaml"])
    result = subprocess.run(
        ["sh", "-c", f"rmdir {gone} && exec {command}"],
        capture_output=True,
        text=True,
        cwd=gone,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=120,
    )
    assert result.returncode == 1
    assert result.stderr == "dirsync: error: the current folder is gone, or may not be read; change to another one\n"


def test_an_unforeseen_error_keeps_its_traceback_and_asks_to_be_reported(company: Company) -> None:
    company.people(*TWELVE)
    broken = "import dirconnector.sync as s; s.prepare = lambda *a, **k: 1 / 0; import dirconnector.cli as c; c.main()"
    command = [sys.executable, "-c", broken, "run", "--json", "-c", str(company.config)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    assert result.returncode == 1
    assert "Please report it" in result.stderr
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert json.loads(result.stdout)["exit_code"] == 1


def test_a_reader_that_goes_away_is_no_error(company: Company) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "dirconnector", "run", "--quiet", "-c", str(company.config)]
    result = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False, timeout=120
    )
    os.close(writing)
    assert result.stderr == ""
    assert result.returncode == 0
    assert (company.folder / "organization.db").exists()


@pytest.mark.parametrize("words", [("run",), ("run", "--json"), ("check",), ("--help",), ("history", "--json")])
def test_whoever_closes_stdout_does_not_want_to_read_it(company: Company, words: tuple[str, ...]) -> None:
    command = shlex.join([sys.executable, "-m", "dirconnector", *words])
    environment = {**os.environ, "DIRSYNC_CONFIG": str(company.config)}
    result = subprocess.run(
        ["sh", "-c", f"exec {command} <&- >&-"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_without_any_stream_the_databases_are_whole(company: Company) -> None:
    environment = {**os.environ, "DIRSYNC_CONFIG": str(company.config)}
    command = f"{shlex.quote(sys.executable)} -m dirconnector run -v"
    shell = f"exec {command} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], cwd=ROOT, env=environment, check=False, timeout=120).returncode == 0
    assert company.document("run", "--json")["summary"]["invite"] == 0
    assert company.document("history", "1", "--json")["report"]["outcome"]["applied"] == 25


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [("run",), ("run", "--json"), ("check", "--json"), ("--help",), ("--version",)])
def test_a_full_disk_under_stdout_is_said_in_one_line(company: Company, words: tuple[str, ...]) -> None:
    environment = {**os.environ, "DIRSYNC_CONFIG": str(company.config), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "dirconnector", *words]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=False, timeout=120
        )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "cannot be written" in result.stderr
    assert "No space left on device" in result.stderr


def test_ctrl_c_exits_with_130_and_says_that_nothing_is_lost(company: Company) -> None:
    started = company.folder / "started"
    slow = f"state: {{url: {{command: [sh, -c, 'touch {started}; exec sleep 60']}}}}"
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(text.partition("state:")[0] + slow, encoding="utf-8")
    command = [sys.executable, "-m", "dirconnector", "run", "-c", str(company.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        _wait_for(started)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: nothing is lost, run again" in said
    assert "Traceback" not in said


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, f"{path} does not appear"
        time.sleep(0.01)


def _in_a_terminal(*words: str, **more: str) -> str:
    """What a command line writes to a terminal of 80 columns."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **more}
    command = [sys.executable, "-m", "dirconnector", *words]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment) as process:
        os.close(slave)
        written = b""
        try:
            while piece := os.read(master, 65536):
                written += piece
        except OSError:  # Linux: EIO when the last process closes the terminal
            pass
        process.wait(timeout=60)
    os.close(master)
    return written.decode("utf-8")


def test_colours_on_a_terminal_unless_they_are_not_wanted(company: Company) -> None:
    words = ("-c", str(company.config), "run", "--dry-run")
    assert "\x1b[1;32m" in _in_a_terminal(*words)
    # the cursor may be hidden and shown for the progress display; colours are what must be gone
    assert "\x1b[1" not in _in_a_terminal(*words, "--no-color", "--quiet")
    assert "\x1b[1" not in _in_a_terminal(*words, "--quiet", NO_COLOR="1")
    assert "\x1b" not in _dirsync(*words).stdout
