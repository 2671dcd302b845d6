"""Groups put together from their appearances in a delta query."""

from __future__ import annotations

from typing import Any

import pytest

from dirconnector.model import Group
from dirconnector.readers.entra.teams import HIDDEN_MEMBERS, NO_NAME, Settled, Teams, in_scope, kind_of, settle


def user(key: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.user", "id": key}


def group(key: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.group", "id": key}


def gone(key: str) -> dict[str, Any]:
    return {"id": key, "@removed": {"reason": "deleted"}}


def item(key: str, *members: dict[str, Any], **more: Any) -> dict[str, Any]:
    usual = {"id": key, "displayName": key.upper(), "mailEnabled": False, "securityEnabled": True, "groupTypes": []}
    return usual | ({"members@delta": list(members)} if members else {}) | more


def settled(*items: dict[str, Any], kept: frozenset[str] | None = None, reads_hidden: bool = False) -> Settled:
    teams = Teams("hq", reads_hidden)
    teams.receive(items)
    return settle(teams, kept)


def shown(found: Settled) -> dict[str, tuple[set[str], set[str]]]:
    return {key: (set(g.members), set(g.subgroups)) for key, g in found.groups.items()}


def test_members_of_every_appearance_add_up_in_any_order() -> None:
    parts = [
        item("a", user("1"), group("b")),
        item("b"),
        item("a", user("2")),
        {"id": "a", "members@delta": [user("3")]},
    ]
    for order in (parts, parts[::-1], parts + parts):
        assert shown(settled(*order)) == {"a": ({"1", "2", "3"}, {"b"}), "b": (set(), set())}


def test_removed_members_and_groups() -> None:
    found = settled(item("a", user("1"), user("2"), group("b")), item("b"), item("a", gone("1"), gone("b")), gone("b"))
    assert shown(found) == {"a": ({"2"}, set())}


def test_a_group_that_comes_back_is_a_new_one() -> None:
    assert shown(settled(item("a", user("1")), gone("a"), item("a", user("2")))) == {"a": ({"2"}, set())}


def test_devices_contacts_and_applications_are_counted() -> None:
    others = [{"@odata.type": f"#microsoft.graph.{kind}", "id": kind} for kind in ("device", "orgContact")]
    found = settled(item("a", user("1"), *others))
    assert shown(found) == {"a": ({"1"}, set())}
    assert "2 memberships are of devices, contacts or applications" in found.notes
    assert found.gaps == []


def test_a_member_without_a_type_is_a_gap() -> None:
    assert settled(item("a", {"id": "1"})).gaps == ["1 members came without their type"]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "security"),
        ({"groupTypes": ["Unified", "DynamicMembership"], "mailEnabled": True}, "microsoft365"),
        ({"groupTypes": None, "mailEnabled": True, "securityEnabled": False}, "distribution"),
        ({"mailEnabled": True}, "mail-enabled-security"),
        ({"groupTypes": ["DynamicMembership"]}, "security"),
    ],
)
def test_kinds(more: dict[str, Any], kind: str) -> None:
    assert kind_of(item("a", **more)) == kind


def test_people_in_groups_that_are_left_out_still_count() -> None:
    items = [
        item("a", user("1"), group("x")),
        item("x", user("2"), group("y"), group("b")),
        item("y", user("3"), group("x")),
        item("b", user("4")),
        item("z", user("5")),
    ]
    found = settled(*items, kept=frozenset({"a", "b"}))
    assert shown(found) == {"a": ({"1", "2", "3"}, {"b"}), "b": ({"4"}, set())}


def test_scope_is_kinds_and_ids() -> None:
    teams = Teams("hq", False)
    teams.receive([item("a"), item("b", groupTypes=["Unified"]), item("c", groupTypes=["Unified"])])
    assert in_scope(teams.drafts, ["microsoft365"], None) == {"b", "c"}
    assert in_scope(teams.drafts, ["microsoft365"], frozenset({"a", "b"})) == {"b"}
    assert in_scope(teams.drafts, None, frozenset({"a"})) == {"a"}


# -------------------------------------------------------------------------------------------------- hidden and nameless


def test_a_group_with_hidden_membership_is_left_as_it_is() -> None:
    found = settled(item("h", visibility="HiddenMembership"), item("a", user("1")))
    assert found.groups.keys() == {"a"}
    assert found.faulty == {"h": ("H (h)", HIDDEN_MEMBERS)}
    assert found.gaps == []


def test_with_the_permission_a_hidden_group_may_be_empty() -> None:
    assert shown(settled(item("h", visibility="HiddenMembership"), reads_hidden=True)) == {"h": (set(), set())}


def test_hidden_members_inside_another_group_leave_a_gap() -> None:
    found = settled(item("h", visibility="HiddenMembership"), item("a", group("h")))
    assert len(found.gaps) == 1
    assert "Member.Read.Hidden" in found.gaps[0]


def test_hidden_members_below_groups_that_are_left_out_leave_a_gap_too() -> None:
    items = [item("h", visibility="HiddenMembership"), item("x", group("h")), item("a", group("x")), item("b")]
    assert settled(*items, kept=frozenset({"a"})).gaps
    assert not settled(*items, kept=frozenset({"b"})).gaps


def test_a_group_without_a_name_is_left_as_it_is() -> None:
    assert settled({"id": "a", "members@delta": [user("1")]}).faulty == {"a": ("a", NO_NAME)}


# ------------------------------------------------------------------------------------------------------------- changes

BEFORE = {
    "a": Group(
        key="a", name="A", directory="hq", entry="A (a)", members=frozenset({"1", "2"}), subgroups=frozenset("b")
    ),
    "b": Group(key="b", name="B", directory="hq", entry="B (b)"),
}


def changed(*items: dict[str, Any], faulty: dict[str, tuple[str, str]] | None = None) -> tuple[Teams, Settled]:
    teams = Teams("hq", False, before=BEFORE, faulty_before=faulty or {})
    teams.receive(items)
    return teams, settle(teams, None)


def test_changes_are_put_over_what_was_known() -> None:
    _, found = changed({"id": "a", "members@delta": [gone("1"), user("3")]}, item("c", user("9")))
    assert shown(found) == {"a": ({"2", "3"}, {"b"}), "b": (set(), set()), "c": ({"9"}, set())}
    assert found.groups["a"].name == "A"
    assert found.groups["b"] is BEFORE["b"]
    assert BEFORE["a"].members == {"1", "2"}


def test_a_renamed_group_keeps_its_members() -> None:
    _, found = changed({"id": "a", "displayName": "New"})
    assert (found.groups["a"].name, found.groups["a"].entry) == ("New", "New (a)")
    assert shown(found)["a"] == ({"1", "2"}, {"b"})


def test_a_removed_group_is_gone_and_a_replay_of_it_too() -> None:
    assert changed(gone("a"), gone("a"))[1].groups.keys() == {"b"}


def test_whether_the_members_of_a_group_that_returns_are_told_again_nobody_promises() -> None:
    teams, found = changed(gone("a"), item("a", user("7")))
    assert teams.partial
    assert shown(found)["a"] == ({"7"}, set())
    unified = {"groupTypes": ["Unified"], "mailEnabled": True}
    assert changed(item("c", **unified))[0].partial
    assert not changed(item("c", user("1"), **unified))[0].partial
    assert not changed(item("c"))[0].partial


def test_a_change_of_a_group_that_was_faulty_cannot_be_put_together() -> None:
    teams, _ = changed(item("h"), faulty={"h": ("H (h)", HIDDEN_MEMBERS)})
    assert teams.partial
    teams, found = changed(item("c"), faulty={"h": ("H (h)", HIDDEN_MEMBERS)})
    assert not teams.partial
    assert found.faulty.keys() == {"h"}


def test_an_old_hidden_group_in_a_new_place_leaves_a_gap() -> None:
    assert changed(item("c", group("h")), faulty={"h": ("H (h)", HIDDEN_MEMBERS)})[1].gaps
