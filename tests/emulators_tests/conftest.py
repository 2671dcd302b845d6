"""One emulator of each kind for all tests; each test finds it as newly started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulators.bitwarden import BitwardenEmulator
from tests.emulators_tests.client import Api


@pytest.fixture(scope="session")
def _self_hosted() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def _vaultwarden() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator(vaultwarden=True) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def _cloud() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator(cloud=True, rate_limits=False) as emulator:
        yield emulator


def _fresh(emulator: BitwardenEmulator) -> Iterator[Api]:
    emulator.reset()
    yield Api(emulator)
    assert not emulator.core.crashes


@pytest.fixture
def api(_self_hosted: BitwardenEmulator) -> Iterator[Api]:
    """A self-hosted server."""
    yield from _fresh(_self_hosted)


@pytest.fixture
def cloud(_cloud: BitwardenEmulator) -> Iterator[Api]:
    """The cloud with its caps and scaling seats, but without rate limits."""
    yield from _fresh(_cloud)


@pytest.fixture
def vault(_vaultwarden: BitwardenEmulator) -> Iterator[Api]:
    """A Vaultwarden server."""
    yield from _fresh(_vaultwarden)
