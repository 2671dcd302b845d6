"""Attributes of Google users by name."""

from __future__ import annotations

from typing import Any

import pytest

from dirconnector.readers.google.attributes import field_of, first, selected, values
from dirconnector.readers.google.people import fields_wanted
from dirconnector.readers.google.settings import Users

ANA: dict[str, Any] = {
    "primaryEmail": "ana@example.com",
    "name": {"givenName": "Ana", "fullName": "Ana Silva"},
    "suspended": False,
    "orgUnitPath": "/Sales",
    "aliases": ["a@example.com", "as@example.com", "a@example.com"],
    "emails": [
        {"address": "ana@example.com", "primary": True},
        {"address": "ana@home.example", "type": "home"},
        {"address": "ana@club.example", "type": "custom", "customType": "Club"},
    ],
    "organizations": [{"department": "Old", "title": ""}, {"department": "Sales", "primary": True}],
    "locations": [{"area": "desk"}, {"area": "desk"}, {"buildingId": "B1"}],
    "relations": [{"type": "manager", "value": "boss@example.com"}],
    "phones": "not a list",
    "notes": {"value": "text", "contentType": "text_plain"},
    "customSchemas": {"Vault": {"level": 3, "since": None, "tags": [{"value": "x", "type": "work"}]}},
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orgunitpath", ("/Sales",)),
        ("orgUnitPath", ("/Sales",)),
        ("suspended", ("false",)),
        ("aliases", ("a@example.com", "as@example.com")),
        ("name.givenname", ("Ana",)),
        ("givenname", ("Ana",)),
        ("emails", ("ana@example.com", "ana@home.example", "ana@club.example")),
        ("emails.home", ("ana@home.example",)),
        ("emails.club", ("ana@club.example",)),
        ("emails.address", ("ana@example.com",)),
        ("department", ("Sales",)),
        ("title", ()),
        ("locations.area", ("desk",)),
        ("manager", ("boss@example.com",)),
        ("phones", ("not a list",)),
        ("phones.work", ()),
        ("notes", ("text",)),
        ("customschemas.vault.level", ("3",)),
        ("customschemas.vault.since", ()),
        ("customschemas.vault.tags", ("x",)),
        ("customschemas.other.level", ()),
        ("orgunitpath.deeper", ()),
        ("shoesize", ()),
        ("password", ()),
    ],
)
def test_values(name: str, expected: tuple[str, ...]) -> None:
    assert values(ANA, name) == expected


def test_the_first_that_has_a_value() -> None:
    assert first(ANA, ("emails.work", "emails.club", "primaryEmail")) == "ana@club.example"
    assert first(ANA, ("emails.work",)) == ""


def test_only_what_is_there() -> None:
    assert selected(ANA, frozenset({"orgunitpath", "shoesize", "title"})) == {"orgunitpath": ("/Sales",)}


@pytest.mark.parametrize(
    ("name", "field"),
    [("orgunitpath", "orgUnitPath"), ("department", "organizations"), ("x", ""), ("emails.", ""), ("", "")],
)
def test_fields(name: str, field: str) -> None:
    assert field_of(name) == field


def test_the_token_of_the_next_page_is_always_asked_for() -> None:
    """Without it in ``fields`` the first page looks like the last."""
    asked = fields_wanted(Users(email=["emails.work"]), frozenset({"department", "shoesize", "givenname"}))
    assert asked == (
        "kind,nextPageToken,users(archived,customerId,emails,id,isAdmin,name,organizations,primaryEmail,suspended)"
    )
    assert fields_wanted(Users(), frozenset()) == (
        "kind,nextPageToken,users(archived,customerId,id,isAdmin,name(fullName),primaryEmail,suspended)"
    )
