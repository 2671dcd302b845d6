"""``dirsync check`` of Entra ID: each thing missing in turn, told in Microsoft's words."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from dirconnector.model import Finding
from tests.emulators.entra import EntraEmulator
from tests.emulators.entra.certificates import pem_file
from tests.entra import entra, nobody_there, reader

__all__ = ["entra"]


def findings(entra: EntraEmulator, **changes: Any) -> dict[str, Finding]:
    return {finding.subject: finding for finding in reader(entra, **changes).check()}


def failed(entra: EntraEmulator, **changes: Any) -> Finding:
    found = [finding for finding in reader(entra, **changes).check() if not finding.ok]
    assert len(found) == 1, found
    assert found[0].cure
    return found[0]


def test_all_is_well(entra: EntraEmulator) -> None:
    entra.tenant.add("user")
    found = findings(entra)
    assert list(found) == ["sign-in", "permissions", "users", "groups", "deleted users"]
    assert all(finding.ok for finding in found.values())
    assert found["permissions"].detail == "GroupMember.Read.All, User.Read.All"


@pytest.mark.parametrize("permission", ["User.Read.All", "GroupMember.Read.All"])
def test_a_missing_permission_is_named_with_the_way_to_it(entra: EntraEmulator, permission: str) -> None:
    entra.tenant.app.roles.discard(permission)
    found = failed(entra)
    assert permission in found.detail
    assert permission in found.cure
    assert "API permissions" in found.cure
    assert "Grant admin consent" in found.cure


def test_a_missing_permission_is_named_by_the_read_too(entra: EntraEmulator) -> None:
    entra.tenant.app.roles = {"GroupMember.Read.All"}
    entra.tenant.app.roles.discard("User.Read.All")
    with pytest.raises(Exception, match=r"User\.Read\.All.*Grant admin consent"):
        reader(entra).read(lambda *_: None)


def test_no_consent_at_all(entra: EntraEmulator) -> None:
    entra.tenant.app.roles.clear()
    missing = [finding for finding in reader(entra).check() if not finding.ok]
    assert [("User.Read.All" in f.cure, "GroupMember.Read.All" in f.cure) for f in missing] == [
        (True, False),
        (False, True),
    ]


def test_administrative_units_need_their_own_permission(entra: EntraEmulator) -> None:
    assert "AdministrativeUnit.Read.All" in failed(entra, administrative_units=["North"]).cure
    entra.tenant.app.roles.add("AdministrativeUnit.Read.All")
    assert "no such administrative unit" in failed(entra, administrative_units=["North"]).detail
    unit = entra.tenant.add("administrativeUnit", displayName="North")
    entra.tenant.add_to_unit(unit, entra.tenant.add("user"))
    found = findings(entra, administrative_units=["North"])
    assert all(finding.ok for finding in found.values())
    assert found["users"].detail == "1 users"


@pytest.mark.parametrize(
    "wide", ["Directory.ReadWrite.All", "User.ReadWrite.All", "RoleManagement.ReadWrite.Directory"]
)
def test_permissions_to_write_are_a_finding(entra: EntraEmulator, wide: str) -> None:
    entra.tenant.app.roles.add(wide)
    found = failed(entra)
    assert wide in found.detail
    assert "needed are GroupMember.Read.All, User.Read.All" in found.cure


def test_a_wide_permission_to_read_is_a_remark(entra: EntraEmulator) -> None:
    entra.tenant.app.roles = {"Directory.Read.All"}
    found = findings(entra)
    assert all(finding.ok for finding in found.values())
    assert "Directory.Read.All (wider than needed" in found["permissions"].detail


@pytest.mark.parametrize(
    ("changes", "detail", "cure"),
    [
        ({"client_secret": {"env": "WRONG"}}, "AADSTS7000215", "Certificates & secrets"),
        ({"client_secret": {"env": "EXPIRED"}}, "AADSTS7000222", "make a new one"),
        ({"client_id": str(uuid.uuid4())}, "AADSTS700016", "mend client_id or tenant"),
        ({"tenant": str(uuid.uuid4())}, "AADSTS90002", "mend tenant"),
        ({"cloud": "us-government"}, "AADSTS500011", "mend cloud"),
        ({"client_secret": {"env": "NOT_SET"}}, "environment variable NOT_SET", "NOT_SET"),
        ({"tls": {}}, "certificate of the server is refused", "tls.ca_file"),
    ],
)
def test_signing_in(
    entra: EntraEmulator, changes: dict[str, Any], detail: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "wrong-one")
    monkeypatch.setenv("EXPIRED", "old-one")
    entra.tenant.app.expired_secret = "old-one"
    found = failed(entra, **changes)
    assert found.subject == "sign-in"
    assert detail in found.detail
    assert cure in found.cure
    assert "-one" not in found.detail + found.cure.replace("new-one", "")


def test_a_certificate_that_was_not_uploaded(entra: EntraEmulator, tmp_path: Path) -> None:
    file, public = pem_file(tmp_path)
    given: dict[str, Any] = {"client_secret": None, "certificate": {"file": str(file)}}
    found = failed(entra, **given)
    assert "AADSTS700027" in found.detail
    assert "Certificates" in found.cure
    entra.tenant.app.certificates = [public]
    assert all(finding.ok for finding in reader(entra, **given).check())


def test_a_service_that_is_not_there(entra: EntraEmulator) -> None:
    assert failed(entra, login_url=nobody_there()).subject == "sign-in"
    found = [f for f in reader(entra, graph_url=nobody_there()).check() if not f.ok]
    assert {f.subject for f in found} == {"users", "groups"}


def test_filters_are_tried(entra: EntraEmulator) -> None:
    assert "mend users.filter" in failed(entra, users={"filter": "shoeSize eq 1"}).detail
    assert "mend groups.filter" in failed(entra, groups={"filter": "shoeSize eq 1"}).detail
    assert all(f.ok for f in reader(entra, users={"filter": "accountEnabled eq true"}).check())


def test_attributes_that_do_not_exist(entra: EntraEmulator) -> None:
    found = failed(entra, attributes=frozenset({"shoesize", "department"}))
    assert (found.subject, "shoesize" in found.detail) == ("attributes", True)


def test_verification_that_was_switched_off(entra: EntraEmulator) -> None:
    assert failed(entra, tls={"verify": False}).subject == "connection"


def test_a_check_is_cheap(entra: EntraEmulator) -> None:
    findings(entra)
    assert sum(entra.calls.values()) == 5
