"""docs/command-line.md says what the program says."""

from __future__ import annotations

import click

from dirconnector.cli.group import COMMANDS, cli
from dirconnector.cli.run import SERIOUS
from tests.cli.reference import BEGIN, HELP, PAGE, context, help_module, with_reference


def test_the_reference_is_that_of_the_program() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_reference(page), "write it anew with: python -m tests.cli.reference"


def test_the_help_that_is_ready_to_print_is_that_of_the_program() -> None:
    assert HELP.read_text(encoding="utf-8") == help_module(), "write it anew with: python -m tests.cli.reference"


def test_every_command_and_every_option_has_help_and_is_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    words = page.partition(BEGIN)[0]
    for name in COMMANDS:
        command = cli.get_command(context(), name)
        assert command is not None
        assert f"`dirsync {name}" in words, f"the page does not say what {name} is for"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"
                assert all(f"{option}" in page for option in parameter.opts)


def test_every_exit_code_is_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| {code} |" in page for code in SERIOUS)
