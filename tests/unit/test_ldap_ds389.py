"""The LDAP reader against a real 389 Directory Server."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirconnector.model import Snapshot, no_progress
from dirconnector.readers.ldap import LdapReader, LdapSettings
from tests.servers import ldif
from tests.servers.config import ldap_settings
from tests.servers.ds389 import DirectoryServer389

pytestmark = pytest.mark.ds389


def read(server: DirectoryServer389, folder: Path, unit: str, **more: object) -> Snapshot:
    scope = {"users": {"base": unit}, "groups": {"base": unit}}
    settings = LdapSettings.model_validate(ldap_settings(server, folder, **(scope | more)))
    return LdapReader("ds", settings, frozenset()).read(no_progress)


def test_locked_accounts_and_empty_groups(ds389: DirectoryServer389, tmp_path: Path) -> None:
    unit = ds389.unit("ldap-reader")
    ds389.add(
        ldif.person(f"uid=ana,{unit}", "ana", mail="ana@example.org")
        + ldif.person(f"uid=ben,{unit}", "ben", mail="ben@example.org", nsAccountLock="TRUE")
        + ldif.group(f"cn=g,{unit}", "g", [f"UID=Ana, {unit}"])
        + ldif.group(f"cn=empty,{unit}", "empty", [])
    )
    snapshot = read(ds389, tmp_path, unit)
    assert snapshot.complete and not snapshot.problems
    users = {user.username: user for user in snapshot.users.values()}
    assert (users["ana"].enabled, users["ben"].enabled) == (True, False)
    assert [len(part) for part in users["ana"].key.split("-")] == [8, 8, 8, 8]
    assert {group.name: group.members for group in snapshot.groups.values()} == {
        "g": {users["ana"].key},
        "empty": frozenset(),
    }


def test_rights_that_are_missing_altogether(ds389: DirectoryServer389, tmp_path: Path) -> None:
    unit = ds389.unit("ldap-hidden")
    ds389.add(ldif.person(f"uid=cai,{unit}", "cai", mail="cai@example.org"))
    snapshot = read(ds389, tmp_path, unit, bind="anonymous", bind_dn=None, password=None)
    assert not snapshot.users and not snapshot.complete
    assert f"anonymous cannot read '{unit}' itself" in snapshot.evidence[0].why
