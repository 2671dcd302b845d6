"""The reference in docs/command-line.md, and the text of ``dirsync --help``, made from the commands themselves.

Write both anew with ``python -m tests.cli.reference``.
"""

from __future__ import annotations

from pathlib import Path

import click

from dirconnector.cli.group import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "command-line.md"
HELP = ROOT / "dirconnector" / "cli" / "help.py"
BEGIN = "<!-- reference: begin (made from --help; write it anew with: python -m tests.cli.reference) -->\n"
END = "<!-- reference: end -->\n"


def context(width: int = 100) -> click.Context:
    """A context of the group as the program makes it, for a terminal of ``width`` columns."""
    return click.Context(cli, info_name="dirsync", terminal_width=width, **cli.context_settings)


def help_module() -> str:
    """The module that ``dirsync --help`` prints without importing anything."""
    text = "\n".join(line.rstrip() for line in cli.get_help(context(80)).splitlines())
    assert '"""' not in text and "\\" not in text
    return f'''"""``dirsync --help``, ready to print. Made by ``python -m tests.cli.reference``; a test compares."""

HELP = """\\
{text}
"""
'''


def reference() -> str:
    """The help of the group and of every command, as Markdown."""
    group = context()
    parts = [_block("dirsync", cli.get_help(group))]
    for name in COMMANDS:
        command = cli.get_command(group, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=group)
        parts.append(_block(f"dirsync {name}", command.get_help(inner)))
    return "\n".join(parts)


def _block(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"### {title}\n\n```text\n{lines}\n```\n"


def with_reference(page: str) -> str:
    """The page with its reference replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, "the marks of the reference are missing"
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


if __name__ == "__main__":
    HELP.write_text(help_module(), encoding="utf-8")
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
