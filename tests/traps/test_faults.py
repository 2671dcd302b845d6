"""Every fault that the emulator can inject, at every call: the run says what is open, the next one finishes it."""

from __future__ import annotations

import pytest

from dirconnector.errors import OrganizationError
from tests.bitwarden import Site, why
from tests.traps.lifecycle import CALLS, is_done, prepare

ONCE = (
    "401",
    "429",
    "500",
    "500_after",
    "502_before",
    "502_after",
    "504_after",
    "drop_before",
    "drop_after",
    "slow:0.05",
)
"""What a run gets over by itself when it happens once."""

REINVITE = "POST /public/members/{id}/reinvite"
TOKEN = "POST /connect/token"
SUBSCRIPTION = "GET /public/organization/subscription"


def code(site: Site) -> int:
    """The exit code of a run; whatever fails is said."""
    try:
        report = site.run()
    except OrganizationError as error:
        assert str(error)
        return error.exit_code
    if report.exit_code == 4:
        assert why(report)
    return report.exit_code


def test_without_faults_every_call_is_made(site: Site) -> None:
    prepare(site)
    assert code(site) == 0
    is_done(site)
    assert site.emulator.calls.keys() == set(CALLS)
    assert site.plan().changes == ()


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_happens_once_is_got_over(site: Site, call: str, fault: str) -> None:
    prepare(site)
    site.emulator.faults.add(call, fault, nth=1)
    never_repeated = call == REINVITE and fault not in ("401", "429", "slow:0.05")
    refused = call == TOKEN and fault == "401"
    assert code(site) == (4 if never_repeated else 1 if refused else 0)
    assert site.emulator.faults.shown()[0]["struck"] == 1
    if refused:
        assert code(site) == 0
    is_done(site)
    assert site.plan().changes == ()


@pytest.mark.parametrize("fault", [*ONCE[:-1], "skip:*"])
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_lasts_is_said_and_the_next_run_finishes(site: Site, call: str, fault: str) -> None:
    prepare(site)
    site.emulator.faults.add(call, fault)
    found = code(site)
    harmless = call == SUBSCRIPTION or (call == REINVITE and fault == "skip:*")
    expected = (0, 1) if call == SUBSCRIPTION else (0,) if harmless else (1, 4)
    if found == 0 and not harmless:
        # every call was carried out behind its fault, and reading back showed it
        assert fault.endswith("_after")
    else:
        assert found in expected
    site.emulator.faults.clear()
    if found != 0:
        assert code(site) == 0
    is_done(site)
    assert site.plan().changes == ()


@pytest.mark.parametrize("seed", range(12))
def test_faults_at_random(site: Site, seed: int) -> None:
    """One call in five goes wrong in one of several ways, for as many runs as it takes."""
    prepare(site)
    for number, fault in enumerate(("502_after", "drop_before", "500_after", "429", "drop_after", "401")):
        site.emulator.faults.add("*/public/*", fault, probability=0.04, seed=seed * 10 + number)
    for _ in range(12):
        if code(site) == 0 and site.plan().changes == ():
            break
    else:
        site.emulator.faults.clear()
        assert code(site) == 0
    is_done(site)
