"""Rows of OneLogin users as people: every number of status and state, every way to an e-mail address."""

from __future__ import annotations

from typing import Any

import pytest

from dirconnector.readers.onelogin.people import STATE, STATUS, People, Wanted, judge

ROW: dict[str, Any] = {
    "id": 7,
    "email": "ana@example.org",
    "username": "ana",
    "firstname": "Ana",
    "lastname": "Silva",
    "status": 1,
    "state": 1,
    "created_at": "2019-08-22T18:43:55.188Z",
    "role_ids": [1, 2],
}


def people(*rows: dict[str, Any], email: tuple[str, ...] = ("email",), **wanted: Any) -> People:
    found = People(Wanted(**({"directory": "hq", "email": email, "pending": "skip"} | wanted)))
    found.receive(ROW | row for row in rows)
    return found


def verdict(status: object, state: object) -> str:
    return judge(status, state)[0]


@pytest.mark.parametrize("status", range(-1, 12))
@pytest.mark.parametrize("state", range(-1, 6))
def test_every_pair_of_numbers(status: int, state: int) -> None:
    """https://developers.onelogin.com/api-docs/2/users/user-resource"""
    if status == 2 or state in (2, 3):
        expected = "disabled"
    elif status not in STATUS or state not in STATE:
        expected = "unknown"
    elif status in (0, 7, 8) or state == 0:
        expected = "pending"
    else:
        assert (status in (1, 3, 4, 5), state) == (True, 1)
        expected = "enabled"
    assert verdict(status, state) == expected


@pytest.mark.parametrize("odd", [None, "1", 1.0, True, [1]])
def test_what_is_no_number_is_not_guessed_at(odd: object) -> None:
    assert verdict(odd, 1) == verdict(1, odd) == "unknown"


def test_who_is_not_known_to_be_enabled_is_neither_synced_nor_gone() -> None:
    found = people({"id": 1, "status": 6}, {"id": 2, "status": 0}, {"id": 3})
    assert found.users.keys() == {"3"}
    assert found.unsyncable == {
        "1": "its status 6 is not known: it is left as it is",
        "2": "not activated: neither invited nor revoked until then",
    }
    assert [(p.directory, p.entry) for p in found.problems()] == [("hq", "ana"), ("hq", "ana")]
    assert found.keys == {"1", "2", "3"}


def test_absent_is_not_null_and_null_is_not_false() -> None:
    row = {name: value for name, value in ROW.items() if name not in ("status", "role_ids")}
    found = People(Wanted(directory="hq", email=("email",), pending="skip"))
    found.receive([row])
    assert found.unsyncable.keys() == {"7"}
    assert found.roles == {"7": None}
    assert found.gaps == ["status"]


@pytest.mark.parametrize(("pending", "enabled"), [("enabled", True), ("disabled", False)])
@pytest.mark.parametrize("row", [{"status": 0}, {"status": 7}, {"status": 8}, {"state": 0}])
def test_the_config_may_decide_about_people_who_are_not_there_yet(
    row: dict[str, int], pending: str, enabled: bool
) -> None:
    assert people(row, pending=pending).users["7"].enabled is enabled


@pytest.mark.parametrize(
    ("sources", "row", "expected"),
    [
        (("email",), {}, "ana@example.org"),
        (("email",), {"email": None}, ""),
        (("email",), {"email": ""}, ""),
        (("email",), {"email": "Ana@Example.org"}, "Ana@Example.org"),
        (("email", "username"), {"email": None}, ""),
        (("email", "username"), {"email": None, "username": "ana@x.org"}, "ana@x.org"),
        (("email", "{username}@example.org"), {"email": None}, "ana@example.org"),
        (("email", "{username}@example.org"), {"email": None, "username": None}, ""),
        (("email", "{username}@example.org"), {"email": None, "username": "ana@x.org"}, ""),
        (("email", "username", "{username}@y.org"), {"email": None, "username": "a@x.org"}, "a@x.org"),
        (("custom_attributes.Alias", "email"), {"custom_attributes": {"alias": "al@x.org"}}, "al@x.org"),
        (("custom_attributes.Alias", "email"), {"custom_attributes": {"alias": None}}, "ana@example.org"),
        (("{firstname}.{lastname}@x.org",), {}, "Ana.Silva@x.org"),
    ],
)
def test_addresses(sources: tuple[str, ...], row: dict[str, Any], expected: str) -> None:
    assert people(row, email=sources).users["7"].email == expected


def test_names_as_they_are() -> None:
    (user,) = people({"firstname": "Cee", "lastname": "Novák, Jr."}).users.values()
    assert (user.key, user.name, user.username, user.entry, user.directory) == (
        "7",
        "Cee Novák, Jr.",
        "ana",
        "ana",
        "hq",
    )
    (nobody,) = people({"firstname": None, "lastname": None, "username": None, "email": None}).users.values()
    assert (nobody.name, nobody.username, nobody.email, nobody.entry) == ("", "", "", "user 7")


def test_attributes_that_were_asked_for() -> None:
    wanted = frozenset(
        {"department", "custom_attributes.team", "badge", "title", "shoesize", "flag", "tags", "group_id"}
    )
    row = {
        "department": "Sales",
        "title": None,
        "group_id": 5,
        "custom_attributes": {"Team": "Blue", "badge": 12, "flag": False, "tags": ["a", "", "b"]},
    }
    (user,) = people(row, attributes=wanted).users.values()
    assert dict(user.attributes) == {
        "department": ("Sales",),
        "custom_attributes.team": ("Blue",),
        "badge": ("12",),
        "flag": ("false",),
        "tags": ("a", "b"),
        "group_id": ("5",),
    }


def test_the_request_names_what_is_needed_and_nothing_else() -> None:
    plain = Wanted(directory="hq", email=("email",), pending="skip").fields
    assert plain == "created_at,email,firstname,lastname,role_ids,state,status,username"
    more = Wanted(
        directory="hq",
        email=("email", "{samaccountname}@x.org", "Custom_Attributes.alias"),
        pending="skip",
        attributes=frozenset({"department", "badge"}),
        roles=False,
        groups=True,
    ).fields
    assert set(more.split(",")) - set(plain.split(",")) == {
        "samaccountname",
        "custom_attributes",
        "department",
        "group_id",
    }
    assert "role_ids" not in more


def test_the_last_word_about_somebody_counts() -> None:
    found = people({"status": 1}, {"status": 99})
    assert (set(found.users), set(found.unsyncable)) == (set(), {"7"})
    found.receive([ROW])
    assert (set(found.users), set(found.unsyncable)) == ({"7"}, set())
