"""Filters, kinds of groups, administrative units: what is in, and what it costs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import ceil
from typing import Any

import pytest

from dirconnector.errors import ConfigError, DirectoryRefused
from dirconnector.model import Snapshot, no_progress
from dirconnector.rules.flatten import flatten
from tests.emulators.entra import EntraEmulator
from tests.entra import entra, reader, running

__all__ = ["entra"]


@pytest.fixture
def company(entra: EntraEmulator) -> EntraEmulator:
    """Vault contains Engineering, which contains ana; bo is in Vault himself; cee is a guest."""
    tenant = entra.tenant
    tenant.add("user", id="ana", displayName="Ana", mail="ana@example.org", department="Engineering")
    tenant.add("user", id="bo", displayName="Bo", mail="bo@example.org", department="Sales")
    tenant.add("user", id="cee", displayName="Cee", mail="cee@partner.example.net", userType="Guest")
    tenant.add("group", id="vault", displayName="Vault-Users")
    tenant.add("group", id="eng", displayName="Engineering", groupTypes=["Unified"], mailEnabled=True)
    tenant.set_members("eng", ["ana", "cee"])
    tenant.set_members("vault", ["bo", "eng"])
    return entra


def read(entra: EntraEmulator, **changes: Any) -> Snapshot:
    return reader(entra, **changes).read(no_progress)


def members(found: Snapshot) -> dict[str, set[str]]:
    return {key: set(keys) & found.users.keys() for key, keys in flatten(found.groups).items()}


def test_a_filter_of_users_is_passed_through(company: EntraEmulator) -> None:
    found = read(company, users={"filter": "department eq 'Engineering' or startswith(displayName,'B')"})
    assert found.users.keys() == {"ana", "bo"}
    assert found.complete


def test_a_filter_that_needs_eventual_consistency(company: EntraEmulator) -> None:
    assert read(company, users={"filter": "not(department eq 'Sales')"}).users.keys() == {"ana", "cee"}


def test_a_filter_that_is_wrong_names_its_setting(company: EntraEmulator) -> None:
    with pytest.raises(DirectoryRefused, match=r"shoeSize.*; mend users\.filter"):
        read(company, users={"filter": "shoeSize eq 44"})
    with pytest.raises(DirectoryRefused, match=r"mend groups\.filter"):
        read(company, groups={"filter": "displayName eq"})


def test_guests(company: EntraEmulator) -> None:
    assert "cee" in read(company).users
    assert "cee" not in read(company, users={"guests": "exclude"}).users


def test_a_filter_of_groups_loses_nobody_in_nested_groups(company: EntraEmulator) -> None:
    found = read(company, groups={"filter": "startswith(displayName,'Vault-')"})
    assert members(found) == {"vault": {"ana", "bo", "cee"}}


def test_kinds_of_groups(company: EntraEmulator) -> None:
    assert members(read(company, groups={"kinds": ["microsoft365"]})) == {"eng": {"ana", "cee"}}
    assert read(company, groups={"kinds": ["distribution", "security"]}).groups.keys() == {"vault"}


def test_no_groups_at_all(company: EntraEmulator) -> None:
    company.tenant.app.roles = {"User.Read.All"}
    found = read(company, groups=False)
    assert not found.groups
    assert found.complete
    assert company.calls["GET /v1.0/groups/delta"] == 0


@pytest.mark.parametrize("by", ["North", "north", "id"])
def test_administrative_units(company: EntraEmulator, by: str) -> None:
    tenant = company.tenant
    unit = tenant.add("administrativeUnit", displayName="North", id="6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0")
    tenant.add("administrativeUnit", displayName="South")
    tenant.app.roles.add("AdministrativeUnit.Read.All")
    for member in ("ana", "vault", "bo"):
        tenant.add_to_unit(unit, member)
    found = read(company, administrative_units=[unit.upper() if by == "id" else by])
    assert members(found) == {"vault": {"ana", "bo"}}
    assert found.users.keys() == {"ana", "bo"}
    assert found.complete
    narrower = read(company, administrative_units=["North"], users={"filter": "department eq 'Sales'"})
    assert narrower.users.keys() == {"bo"}


def test_several_units_are_added_up(company: EntraEmulator) -> None:
    tenant = company.tenant
    tenant.app.roles.add("AdministrativeUnit.Read.All")
    for name, member in (("North", "ana"), ("South", "bo")):
        tenant.add_to_unit(tenant.add("administrativeUnit", displayName=name), member)
    found = read(company, administrative_units=["North", "South"])
    assert found.users.keys() == {"ana", "bo"}
    assert [e.query for e in found.evidence].count("users") == 2


def test_a_unit_that_does_not_exist_or_may_not_be_read(company: EntraEmulator) -> None:
    with pytest.raises(DirectoryRefused, match=r"AdministrativeUnit\.Read\.All"):
        read(company, administrative_units=["North"])
    company.tenant.app.roles.add("AdministrativeUnit.Read.All")
    with pytest.raises(DirectoryRefused, match="'North': there is no such administrative unit"):
        read(company, administrative_units=["North"])
    for _ in range(2):
        company.tenant.add("administrativeUnit", displayName="North")
    with pytest.raises(DirectoryRefused, match="several administrative units have this name"):
        read(company, administrative_units=["North"])


def test_attributes_that_do_not_exist_are_told(company: EntraEmulator) -> None:
    found = reader(company, attributes=frozenset({"department", "shoesize"})).read(no_progress)
    assert dict(found.users["ana"].attributes) == {"department": ("Engineering",)}
    assert "no attribute shoesize" in found.evidence[0].why


def test_members_outside_of_the_scope_are_counted(company: EntraEmulator) -> None:
    company.tenant.add_member("eng", company.tenant.add("device"))
    found = read(company)
    assert found.complete
    assert "1 memberships are of devices" in next(e.why for e in found.evidence if e.query == "groups")


# --------------------------------------------------------------------------------------------------------------- calls

TOKEN_CALLS = 2
"""Discovery and the token."""


@pytest.fixture(scope="module")
def big() -> Iterator[EntraEmulator]:
    with pytest.MonkeyPatch.context() as patch, running(patch, users=3000, groups=150) as emulator:
        yield emulator


def test_the_budget_of_a_full_read(big: EntraEmulator) -> None:
    """``ceil(U/999)`` for users; groups by the page of the delta query, and none for each; the recycle bin; the place
    where changes of users begin.
    """
    big.calls.clear()
    found = reader(big).read(no_progress)
    assert found.complete
    users = len(big.tenant.of_kind("user"))
    pages = next(e.pages for e in found.evidence if e.query == "groups")
    assert sum(big.calls.values()) == TOKEN_CALLS + ceil(users / 999) + pages + 1 + 1
    assert not any("members" in call for call in big.calls)
    memberships = sum(map(len, big.tenant.members.values()))
    groups = len(big.tenant.of_kind("group"))
    assert pages <= ceil(groups / big.delta.sizes.groups) + 2 * ceil(memberships / big.delta.sizes.members)


def test_the_budget_of_20000_users_and_1000_groups() -> None:
    """The same formula, without laying so many out: 60 calls."""
    memberships = 1000 * 60
    pages = ceil(1000 / 100) + ceil(memberships / 4000)
    assert TOKEN_CALLS + ceil(20_000 / 999) + pages + 1 + 1 <= 60


def test_the_budget_of_an_incremental_run_after_ten_changes(big: EntraEmulator) -> None:
    subject = reader(big)
    before = subject.read_with_cursor(no_progress)
    keys = sorted(before.snapshot.users)
    team = sorted(before.snapshot.groups)[3]
    for key in keys[:4]:
        big.tenant.update(key, displayName=f"New {key}")
    big.tenant.delete(keys[4])
    big.tenant.add("user", mail="new@example.org")
    big.tenant.add("group", displayName="New")
    big.tenant.update(team, displayName="Renamed")
    for key in keys[10:12]:
        big.tenant.add_member(team, key)
    big.calls.clear()
    after = subject.read_since(before, no_progress)
    assert after is not None
    assert sum(big.calls.values()) <= 6
    assert after.snapshot.groups[team].name == "Renamed"


def test_users_and_groups_are_read_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, users=60, groups=10, latency_seconds=0.01) as entra:
        entra.delta.sizes.groups = 1
        assert reader(entra, page_size=5).read(no_progress).complete
        last_users = max(n for n, call in enumerate(entra.log) if call == "GET /v1.0/users")
        first_groups = entra.log.index("GET /v1.0/groups/delta")
        assert first_groups < last_users


def test_a_missing_library_is_told_with_its_cure(entra: EntraEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(ConfigError, match=r"pip install 'dirconnector\[entra\]'"):
        read(entra)
