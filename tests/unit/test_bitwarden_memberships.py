"""Whose members are read, and what a group's members are expected to be."""

from __future__ import annotations

import pytest

from dirconnector.organizations.bitwarden.client import Sent
from dirconnector.organizations.bitwarden.memberships import (
    after_applying,
    before_planning,
    expected_memberships,
    spread,
    still_there,
)
from tests.build import member, org_group


def test_what_is_not_known_is_read_and_a_part_of_the_rest_oldest_first() -> None:
    assert before_planning(["a", "b", "c", "d"], ["d", "b"], budget=1, verify=False) == ["a", "c", "d"]
    assert before_planning(["a", "b", "c", "d"], ["d", "b"], budget=0, verify=False) == ["a", "c"]
    assert before_planning(["a", "b"], ["gone", "b", "a"], budget=1, verify=False) == ["b"]
    assert before_planning(["a", "b"], ["a", "b"], budget=99, verify=False) == ["a", "b"]
    assert before_planning(["a", "b"], ["b"], budget=0, verify=True) == ["a", "b"]


def test_afterwards_a_sample_of_what_was_answered_without_a_doubt() -> None:
    must, sample = after_applying(["a", "b", "c", "d", "e"], {"a"}, {"b", "c", "d"}, at_most=2)
    assert (must, sample) == (["e"], ["b", "c"])


@pytest.mark.parametrize(
    ("number", "expected"), [(0, []), (1, ["0"]), (2, ["0", "3"]), (3, ["0", "2", "4"]), (9, list("012345"))]
)
def test_a_sample_is_spread(number: int, expected: list[str]) -> None:
    assert spread(list("012345"), number) == expected


def test_expected_members() -> None:
    sent = Sent(
        by_key={"sales": ("ana", "skipped"), "lost": ("ana",)},
        by_id={"g-mixed": frozenset({"m-ana", "m-removed"}), "g-lost2": frozenset({"m-ana"})},
        doubtful={"lost", "g-lost2"},
    )
    groups = [org_group("sales"), org_group("mixed"), org_group("lost"), org_group("lost2"), org_group("other")]
    assert expected_memberships(sent, [member("ana")], groups) == {
        "g-sales": frozenset({"m-ana"}),
        "g-mixed": frozenset({"m-ana"}),
    }


def test_who_was_removed_is_in_no_group() -> None:
    assert still_there({"g": frozenset({"a", "b"})}, {"a": 1}) == {"g": frozenset({"a"})}
