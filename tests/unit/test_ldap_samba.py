"""The LDAP reader against a real Active Directory (Samba)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirconnector.errors import DirectoryRefused
from dirconnector.model import no_progress
from dirconnector.readers.ldap import LdapReader, LdapSettings
from tests.servers.config import ldap_settings
from tests.servers.samba_ad import SambaAD, group, user

pytestmark = pytest.mark.samba


def reader(samba: SambaAD, folder: Path, unit: str, **more: object) -> LdapReader:
    scope = {"users": {"base": unit}, "groups": {"base": [unit, f"CN=Users,{samba.base}"]}}
    return LdapReader("ad", LdapSettings.model_validate(ldap_settings(samba, folder, **(scope | more))), frozenset())


def test_people_groups_and_the_primary_group(samba: SambaAD, tmp_path: Path) -> None:
    unit = samba.unit("ldap-reader")
    ana = f"CN=Lima\\, Ana é,{unit}"
    samba.add(
        user(ana, "rana", mail="ana@corp.example.org", password="Passw0rd!a")
        + user(f"CN=Ben,{unit}", "rben", mail="ben@corp.example.org", disabled=True)
    )
    samba.add(group(f"CN=Inner,{unit}", "rinner", [f"CN=Ben,{unit}"]))
    samba.add(group(f"CN=Outer,{unit}", "router", [ana, f"CN=Inner,{unit}"]))
    snapshot = reader(samba, tmp_path, unit).read(no_progress)
    assert snapshot.complete and not snapshot.problems
    users = {u.username: u for u in snapshot.users.values()}
    assert (users["rana"].enabled, users["rben"].enabled) == (True, False)
    assert len(users["rana"].key) == 36 and users["rana"].email == "ana@corp.example.org"
    groups = {g.name: g for g in snapshot.groups.values()}
    assert groups["Outer"].members == {users["rana"].key} and groups["Outer"].subgroups == {groups["Inner"].key}
    assert groups["Domain Users"].members == {users["rana"].key, users["rben"].key}


def test_deleted_people_for_those_who_may_see_them(samba: SambaAD, tmp_path: Path) -> None:
    unit = samba.unit("ldap-deleted")
    samba.add(user(f"CN=Gone,{unit}", "rgone"))
    before = reader(samba, tmp_path, unit).read(no_progress)
    (key,) = before.users
    samba.delete(f"CN=Gone,{unit}")
    after = reader(samba, tmp_path, unit).read(no_progress)
    assert after.complete and not after.users and not after.deleted
    assert "may not read it" in after.evidence[-1].why
    (tmp_path / "root").write_text(samba.root_password)
    seen = reader(samba, tmp_path, unit, bind_dn=samba.root_dn, password={"file": str(tmp_path / "root")}).read(
        no_progress
    )
    assert seen.deleted[key] == "deleted in the directory: CN=Gone"


def test_refusals_of_active_directory(samba: SambaAD, tmp_path: Path) -> None:
    with pytest.raises(DirectoryRefused, match=r"strongerAuthRequired.*use an ldaps:// URL"):
        reader(samba, tmp_path, samba.base, url=samba.url).read(no_progress)
    (tmp_path / "wrong").write_text("wrong")
    with pytest.raises(DirectoryRefused, match="the password is wrong"):
        reader(samba, tmp_path, samba.base, password={"file": str(tmp_path / "wrong")}).read(no_progress)


def test_upn_and_check(samba: SambaAD, tmp_path: Path) -> None:
    found = {f.subject: f for f in reader(samba, tmp_path, samba.base, bind_dn=samba.reader_upn).check()}
    assert (
        found["bind"].ok and "Active Directory" in found["server"].detail and "objectGUID" in found["users.key"].detail
    )
