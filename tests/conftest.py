"""Fixtures of the real servers, and the rule that nothing is skipped in CI."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest

from tests.servers.ds389 import DirectoryServer389
from tests.servers.samba_ad import SambaAD
from tests.servers.server import DirectoryServer, ServerMissingError
from tests.servers.slapd import Slapd

# a shell that starts the tests in the background has them ignore Ctrl-C, and so would every program that they start
signal.signal(signal.SIGINT, signal.default_int_handler)

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


Server = TypeVar("Server", bound=DirectoryServer)


def _begin(servers: ExitStack, make: type[Server], *args: Any, **settings: Any) -> Server:
    """Start a server that ends with ``servers``; the test is skipped, with the cure, when it is not
    installed.
    """
    try:
        server = make(*args, **settings)
        servers.enter_context(server)
        return server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def slapd() -> Iterator[Callable[..., Slapd]]:
    """Starts OpenLDAP servers: ``slapd(tree, overlays=["ppolicy"], ...)``; they end with the test."""
    with ExitStack() as servers:
        yield lambda *args, **settings: _begin(servers, Slapd, *args, **settings)


@pytest.fixture(scope="session")
def samba() -> Iterator[SambaAD]:
    """The domain controller of this test session; ``samba.unit("...")`` makes a corner of its own for a
    test.
    """
    with ExitStack() as servers:
        yield _begin(servers, SambaAD)


@pytest.fixture(scope="session")
def ds389() -> Iterator[DirectoryServer389]:
    """The 389 Directory Server of this test session; ``ds389.unit("...")`` makes a corner of its own for a
    test.
    """
    with ExitStack() as servers:
        yield _begin(servers, DirectoryServer389)
