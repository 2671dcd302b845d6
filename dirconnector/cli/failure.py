"""How errors are told: in words on stderr, and as a document on stdout when one was asked for."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from dirconnector.errors import ConfigError, DirsyncError
from dirconnector.output.clean import json_text
from dirconnector.output.logs import redacted
from dirconnector.output.stdout import write

logger = logging.getLogger(__name__)

MOST = 40
"""So many problems of a configuration are said in words. ``--json`` has them all."""


def error_document(error: BaseException, exit_code: int) -> dict[str, Any]:
    """What a program is told instead of the document that it asked for."""
    document: dict[str, Any] = {"error": redacted(str(error) or type(error).__name__)}
    if isinstance(error, ConfigError):
        document["config_problems"] = [redacted(problem) for problem in error.problems]
    return {**document, "exit_code": exit_code}


def tell(error: DirsyncError, where: str = "") -> None:
    """Say what went wrong; one line for each problem, after ``where``."""
    lines = error.problems if isinstance(error, ConfigError) else (str(error),)
    for line in lines[:MOST]:
        logger.error("%s%s", where, line)
    if len(lines) > MOST:
        logger.error("%sand %d more like these", where, len(lines) - MOST)


def tell_bug(error: Exception, where: str = "") -> None:
    """Say that this was not foreseen, with everything that a report needs, after ``where``."""
    logger.error(
        "%sunexpected %s: this is a mistake in dirsync. Please report it with the lines below, after removing what is "
        "private. Nothing is lost: it is safe to run again",
        where,
        type(error).__name__,
        exc_info=error,
    )


def report_error(error: DirsyncError, *, as_json: bool) -> None:
    """End a command that failed in a way we can name."""
    tell(error)
    if as_json:
        _write(error_document(error, error.exit_code))


def report_bug(error: Exception, *, as_json: bool) -> None:
    """End a command that failed in a way nobody thought of."""
    tell_bug(error)
    if as_json:
        _write(error_document(error, 1))


def report_interrupt(error: KeyboardInterrupt, *, as_json: bool, exit_code: int) -> None:
    """End a command that somebody stopped."""
    words = str(error) or "interrupted: nothing is lost, run again"
    logger.error("%s", words)
    if as_json:
        _write(error_document(KeyboardInterrupt(words), exit_code))


def _write(document: dict[str, Any]) -> None:
    # where stdout takes nothing, stderr has said it
    with suppress(DirsyncError):
        write(json_text(document))
