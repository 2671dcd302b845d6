"""The contract, on a Bitwarden server over HTTP (the emulator), and what this kind adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dirconnector.model import no_progress
from tests.bitwarden import FastTime, organization_on, plant
from tests.contract.organization_contract import Hosted, OrganizationContract, Seed, Serve
from tests.emulators.bitwarden import BitwardenEmulator


@pytest.fixture(scope="module")
def emulator() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator() as running:
        yield running


class TestBitwardenOrganization(OrganizationContract):
    @pytest.fixture
    def serve(self, emulator: BitwardenEmulator, tmp_path: Path) -> Iterator[Serve]:
        with ExitStack() as opened:

            def start(seed: Seed) -> Hosted:
                plant(emulator, seed)
                organization = organization_on(emulator, tmp_path, time_=FastTime())
                by_hand = opened.enter_context(organization.client(no_progress))
                return Hosted(organization=organization, by_hand=by_hand)

            yield start
