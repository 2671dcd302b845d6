"""The options that every command has, before or after its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from dirconnector.errors import DirsyncError

F = TypeVar("F", bound=Callable[..., Any])
_KEY = "dirconnector."


class Shared(NamedTuple):
    """What the options of all commands say. ``verbose`` counts ``-v``."""

    config: str | None
    quiet: bool
    verbose: int
    no_color: bool
    log_format: str


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep what is given where both the group and the command find it; the command's word is the last."""
    if value:
        known = context.meta.get(f"{_KEY}{parameter.name}", 0) if parameter.name == "verbose" else 0
        context.meta[f"{_KEY}{parameter.name}"] = known + value if known else value


_OPTIONS = (
    click.option(
        "-c",
        "--config",
        metavar="FILE",
        help="The configuration; else $DIRSYNC_CONFIG, ./dirsync.yaml, the user's own.",
    ),
    click.option("--quiet", is_flag=True, help="On stderr only errors; no progress."),
    click.option("-v", "--verbose", count=True, help="Say more; -vv lets libraries speak as well."),
    click.option("--no-color", is_flag=True, help="No colours, as with $NO_COLOR."),
    click.option(
        "--log-format", type=click.Choice(["text", "json"]), help="The form of what goes to stderr; text by default."
    ),
)


def options(function: F) -> F:
    """Add the options themselves, without passing their values on."""
    for option in reversed(_OPTIONS):
        function = option(function)
    for parameter in getattr(function, "__click_params__", ()):
        if isinstance(parameter, click.Option) and parameter.name in Shared._fields:
            parameter.expose_value = False
            parameter.callback = _remember
    return function


def shared(context: click.Context) -> Shared:
    """What was given, wherever it stood."""
    given = {name: context.meta.get(f"{_KEY}{name}") for name in Shared._fields}
    return Shared(
        config=given["config"],
        quiet=bool(given["quiet"]),
        verbose=given["verbose"] or 0,
        no_color=bool(given["no_color"]),
        log_format=given["log_format"] or "text",
    )


def common(function: Callable[..., None]) -> Callable[..., None]:
    """A command: it has the common options, its log goes to stderr, and its first argument is :class:`Shared`."""

    @wraps(function)
    def command(*args: Any, **values: Any) -> None:
        from dirconnector.output import logs

        context = click.get_current_context()
        given = shared(context)
        logs.set_up(quiet=given.quiet, verbose=given.verbose, json_lines=given.log_format == "json")
        _stand_somewhere()
        function(given, *args, **values)

    return options(command)


def _stand_somewhere() -> None:
    from pathlib import Path

    try:
        Path.cwd()
    except OSError:
        raise DirsyncError("the current folder is gone, or may not be read; change to another one") from None


def want_json(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """The callback of options that ask for one JSON document."""
    if value in (True, "json"):
        context.meta[f"{_KEY}json"] = True
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=want_json, help="Print one JSON document instead of text."
)


def wants_json(context: click.Context) -> bool:
    """True when the command was asked for one JSON document, so that an error has to be one too."""
    return bool(context.meta.get(f"{_KEY}json"))


def view_options(function: F) -> F:
    """``--limit`` and ``--all``."""
    limit = click.option(
        "--limit", type=click.IntRange(min=1), default=40, show_default=True, help="Show about so many lines."
    )
    return limit(click.option("--all", "everything", is_flag=True, help="Show everything, line by line.")(function))
