"""What becomes of one user of Graph."""

from __future__ import annotations

from typing import Any

import pytest

from dirconnector.readers.entra.people import People, Shape, email_of, is_guest, path_of, problems_of, shape_of
from dirconnector.readers.entra.settings import EntraSettings

APP = "2f1c9b1e-0d5e-4b7a-9a5b-0c8a1d2e3f40"


def shape(attributes: frozenset[str] = frozenset(), cloud: str = "public", **users: Any) -> Shape:
    given = {"tenant": "contoso.com", "client_id": APP, "client_secret": {"env": "S"}, "cloud": cloud, "users": users}
    return shape_of("hq", EntraSettings.model_validate(given), attributes)


def item(**more: Any) -> dict[str, Any]:
    usual = {"id": "1", "displayName": "Ana", "userPrincipalName": "ana@contoso.com", "accountEnabled": True}
    return usual | more


@pytest.mark.parametrize(
    ("found", "users", "email"),
    [
        ({"mail": "Ana@Example.org"}, {}, "Ana@Example.org"),
        ({"mail": None}, {}, "ana@contoso.com"),
        ({"mail": ""}, {}, "ana@contoso.com"),
        ({"mail": "a@x.org"}, {"email": ["userPrincipalName", "mail"]}, "ana@contoso.com"),
        ({"mail": None}, {"email": "mail"}, ""),
        ({"userPrincipalName": "ana@contoso.onmicrosoft.com"}, {}, ""),
        ({"userPrincipalName": "ana@contoso.onmicrosoft.com"}, {"onmicrosoft": True}, "ana@contoso.onmicrosoft.com"),
        ({"userPrincipalName": "ana@CONTOSO.OnMicrosoft.com"}, {}, ""),
        ({"userPrincipalName": "ana@notonmicrosoft.com"}, {}, "ana@notonmicrosoft.com"),
        ({"mail": "ana@contoso.onmicrosoft.com"}, {}, "ana@contoso.onmicrosoft.com"),
        ({"userPrincipalName": "a_b.org#EXT#@contoso.com"}, {"onmicrosoft": True}, ""),
        ({"userPrincipalName": "ana"}, {}, ""),
        ({"otherMails": ["o@x.org", "p@x.org"]}, {"email": ["mail", "otherMails"]}, "o@x.org"),
        ({"otherMails": []}, {"email": ["otherMails"]}, ""),
        (
            {"proxyAddresses": ["smtp:second@x.org", "SMTP:first@x.org", "X500:/o=x"]},
            {"email": ["proxyAddresses"]},
            "first@x.org",
        ),
        ({"proxyAddresses": ["smtp:second@x.org"]}, {"email": ["proxyAddresses"]}, ""),
    ],
)
def test_the_address(found: dict[str, Any], users: dict[str, Any], email: str) -> None:
    assert email_of(item(**found), shape(**users)) == email


@pytest.mark.parametrize(
    ("cloud", "name"), [("china", "ana@contoso.partner.onmschina.cn"), ("us-government", "ana@contoso.onmicrosoft.us")]
)
def test_the_domains_that_every_tenant_has_in_other_clouds(cloud: str, name: str) -> None:
    assert email_of(item(userPrincipalName=name), shape(cloud=cloud)) == ""


@pytest.mark.parametrize(
    ("found", "guest"),
    [
        ({"userType": "Guest"}, True),
        ({"userType": "guest"}, True),
        ({"userType": "Member"}, False),
        ({"userType": None}, False),
        ({}, False),
        ({"userType": None, "userPrincipalName": "x_y.org#EXT#@contoso.com"}, True),
        ({"userPrincipalName": "x_y.org#ext#@contoso.com"}, True),
    ],
)
def test_guests(found: dict[str, Any], guest: bool) -> None:
    assert is_guest(item(**found)) is guest


def test_guests_may_be_left_out() -> None:
    people = People(shape(guests="exclude"))
    people.receive([item(userType="Guest"), item(id="2")])
    assert people.users.keys() == {"2"}
    assert "1 guests were left out" in people.notes


@pytest.mark.parametrize("state", [None, "true", 1])
def test_an_unknown_state_is_neither_disabled_nor_gone(state: Any) -> None:
    people = People(shape())
    people.receive([item(accountEnabled=state)])
    assert not people.users
    assert people.faulty["1"][0] == "ana@contoso.com"
    assert [p.entry for p in problems_of(people.faulty, "hq")] == ["ana@contoso.com"]


def test_a_state_that_was_not_sent_is_unknown_in_a_list() -> None:
    people = People(shape())
    people.receive([{"id": "1", "userPrincipalName": "a@x.org"}])
    assert people.faulty.keys() == {"1"}


def test_the_last_word_counts() -> None:
    people = People(shape())
    people.receive([item(accountEnabled=None), item(displayName="Anna"), item(accountEnabled=False, displayName="A")])
    assert (people.users["1"].name, people.users["1"].enabled, people.faulty) == ("A", False, {})


def test_a_change_without_state_or_name_says_nothing() -> None:
    for missing in ("accountEnabled", "userPrincipalName"):
        people = People(shape())
        people.receive_changes([{k: v for k, v in item().items() if k != missing}])
        assert people.partial


def test_somebody_who_comes_out_of_the_recycle_bin_may_be_in_groups_again() -> None:
    people = People(shape(), deleted_before=frozenset({"1"}))
    people.receive_changes([item(id="2")])
    assert not people.partial
    people.receive_changes([item()])
    assert people.partial


def test_removed_in_both_ways() -> None:
    people = People(shape())
    people.receive([item(), item(id="2"), item(id="3")])
    people.receive_changes([{"id": i, "@removed": {"reason": r}} for i, r in (("1", "changed"), ("2", "deleted"))])
    assert people.users.keys() == {"3"}


def test_attributes_by_their_lower_case_names() -> None:
    wanted = frozenset(
        {"jobtitle", "extensionattribute3", "costcenter", "othermails", "onpremisessyncenabled", "shoesize", "city"}
        | {"extension_0123456789abcdef0123456789abcdef_team"}
    )
    made = shape(wanted)
    assert made.unknown == ("shoesize",)
    assert {"jobTitle", "onPremisesExtensionAttributes", "employeeOrgData", "otherMails"} <= set(made.select.split(","))
    assert "shoesize" not in made.select.casefold()
    people = People(made)
    people.receive(
        [
            item(
                jobTitle="Cook",
                onPremisesExtensionAttributes={"extensionAttribute3": "x", "extensionAttribute4": "y"},
                employeeOrgData={"costCenter": "12"},
                otherMails=["a@x.org", "b@x.org"],
                onPremisesSyncEnabled=True,
                city=None,
                extension_0123456789abcdef0123456789abcdef_Team="Blue",
            )
        ]
    )
    assert dict(people.users["1"].attributes) == {
        "jobtitle": ("Cook",),
        "extensionattribute3": ("x",),
        "costcenter": ("12",),
        "othermails": ("a@x.org", "b@x.org"),
        "onpremisessyncenabled": ("true",),
        "extension_0123456789abcdef0123456789abcdef_team": ("Blue",),
    }


def test_no_attribute_is_selected_for_nothing() -> None:
    assert shape(email="mail").select == "id,displayName,userPrincipalName,accountEnabled,userType,mail"
    assert path_of("aboutme") == ()


def test_objects_without_an_id_are_a_gap() -> None:
    people = People(shape())
    people.receive([item(id=None), item(id=7)])
    assert people.gaps == ["2 users came without an id"]


def test_many_problems_are_listed_up_to_a_hundred() -> None:
    found = problems_of({str(n): (f"e{n}", "why") for n in range(150)}, "hq")
    assert len(found) == 101
    assert found[-1].why == "and 50 more entries like the one before"
