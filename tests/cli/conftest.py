"""A company of twelve people, and an environment that nobody's own settings reach."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirconnector.output.logs import StderrHandler
from tests.cli.company import Company

TWELVE = tuple(f"person{number:02}" for number in range(12))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    for name in ("DIRSYNC_CONFIG", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    loggers = (logging.getLogger(), logging.getLogger("dirconnector"))
    levels = [logger.level for logger in loggers]
    yield
    for handler in [h for h in loggers[0].handlers if isinstance(h, StderrHandler)]:
        loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """Configured, with twelve people in its directory and nobody in its organization yet."""
    company = Company(tmp_path)
    company.configure()
    company.people(*TWELVE)
    return company
