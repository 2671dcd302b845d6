"""Fixtures of the real servers, and the rule that nothing is skipped in CI."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.servers.server import ServerMissingError
from tests.servers.slapd import Slapd

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _no_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With CI=true a skipped test is a failed one: nobody would notice that a server has been missing for a
    year.
    """
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure when CI=true: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _no_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _no_skip(report)
    return report


@pytest.fixture
def slapd() -> Iterator[Callable[..., Slapd]]:
    """Starts OpenLDAP servers: ``slapd(tree, overlays=["ppolicy"], ...)``; they end with the test."""
    with ExitStack() as servers:

        def start(*args: Any, **settings: Any) -> Slapd:
            try:
                return servers.enter_context(Slapd(*args, **settings))
            except ServerMissingError as missing:
                pytest.skip(str(missing))

        yield start
