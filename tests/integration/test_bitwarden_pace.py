"""Towards a server with the cloud's limits: nothing is ever refused, over several runs at once and one after another.

A minute of the emulator lasts three seconds, and so does ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirconnector.model import no_progress
from dirconnector.organizations.bitwarden import BitwardenOrganization, BitwardenSettings
from dirconnector.organizations.connection import Timing
from tests.bitwarden import Site, entry_for
from tests.build import group, user
from tests.emulators.bitwarden import BitwardenEmulator

MINUTE = 3.0
CLOUD = {"writes_per_minute": 60, "writes_per_second": 5, "reads_per_minute": 200, "tokens_per_minute": 10}


def _clock() -> float:
    return time.monotonic() * 60.0 / MINUTE


def _sleep(seconds: float) -> None:
    time.sleep(seconds * MINUTE / 60.0)


@pytest.fixture
def cloud() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator(cloud=True, minute_seconds=MINUTE) as running:
        yield running


def organization(cloud: BitwardenEmulator, folder: Path) -> BitwardenOrganization:
    settings = BitwardenSettings.model_validate(entry_for(cloud, folder, pace=CLOUD))
    return BitwardenOrganization(settings, timing=Timing(clock=_clock, sleep=_sleep), pace_folder=folder)


def refused(cloud: BitwardenEmulator) -> int:
    return sum(answer.status == 429 for answer in cloud.answers)


def test_a_run_with_more_writes_than_a_minute_allows(cloud: BitwardenEmulator, tmp_path: Path) -> None:
    site = Site(cloud, organization(cloud, tmp_path), tmp_path)
    leavers = [f"p{number}" for number in range(70)]
    for name in leavers:
        cloud.state.enrol(f"{name}@example.org", external_id=name)
    site.wants([user("ana")], [group("staff", ["ana"])])
    assert site.run().exit_code == 0
    assert site.writes()["POST /public/members/{id}/revoke"] == 70
    assert refused(cloud) == 0


def test_several_at_once_share_the_limits(cloud: BitwardenEmulator, tmp_path: Path) -> None:
    """Twelve programs (each with a token of its own) read and write until two minutes' worth is used up."""
    members = [cloud.state.enrol(f"p{n}@example.org", external_id=f"p{n}") for n in range(84)]
    errors: list[BaseException] = []

    def work(program: BitwardenOrganization, mine: list[str]) -> None:
        try:
            with program.client(no_progress) as client:
                for member_id in mine:
                    client.revoke(member_id)
                    for _ in range(3):
                        client.member(member_id)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(organization(cloud, tmp_path), [m.id for m in members[n::12]]))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert cloud.calls["POST /connect/token"] == 12
    assert cloud.calls["POST /public/members/{id}/revoke"] == 84
    assert refused(cloud) == 0


def test_what_was_refused_all_the_same_is_waited_for(cloud: BitwardenEmulator, tmp_path: Path) -> None:
    """Another machine behind the same address has used the minute up. In the server's own seconds."""
    settings = BitwardenSettings.model_validate(entry_for(cloud, tmp_path, pace={}))
    site = Site(cloud, BitwardenOrganization(settings), tmp_path)
    site.wants([user("ana")])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with organization(cloud, elsewhere).client(no_progress) as client:
        for _ in range(199):
            client.groups()
    assert site.run().exit_code == 0
    assert refused(cloud) >= 1
    assert site.status("ana@example.org") == "invited"


def test_a_server_that_counts_is_recognised_by_its_answers(cloud: BitwardenEmulator, tmp_path: Path) -> None:
    """Whatever its address: from the first answer on, its limits are kept."""
    settings = BitwardenSettings.model_validate(entry_for(cloud, tmp_path))
    fast = Timing(clock=_clock, sleep=_sleep)
    site = Site(cloud, BitwardenOrganization(settings, timing=fast, pace_folder=tmp_path), tmp_path)
    for number in range(66):
        cloud.state.enrol(f"p{number}@example.org", external_id=f"p{number}")
    site.wants([user("ana")])
    assert site.plan().forecast.seconds > 60
    assert site.run().exit_code == 0
    assert site.writes()["POST /public/members/{id}/revoke"] == 66
    assert refused(cloud) == 0
    assert any("limits of the cloud" in finding.detail for finding in site.organization.check())
