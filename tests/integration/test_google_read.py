"""``kind: google``: who and what is read, through the vendor's library from the emulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import pytest
import trustme

from dirconnector.errors import ConfigError
from dirconnector.model import no_progress
from tests.emulators.google import GoogleEmulator
from tests.integration.google_reading import evidence, members_of, read, reader_of


@pytest.fixture(scope="module")
def _running() -> Iterator[GoogleEmulator]:
    with GoogleEmulator() as emulator:
        yield emulator


@pytest.fixture
def google(_running: GoogleEmulator) -> GoogleEmulator:
    _running.reset()
    return _running


USERS = "GET /admin/directory/v1/users"
GROUPS = "GET /admin/directory/v1/groups"
MEMBERS = "GET /admin/directory/v1/groups/{groupKey}/members"


# ------------------------------------------------------------------------------------------------------------- users


def test_suspended_and_archived_are_disabled(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_user("on@example.com")
    google.state.add_user("off@example.com", suspended=True, suspensionReason="ADMIN")
    google.state.add_user("shelf@example.com", archived=True)
    google.state.add_user("both@example.com", archived=True, suspended=True)
    users = read(google, tmp_path).users.values()
    assert {u.email.partition("@")[0]: u.enabled for u in users} == {
        "admin": True,
        "on": True,
        "off": False,
        "shelf": False,
        "both": False,
    }


@pytest.mark.parametrize("missing", ["suspended", "archived"])
def test_an_unknown_state_is_neither_disabled_nor_gone(google: GoogleEmulator, tmp_path: Path, missing: str) -> None:
    ana = google.state.add_user("ana@example.com")
    del ana[missing]
    snapshot = read(google, tmp_path)
    assert ana["id"] not in snapshot.users
    assert missing in snapshot.unsyncable[ana["id"]]
    assert [(p.entry, missing in p.why) for p in snapshot.problems] == [("ana@example.com", True)]
    assert snapshot.complete


def test_archived_may_be_unknown_to_the_whole_account_but_not_to_one_user(
    google: GoogleEmulator, tmp_path: Path
) -> None:
    google.state.add_user("ana@example.com")
    for user in google.state.users.values():
        del user["archived"]
    assert all(user.enabled for user in read(google, tmp_path).users.values())


def test_deleted_users_are_named(google: GoogleEmulator, tmp_path: Path) -> None:
    ana = google.state.add_user("ana@example.com")
    google.state.delete_user(ana["id"])
    snapshot = read(google, tmp_path)
    assert snapshot.deleted == {ana["id"]: "deleted in Google on 2026-11-20"}
    assert ana["id"] not in snapshot.users
    assert not read(google, tmp_path, users={"deleted": False}).deleted


def test_what_is_wrong_with_the_deleted_costs_nothing(google: GoogleEmulator, tmp_path: Path) -> None:
    google.faults.add(USERS, "no-deleted")
    snapshot = read(google, tmp_path)
    assert snapshot.complete
    assert "nothing depends on it" in evidence(snapshot, "deleted users").why


def test_attributes_that_rules_ask_for(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_user(
        "ana@example.com",
        orgUnitPath="/Sales",
        organizations=[
            {"department": "Old", "title": "x"},
            {"department": "Sales", "title": "Lead", "primary": True},
        ],
        externalIds=[{"type": "organization", "value": "1007"}, {"type": "custom", "customType": "hr", "value": "h1"}],
        customSchemas={"Vault": {"level": "gold", "teams": [{"value": "a"}, {"value": "b"}]}},
        isGuestUser=True,
    )
    names = ("orgunitpath", "department", "employeeid", "externalids.hr", "customschemas.vault.level", "isguestuser")
    users = read(google, tmp_path, *names, "customschemas.vault.teams", "shoesize").users.values()
    (ana,) = (user for user in users if user.email == "ana@example.com")
    assert dict(ana.attributes) == {
        "orgunitpath": ("/Sales",),
        "department": ("Sales",),
        "employeeid": ("1007",),
        "externalids.hr": ("h1",),
        "customschemas.vault.level": ("gold",),
        "customschemas.vault.teams": ("a", "b"),
        "isguestuser": ("true",),
    }


def test_the_address_may_come_from_another_attribute(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_user("ana@example.com", emails=[{"address": "a.silva@corp.example", "type": "work"}])
    users = read(google, tmp_path, users={"email": ["emails.work", "primaryEmail"]}).users.values()
    assert {user.email for user in users} == {"a.silva@corp.example", "admin@example.com"}


def test_queries_are_passed_through(google: GoogleEmulator, tmp_path: Path) -> None:
    ana = google.state.add_user("ana@example.com", orgUnitPath="/Sales/EMEA")
    google.state.add_group("vault@example.com", ana, google.admin)
    google.state.add_group("other@example.com", ana)
    snapshot = read(
        google, tmp_path, users={"query": "orgUnitPath='/Sales' isSuspended=false"}, groups={"query": "email:vault*"}
    )
    assert [user.email for user in snapshot.users.values()] == ["ana@example.com"]
    assert [(group.name, len(group.members)) for group in snapshot.groups.values()] == [("vault", 1)]
    assert snapshot.complete
    # who was left out by the query is no problem, only a number
    assert not snapshot.problems
    assert "1 members are none of the users" in evidence(snapshot, "members").why


def test_one_domain_of_several(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.domains.append("other.example")
    bo = google.state.add_user("bo@other.example")
    google.state.add_group("all@other.example", bo, google.admin)
    google.state.add_group("all@example.com", bo)
    snapshot = read(google, tmp_path, domain="other.example")
    assert [user.email for user in snapshot.users.values()] == ["bo@other.example"]
    assert [group.entry for group in snapshot.groups.values()] == ["all@other.example"]
    assert snapshot.complete


def test_groups_may_be_named_by_their_address(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("vault@example.com", name="Twin")
    google.state.add_group("vault2@example.com", name="Twin")
    names = {group.name for group in read(google, tmp_path, groups={"name": "email"}).groups.values()}
    assert names == {"vault@example.com", "vault2@example.com"}


# ----------------------------------------------------------------------------------------------------------- members


def test_the_whole_account_as_a_member_is_everybody(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_user("ana@example.com")
    unknown = google.state.add_user("unknown@example.com")
    del unknown["suspended"]
    google.state.add_group("all@example.com", "CUSTOMER")
    snapshot = read(google, tmp_path)
    (group,) = snapshot.groups.values()
    assert group.members == {*snapshot.users, unknown["id"]}


def test_another_account_as_a_member_is_a_problem(google: GoogleEmulator, tmp_path: Path) -> None:
    group = google.state.add_group("all@example.com")
    google.state.join(group, "CUSTOMER", id="C0foreign")
    snapshot = read(google, tmp_path)
    assert not snapshot.groups[group["id"]].members
    assert [(p.entry, "C0foreign" in p.why) for p in snapshot.problems] == [("all@example.com", True)]


def test_people_from_outside_are_listed_once_with_their_groups(google: GoogleEmulator, tmp_path: Path) -> None:
    for name in ("c", "a", "b", "d"):
        group = google.state.add_group(f"{name}@example.com", google.admin)
        google.state.join(group, "partner@elsewhere.example", id="999")
        google.state.join(group, "odd@elsewhere.example", id="", type="EXTERNAL")
    snapshot = read(google, tmp_path)
    assert all(members_of(snapshot, name) == {"admin@example.com"} for name in "abcd")
    assert [(p.entry, p.why) for p in snapshot.problems] == [
        ("odd@elsewhere.example", "is a member of a, b, c and 1 more, and no user of this Google account"),
        ("partner@elsewhere.example", "is a member of a, b, c and 1 more, and no user of this Google account"),
    ]
    assert snapshot.complete


def test_many_people_from_outside_do_not_flood_the_report(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("list@example.com", *(f"p{n}@elsewhere.example" for n in range(250)))
    problems = read(google, tmp_path).problems
    assert len(problems) == 101
    assert problems[-1].why == "and 150 more like the one before"


def test_a_member_without_an_id_is_found_by_the_address(google: GoogleEmulator, tmp_path: Path) -> None:
    group = google.state.add_group("all@example.com")
    google.state.join(group, google.admin, id="", email="ADMIN@example.com")
    assert members_of(read(google, tmp_path), "all") == {"admin@example.com"}


def test_members_of_an_unknown_type_are_listed(google: GoogleEmulator, tmp_path: Path) -> None:
    group = google.state.add_group("all@example.com", google.admin)
    google.state.join(group, "robot@example.com", type="ROBOT")
    snapshot = read(google, tmp_path)
    assert members_of(snapshot, "all") == {"admin@example.com"}
    assert ["robot@example.com (ROBOT)" in p.why for p in snapshot.problems] == [True]


def test_nested_groups_and_cycles(google: GoogleEmulator, tmp_path: Path) -> None:
    one = google.state.add_group("one@example.com", google.admin)
    two = google.state.add_group("two@example.com", one)
    google.state.join(one, two)
    google.state.join(one, one)
    groups = read(google, tmp_path).groups
    assert {g.name: (len(g.members), g.subgroups) for g in groups.values()} == {
        "one": (1, frozenset({two["id"]})),
        "two": (0, frozenset({one["id"]})),
    }


def test_a_group_without_users_of_its_own_is_read_all_the_same(google: GoogleEmulator, tmp_path: Path) -> None:
    """directMembersCount is "0" and yet everybody of the inner group is in it."""
    inner = google.state.add_group("inner@example.com", google.admin)
    outer = google.state.add_group("outer@example.com", inner)
    assert read(google, tmp_path).groups[outer["id"]].subgroups == {inner["id"]}


def test_groups_left_out_by_the_query_still_bring_their_members(google: GoogleEmulator, tmp_path: Path) -> None:
    ana, bo = google.state.add_user("ana@example.com"), google.state.add_user("bo@example.com")
    deep = google.state.add_group("deep@example.com", bo)
    team = google.state.add_group("team@example.com", ana, deep)
    google.state.join(deep, team)
    google.state.add_group("vault@example.com", team)
    snapshot = read(google, tmp_path, groups={"query": "email:vault*"})
    assert [group.name for group in snapshot.groups.values()] == ["vault"]
    assert members_of(snapshot, "vault") == {"ana@example.com", "bo@example.com"}


def test_a_group_of_another_account_is_a_problem_and_no_more(google: GoogleEmulator, tmp_path: Path) -> None:
    group = google.state.add_group("all@example.com", google.admin)
    google.state.foreign_groups["0foreign"] = "team@partner.example"
    google.state.join(group, {"id": "0foreign", "email": "team@partner.example"})
    snapshot = read(google, tmp_path)
    assert snapshot.complete
    assert members_of(snapshot, "all") == {"admin@example.com"}
    assert [p.entry for p in snapshot.problems] == ["team@partner.example"]


def test_a_group_of_ours_that_cannot_be_read_leaves_a_gap(google: GoogleEmulator, tmp_path: Path) -> None:
    """The same as above, but its address says that it is ours: who is in it is not known."""
    group = google.state.add_group("all@example.com", google.admin)
    google.state.foreign_groups["0hidden"] = "hidden@example.com"
    google.state.join(group, {"id": "0hidden", "email": "hidden@example.com"})
    snapshot = read(google, tmp_path)
    assert not snapshot.complete
    assert "hidden@example.com cannot be read" in evidence(snapshot, "members").why


# ------------------------------------------------------------------------------------------------------------- calls


def test_no_more_calls_than_needed(tmp_path: Path) -> None:
    """``ceil(U/500) + ceil(G/200) + sum(ceil(m/200))``, one for the token, and those for deleted users."""
    with GoogleEmulator(users=1200, groups=230) as google:
        read(google, tmp_path)
        state = google.state
        expected = {
            "POST /token": 1,
            USERS: ceil(len(state.users) / 500) + max(1, ceil(len(state.deleted) / 500)),
            GROUPS: ceil(len(state.groups) / 200),
            MEMBERS: sum(max(1, ceil(len(group["members"]) / 200)) for group in state.groups.values()),
        }
        assert dict(google.calls) == expected


def test_a_company_is_read_whole(tmp_path: Path) -> None:
    with GoogleEmulator(users=1200, groups=60, seed=7) as google:
        snapshot = read(google, tmp_path)
        state = google.state
        assert snapshot.users.keys() == state.users.keys()
        assert snapshot.deleted.keys() == state.deleted.keys()
        assert snapshot.complete
        for key, group in state.groups.items():
            people = {m["id"] for m in group["members"] if m["type"] == "USER"} & state.users.keys()
            everybody = any(m["type"] == "CUSTOMER" for m in group["members"])
            assert snapshot.groups[key].members == (state.users.keys() if everybody else people)
            nested = {m["id"] for m in group["members"] if m["type"] == "GROUP"} - {key}
            assert snapshot.groups[key].subgroups == nested


# -------------------------------------------------------------------------------------------------------- connection


def test_the_environment_does_not_decide_whom_we_trust(
    google: GoogleEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tmp_path / "others.pem"
    trustme.CA().cert_pem.write_to_path(str(others))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPLIB2_CA_CERTS"):
        monkeypatch.setenv(name, str(others))
    assert read(google, tmp_path).complete


def test_the_key_as_a_reference(google: GoogleEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in google.env.items():
        monkeypatch.setenv(name, value)
    assert reader_of(google, tmp_path, key=google.directory["key"]).read(no_progress).complete


def test_a_missing_package_is_told(google: GoogleEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "dirconnector.readers.google.client", raising=False)
    monkeypatch.setitem(sys.modules, "googleapiclient", None)
    with pytest.raises(ConfigError, match=r"pip install 'dirconnector\[google\]'"):
        read(google, tmp_path)


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"type": "authorized_user"}'])
def test_what_is_no_key_is_told(google: GoogleEmulator, tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text or "{", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not the JSON key of a service account") as caught:
        read(google, tmp_path)
    assert "key.json" in str(caught.value)


def test_a_key_that_is_not_there_is_told(google: GoogleEmulator, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"key_file: .*gone\.json cannot be read"):
        read(google, tmp_path, key_file="gone.json")
