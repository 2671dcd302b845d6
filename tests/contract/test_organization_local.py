"""The contract, on the organization in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from dirconnector.organizations.local import LocalOrganization, LocalSettings
from tests.contract.organization_contract import Hosted, OrganizationContract, Seed, Serve


class TestLocalOrganization(OrganizationContract):
    @pytest.fixture
    def serve(self, tmp_path: Path) -> Iterator[Serve]:
        numbers = count()
        with ExitStack() as open_files:

            def start(seed: Seed) -> Hosted:
                folder = tmp_path / str(next(numbers))
                folder.mkdir()
                (folder / "seed.json").write_text(json.dumps(seed))
                settings = LocalSettings.model_validate(
                    {"path": "org.db", "seed": "seed.json"}, context={"folder": folder}
                )
                organization = LocalOrganization(settings)
                by_hand = open_files.enter_context(organization.endpoints())
                return Hosted(organization=organization, by_hand=by_hand)

            yield start
