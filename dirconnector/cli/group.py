"""The group of commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import click

from dirconnector import __version__
from dirconnector.cli.options import options, wants_json
from dirconnector.errors import DirsyncError

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

COMMANDS = {
    "init": ("dirconnector.cli.init:init", "Ask a few questions and write a commented configuration."),
    "check": ("dirconnector.cli.check:check", "Try every connection and name the cure of what fails."),
    "run": ("dirconnector.cli.run:run", "Make the organization equal to the directories."),
    "plan": ("dirconnector.cli.plan:plan", "Show, or save, what a run would do. Only reads."),
    "apply": ("dirconnector.cli.plan:apply", "Apply a saved plan, if neither side has moved since."),
    "snapshot": ("dirconnector.cli.snapshot:snapshot", "Show the selected users and groups of the directories."),
    "explain": ("dirconnector.cli.explain:explain", "Say why a person is in or out."),
    "history": ("dirconnector.cli.history:history", "List the runs, or show one with its changes and calls."),
}
"""Command -> ``module:object`` and its line in the help. A test compares the lines with the commands' own."""


class Commands(click.Group):
    """A group that imports a command only when it is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which somebody new needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of the help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """Names of commands, without importing anything, and options."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=line) for name, (_, line) in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> object:
        """Run the command behind the error boundary."""
        with _boundary(ctx):
            return super().invoke(ctx)


@contextmanager
def _boundary(context: click.Context) -> Iterator[None]:
    try:
        yield
    except DirsyncError as error:
        from dirconnector.cli.failure import report_error

        report_error(error, as_json=wants_json(context))
        context.exit(error.exit_code)
    except KeyboardInterrupt as error:
        from dirconnector.cli.failure import report_interrupt

        report_interrupt(error, as_json=wants_json(context), exit_code=INTERRUPTED)
        context.exit(INTERRUPTED)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        from dirconnector.cli.failure import report_bug

        report_bug(error, as_json=wants_json(context))
        context.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dirsync", message="%(prog)s %(version)s")
@options
def cli() -> None:
    """Keep a Bitwarden organization equal to what your directories say.

    Begin with `dirsync init`, then `dirsync check`, then `dirsync run --dry-run`.
    """
