"""An emulator of each sort for all traps, as new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bitwarden import Site, organization_on, vaultwarden_on
from tests.emulators.bitwarden import BitwardenEmulator


@pytest.fixture(scope="session")
def _emulator() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator() as running:
        yield running


@pytest.fixture(scope="session")
def _vaultwarden() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator(vaultwarden=True) as running:
        yield running


@pytest.fixture
def emulator(_emulator: BitwardenEmulator) -> BitwardenEmulator:
    """A self-hosted Bitwarden server with one owner."""
    _emulator.reset()
    return _emulator


@pytest.fixture
def site(emulator: BitwardenEmulator, tmp_path: Path) -> Site:
    """Kind bitwarden."""
    return Site(emulator, organization_on(emulator, tmp_path), tmp_path)


@pytest.fixture
def vault(_vaultwarden: BitwardenEmulator, tmp_path: Path) -> Site:
    """Kind vaultwarden, with groups switched on on both sides."""
    _vaultwarden.reset()
    _vaultwarden.state.organization.org_groups_enabled = True
    folder = tmp_path / "vault"
    folder.mkdir()
    return Site(_vaultwarden, vaultwarden_on(_vaultwarden, folder, groups=True), folder)
