"""What the pages tell a newcomer to type works: it is run here, or stands on a short list of what cannot be.

docs/walkthrough.md has a test of its own, against real servers.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from dirconnector.cli.group import COMMANDS, cli
from tests.cli.reference import BEGIN, END, ROOT, context

PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*.md")))
    if page.name != "walkthrough.md"
]

NOT_RUN = {
    "git clone ": "the network",
    "make demo": "installs from the network; the CI runs it",
    "python3 -m venv /opt/dirsync": "writes outside of the checkout",
    "/opt/dirsync/bin/pip install .": "installs from the network",
    "ln -s /opt/dirsync/bin/dirsync": "writes outside of the checkout",
    "*/15 * * * *": "a line for cron; its dirsync command is run",
    "ldapsearch ": "somebody else's server; tests/integration reads what it exports",
    "slapcat ": "somebody else's server",
    "ldifde ": "Windows",
    "sqlite3 ": "SQLite's own shell, which nothing else here needs",
    "eval ": "bash and zsh have a test of their own below",
    "_DIRSYNC_COMPLETE=fish_source": "likewise fish",
}
"""How a line that is not run begins, and why it is not."""

STAND_INS = {
    "ID": "0123456789ab",
    "PLAN": "0123456789ab",
    "3f2a90c1d7be": "0123456789ab",
    "FILE": "plan.json",
    "EMAIL": "ines.carvalho@example.org",
    "DIRECTORY": "company",
    "[DIRECTORY]": "company",
    "[RUN]": "1",
    "12": "1",
    "/opt/dirsync/bin/dirsync": "dirsync",
    "/var/lib/dirsync/dirsync.yaml": "config.example.yaml",
    "/etc/dirsync/": "many",
}
"""What a reader puts in the place of a word of the pages; paths of a real system are those of the copy here."""

MISSING = {
    ("init",): ("--output", "new.yaml", "--defaults"),
    ("apply",): ("plan.json",),
    ("explain",): ("ines.carvalho@example.org",),
}
"""What a command that a sentence only names has to be given."""

EXIT_CODES = {
    # nobody with these addresses works for the example company
    ("dirsync", "explain", "ana@example.org"): 1,
    ("dirsync", "explain", "somebody@example.org"): 1,
}
"""Where it is not 0."""


class Line(NamedTuple):
    """A line that a page tells to type."""

    page: str
    text: str


def _lines() -> Iterator[Line]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        text = before + rest.partition(END)[2]
        name = str(page.relative_to(ROOT))
        yield from (Line(name, line) for line in _typed(text))


def _typed(text: str) -> Iterator[str]:
    """Lines of ``sh`` and ``console`` blocks, indented ``dirsync`` lines, cron lines, and ``dirsync`` commands in the
    text itself.
    """
    fences = re.split(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for words, language, block in zip(fences[::3], [*fences[1::3], ""], [*fences[2::3], ""], strict=True):
        yield from (found.replace("\n", " ") for found in re.findall(r"`(dirsync [^`]+)`", words))
        yield from re.findall(r"^    (dirsync .+)$", words, flags=re.MULTILINE)
        lines = block.replace("\\\n", "").splitlines()
        if language == "sh":
            yield from (line for line in lines if line)
        elif language == "console":
            yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))
        elif not language:
            yield from lines


def _commands(line: str) -> Iterator[list[str]]:
    """The ``dirsync`` commands of a line, as words, with what stands for something replaced."""
    words = [STAND_INS.get(word, word) for word in shlex.split(line, comments=True)]
    # */15 * * * * USER COMMAND
    words = words[6:] if words[0] == "*/15" else words
    command: list[str] = []
    for word in [*words, "&&"]:
        if word in ("&&", ">", "|", ";"):
            if command[:1] == ["dirsync"]:
                yield command
            command = []
        else:
            command.append(word)


LINES = sorted({line.text: line for line in _lines()}.values())
RUN = sorted({tuple(command) for line in LINES for command in _commands(line.text)})


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example that has been synced once, with a folder of configurations beside it."""
    folder = tmp_path_factory.mktemp("synced")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copy(ROOT / "config.example.yaml", folder)
    (folder / "demo").mkdir()
    (folder / "many").mkdir()
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    (folder / "many" / "one.yaml").write_text(text.replace(" examples/", " ../examples/"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "locks"))
        result = CliRunner().invoke(cli, ["-c", str(folder / "config.example.yaml"), "run"], prog_name="dirsync")
        assert result.exit_code == 0, result.output
    return folder


@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_a_command_of_the_pages_works(
    words: tuple[str, ...], synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    shutil.copytree(synced, here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("DIRSYNC_CONFIG", "config.example.yaml")
    if "history" in words or "apply" in words:
        # both know the organization by its path, which is another one in each copy
        assert CliRunner().invoke(cli, ["plan", "-o", "plan.json"], prog_name="dirsync").exit_code == 0
    words = tuple("2" if words[1] == "history" and word == "1" else word for word in words)
    more = MISSING.get(words[1:], ()) or MISSING.get(words[1:2] if words[-1] == "--json" else (), ())
    result = CliRunner().invoke(cli, [*words[1:], *more], prog_name="dirsync")
    assert result.exit_code == EXIT_CODES.get(words, 0), result.output
    assert "Traceback" not in result.output


def test_every_other_line_has_a_reason_not_to_be_run() -> None:
    others = [line for line in LINES if not list(_commands(line.text)) or line.text.startswith("*/")]
    without = [line for line in others if not line.text.startswith(tuple(NOT_RUN))]
    assert not without
    unused = [start for start in NOT_RUN if not any(line.text.startswith(start) for line in others)]
    assert not unused


def test_the_pages_name_only_options_that_exist() -> None:
    for page in PAGES:
        for name, option in re.findall(r"dirsync (\w+)[^`\n]* (--[a-z-]+)", page.read_text(encoding="utf-8")):
            command = cli.get_command(context(), name) if name in COMMANDS else None
            if command is not None:
                known = {opt for param in command.params if isinstance(param, click.Option) for opt in param.opts}
                assert option in {*known, "--help"}, f"{page.name}: dirsync {name} {option}"


def test_what_the_pages_link_to_is_there() -> None:
    for page in (*PAGES, ROOT / "docs" / "walkthrough.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_for_completion(shell: str, tmp_path: Path) -> None:
    program = tmp_path / "dirsync"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dirconnector "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    line = {"bash": 'eval "$(_DIRSYNC_COMPLETE=bash_source dirsync)"; complete -p dirsync'}
    # the other two are seldom installed: what they would be given is looked at
    script = line.get(shell, f"_DIRSYNC_COMPLETE={shell}_source dirsync")
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert {"bash": "complete -o nosort -F", "zsh": "compdef", "fish": "complete "}[shell] in result.stdout
