"""Logs on stderr: text for people, JSON lines for collectors. Both without secrets and control characters."""

from __future__ import annotations

import json
import logging
import sys
from copy import copy
from datetime import UTC, datetime
from traceback import format_exception

from dirconnector.output.clean import clean
from dirconnector.output.redact import Redaction

CHANGE = 25
"""The level of one applied change: more than information, less than a warning."""

_FOR_PEOPLE = (logging.WARNING, logging.INFO, logging.DEBUG)
_FOR_COLLECTORS = (CHANGE, logging.INFO, logging.DEBUG)
"""Levels by verbosity. People read the changes in the report on stdout already; a collector gets only the log."""


class StderrHandler(logging.Handler):
    """Writes to whatever ``sys.stderr`` is at the moment: a progress display puts itself in its place."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self.redaction = redaction

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, redacted and flushed."""
        if record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt):
            return  # a library was interrupted in its work: the command itself says so, without a traceback
        # before it is formatted: afterwards escapes may hide a secret from the search
        safe = copy(record)
        safe.msg, safe.args = self.redaction(record.getMessage()), None
        if record.exc_info:
            safe.exc_text = self.redaction("".join(format_exception(*record.exc_info)))
        try:
            sys.stderr.write(self.format(safe) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # stderr was closed: there is nobody left to tell
            return


class TextFormatter(logging.Formatter):
    """``warning: what is wrong``; changes and information without a prefix."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as one line, and the traceback when there is one."""
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        line = f"dirsync: {prefix}{clean(record.getMessage())}"
        if record.exc_text:
            line = "\n".join([line, *(clean(text) for text in record.exc_text.splitlines())])
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            entry["traceback"] = record.exc_text
        # ASCII only: escapes are what keeps control characters of any kind out
        return json.dumps(entry)


def set_up(*, quiet: bool = False, verbose: int = 0, json_lines: bool = False) -> StderrHandler:
    """Send the log to stderr; a handler of an earlier call is replaced.

    Other libraries are heard from warnings on, or in full with ``verbose`` 2.
    """
    logging.addLevelName(CHANGE, "CHANGE")
    levels = _FOR_COLLECTORS if json_lines else _FOR_PEOPLE
    level = logging.ERROR if quiet else levels[min(verbose, 2)]
    root = logging.getLogger()
    for old in _handlers():
        root.removeHandler(old)
    handler = StderrHandler(Redaction())
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if level == logging.DEBUG else max(level, logging.WARNING))
    logging.getLogger("dirconnector").setLevel(level)
    return handler


def redact_with(redaction: Redaction) -> None:
    """From now on keep these secrets out of the log as well."""
    for handler in _handlers():
        handler.redaction = redaction


def redacted(text: str) -> str:
    """``text`` as the log would show it, without secrets."""
    for handler in _handlers():
        text = handler.redaction(text)
    return text


def _handlers() -> list[StderrHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, StderrHandler)]
