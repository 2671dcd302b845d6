"""``dirsync check`` of a Google directory: each thing missing in turn, named in Google's words, with its cure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dirconnector.errors import ConfigError, DirectoryRefused
from dirconnector.model import Finding
from tests.emulators.google import GROUP_READ, USER_READ, USER_WRITE, GoogleEmulator, Role
from tests.integration.google_reading import check, read
from tests.servers.server import free_port


@pytest.fixture(scope="module")
def _running() -> Iterator[GoogleEmulator]:
    with GoogleEmulator() as emulator:
        yield emulator


@pytest.fixture
def google(_running: GoogleEmulator) -> GoogleEmulator:
    _running.reset()
    return _running


USERS = "GET /admin/directory/v1/users"
DELEGATION = "Admin console: Security > Access and data control > API controls > Manage domain-wide delegation"
CLIENT = "104857600000000000001"


def failures(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """What failed: subject, detail, cure."""
    assert all(finding.cure for finding in findings if not finding.ok)
    return [(finding.subject, finding.detail, finding.cure) for finding in findings if not finding.ok]


def only(findings: list[Finding]) -> tuple[str, str, str]:
    """The one failure."""
    (failure,) = failures(findings)
    return failure


def scopes(*left: str) -> Callable[[GoogleEmulator], None]:
    """The delegation has no other scopes."""

    def change(google: GoogleEmulator) -> None:
        google.state.clients[CLIENT].scopes = list(left)

    return change


def role(**rights: Any) -> Callable[[GoogleEmulator], None]:
    """The subject is no super administrator."""

    def change(google: GoogleEmulator) -> None:
        google.admin["isAdmin"] = False
        google.state.roles[google.admin["id"]] = Role(**rights)

    return change


def no_role(google: GoogleEmulator) -> None:
    google.admin["isAdmin"] = False


def no_api(google: GoogleEmulator) -> None:
    google.state.api_enabled = False


def no_subject(google: GoogleEmulator) -> None:
    google.admin["primaryEmail"] = "somebody.else@example.com"


def suspended_subject(google: GoogleEmulator) -> None:
    google.admin["suspended"] = True


def no_account(google: GoogleEmulator) -> None:
    google.state.clients.clear()


def other_keys(google: GoogleEmulator) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    google.state.clients[CLIENT].keys = {google.key_id: pem.decode()}


def wrong_clock(google: GoogleEmulator) -> None:
    google.ahead_seconds = 7200


def cannot_use_apis(google: GoogleEmulator) -> None:
    google.faults.add(USERS, "reason:domainCannotUseApis")


@pytest.mark.parametrize(
    ("change", "subject", "detail", "cure"),
    [
        (scopes(), "token", "no domain-wide delegation for any of the scopes", f"{DELEGATION}: client ID {CLIENT}"),
        (scopes(USER_READ), "token", f"lacks {GROUP_READ}", f"scopes {GROUP_READ}"),
        (scopes(GROUP_READ), "token", f"lacks {USER_READ}", f"scopes {USER_READ}"),
        (no_subject, "token", "Invalid email or User ID", "admin@example.com must be an active user"),
        (suspended_subject, "token", "Invalid email or User ID", "must be an active user"),
        (no_account, "token", "account not found", "does not exist any more"),
        (other_keys, "token", "Invalid JWT Signature", "make a new one"),
        (wrong_clock, "token", "short-lived token", "the clock of this computer is wrong"),
        (no_api, "users", "403 accessNotConfigured", "switch on the Admin SDK API"),
        (no_role, "users", "Not Authorized to access this resource/api", "Admin API privileges, Users, Read"),
        (role(users=False), "users", "Not Authorized", "Admin API privileges, Users, Read"),
        (role(groups=False), "groups", "Not Authorized", "Admin API privileges, Groups, Read"),
        (role(org_unit="/Sales"), "users", "is not among the users", "for all organizational units"),
        (cannot_use_apis, "users", "domainCannotUseApis", "allow API access"),
    ],
)
def test_what_is_missing_is_named(
    google: GoogleEmulator,
    tmp_path: Path,
    change: Callable[[GoogleEmulator], None],
    subject: str,
    detail: str,
    cure: str,
) -> None:
    google.state.add_group("vault@example.com", google.admin)
    assert not failures(check(google, tmp_path))
    change(google)
    named, told, how = failures(check(google, tmp_path))[0]
    assert named == subject
    assert detail in told
    assert cure in how


@pytest.mark.parametrize(
    ("settings", "detail", "cure"),
    [
        ({"domain": "nowhere.example"}, "Domain not found", "none of the account's"),
        ({"customer": "C0other"}, "Invalid Input: customer", "check customer"),
        ({"users": {"query": "no query"}}, "Invalid Input: query", "mend users.query"),
        ({"groups": {"query": "no query"}}, "Invalid Input: query", "mend groups.query"),
        ({"users": {"query": "email:nobody*"}}, "no user was found", "users.query"),
        ({"groups": {"query": "email:nobody*"}}, "no group was found", "groups: false"),
        ({"users": {"email": "emails.home"}}, "0 of 1 users looked at have an address (emails.home)", "users.email"),
    ],
)
def test_settings_that_do_not_fit_the_account(
    google: GoogleEmulator, tmp_path: Path, settings: dict[str, Any], detail: str, cure: str
) -> None:
    google.state.add_group("vault@example.com", google.admin)
    _, told, how = failures(check(google, tmp_path, **settings))[0]
    assert detail in told
    assert cure in how


def test_a_role_for_one_unit_is_named(google: GoogleEmulator, tmp_path: Path) -> None:
    role(org_unit="/Sales")(google)
    google.state.add_user("ana@example.com", orgUnitPath="/Sales")
    google.state.add_group("vault@example.com")
    _, told, how = only([f for f in check(google, tmp_path) if f.subject == "users"])
    assert "admin@example.com is not among the users" in told
    assert "for all organizational units" in how


def test_more_than_reading_is_warned_of(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("vault@example.com")
    scopes(USER_READ, GROUP_READ, USER_WRITE)(google)
    subject, told, how = only(check(google, tmp_path))
    assert subject == "scopes"
    assert USER_WRITE in told
    assert f"leave only {USER_READ},{GROUP_READ}" in how


def test_a_super_administrator_is_more_than_needed(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("vault@example.com")
    assert any("super administrator" in finding.detail for finding in check(google, tmp_path))
    role()(google)
    assert not any("super administrator" in finding.detail for finding in check(google, tmp_path))


def test_without_groups_their_scope_is_not_needed(google: GoogleEmulator, tmp_path: Path) -> None:
    scopes(USER_READ)(google)
    assert not failures(check(google, tmp_path, groups=False))


def test_an_attribute_that_no_user_has_is_named(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("vault@example.com")
    subject, told, _ = only(check(google, tmp_path, "shoesize", "department"))
    assert (subject, "shoesize" in told, "department" in told) == ("select", True, False)


def test_check_asks_for_little(tmp_path: Path) -> None:
    with GoogleEmulator(users=1200, groups=250) as google:
        assert not failures(check(google, tmp_path))
        assert sum(google.calls.values()) < 15


def test_what_check_names_stops_a_run_with_the_same_cure(google: GoogleEmulator, tmp_path: Path) -> None:
    scopes()(google)
    with pytest.raises(DirectoryRefused, match=f"client ID {CLIENT}"):
        read(google, tmp_path)


def test_an_authority_that_we_do_not_trust(google: GoogleEmulator, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    _, told, _ = only(check(google, tmp_path, tls={"ca_file": "other.pem"}))
    assert "tls.ca_file" in told


def test_a_ca_file_that_is_not_there_names_the_place(google: GoogleEmulator, tmp_path: Path) -> None:
    subject, told, _ = only(check(google, tmp_path, tls={"ca_file": "gone.pem"}))
    assert subject == "key"
    assert "directories.hq.tls" in told
    with pytest.raises(ConfigError, match=r"directories\.hq\.tls"):
        read(google, tmp_path, tls={"ca_file": "gone.pem"})


def test_nobody_there(google: GoogleEmulator, tmp_path: Path) -> None:
    nowhere = f"https://127.0.0.1:{free_port()}"
    subject, told, _ = only(check(google, tmp_path, token_url=f"{nowhere}/token"))
    assert (subject, nowhere in told) == ("connection", True)


def test_a_damaged_private_key(google: GoogleEmulator, tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    (tmp_path / "key.json").write_text(json.dumps(google.key_info(private_key=pem)), encoding="utf-8")
    subject, told, _ = only(check(google, tmp_path))
    assert (subject, "is damaged" in told, "c2VjcmV0" in told) == ("key", True, False)
