"""The reference of the command line in docs/command-line.md, made from ``--help``.

Write it anew with ``python -m tests.cli.reference``.
"""

from __future__ import annotations

from pathlib import Path

import click

from dirconnector.cli.group import COMMANDS, cli

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
BEGIN = "<!-- reference: begin (made from --help; write it anew with: python -m tests.cli.reference) -->\n"
END = "<!-- reference: end -->\n"


def context() -> click.Context:
    """A context of the group as the program makes it, 100 columns wide."""
    return click.Context(cli, info_name="dirsync", terminal_width=100, **cli.context_settings)


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
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
