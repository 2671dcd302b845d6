"""Limits hold, and an approval releases exactly what was looked at, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.world import INVITED, REVOKED, Corner, World, changes
from tests.servers.slapd import BASE, Slapd

pytestmark = pytest.mark.slapd

NAMES = [f"p{number:02d}" for number in range(24)]


def address(name: str) -> str:
    return f"{name}@example.org"


@pytest.fixture
def corner(slapd: Callable[..., Slapd]) -> Corner:
    corner = Corner(slapd(), BASE)
    corner.server.add("".join(map(corner.person, NAMES)) + corner.group("All", NAMES))
    return corner


@pytest.fixture
def world(corner: Corner, tmp_path: Path) -> World:
    world = World(tmp_path)
    world.configure({"hq": corner.server})
    world.dirsync("run")
    return world


def test_a_held_plan_is_approved_once(corner: Corner, world: World) -> None:
    corner.fire(*NAMES[:6])
    corner.hire("new")
    corner.join("All", "new")
    report = world.document("run", code=3)
    assert changes(report, "held") == Counter(("revoke", address(name)) for name in NAMES[:6])
    assert {held["limit"] for held in report["held"]} == {"limits.removals"}
    assert "6 of 24 managed members would lose access (25 %; limit 20 %, floor 5)" in report["held"][0]["why"]
    assert world.members()[address("new")].groups == ("All",), "additions of the same run go on"
    assert all(world.members()[address(name)].status == INVITED for name in NAMES)
    approval = report["plan_id"]
    held = world.org.read_bytes()
    done = world.dirsync("run", code=3)
    assert f"--approve {approval}" in done.out, "the additions are in, and the id is still good"

    corner.fire(NAMES[6])
    done = world.dirsync("run", "--approve", approval, code=3)
    assert f"--approve {approval} does not fit" in done.err
    assert world.org.read_bytes() == held, "what was approved was another set"

    corner.hire(NAMES[6])
    report = world.document("run", code=3)
    approval = report["plan_id"]
    report = world.document("run", "--approve", approval)
    assert changes(report) == Counter(("revoke", address(name)) for name in NAMES[:6])
    assert {name for name in NAMES if world.members()[address(name)].status == REVOKED} == set(NAMES[:6])

    after = world.org.read_bytes()
    done = world.dirsync("run", "--approve", approval)
    assert done.out.startswith("Nothing to do")
    assert world.org.read_bytes() == after


def test_an_approval_does_not_outlive_its_plan(corner: Corner, world: World) -> None:
    """The same people may go only as often as somebody says so."""
    corner.fire(*NAMES[:6])
    approval = world.document("run", code=3)["plan_id"]
    world.dirsync("run", "--approve", approval)
    corner.fire(*NAMES[6:12])
    world.dirsync("run", "--approve", approval, code=3)
    assert all(world.members()[address(name)].status == INVITED for name in NAMES[6:])


def test_a_group_that_empties_is_held_and_people_still_leave(corner: Corner, world: World) -> None:
    corner.leave("All", *NAMES[:13])
    corner.fire(NAMES[20])
    report = world.document("run", code=3)
    assert changes(report) == Counter([("revoke", address(NAMES[20]))])
    assert changes(report, "held") == Counter(("remove_membership", address(name), "All") for name in NAMES[:13])
    assert {held["limit"] for held in report["held"]} == {"limits.group_members"}
    world.dirsync("run", "--approve", report["plan_id"])
    assert [name for name in NAMES if world.members()[address(name)].groups] == NAMES[13:]
    world.in_step()
