"""What OneLogin refuses, in words that name the cure and hold no secret; and ``check``."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from dirconnector.errors import ConfigError, DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Finding, no_progress
from tests.emulators.onelogin import OneLoginEmulator
from tests.onelogin import account, reader_of

TOKEN = "POST /auth/oauth2/v2/token"
USERS = "GET /api/2/users"


@pytest.fixture
def emulator() -> Iterator[OneLoginEmulator]:
    with account(users=30, groups=5) as running:
        yield running


def refusal(emulator: OneLoginEmulator, **settings: Any) -> DirectoryError:
    with pytest.raises(DirectoryError) as raised:
        reader_of(emulator, **settings).read(no_progress)
    return raised.value


def check(emulator: OneLoginEmulator, **settings: Any) -> dict[str, Finding]:
    found = list(reader_of(emulator, **settings).check())
    assert len({finding.subject for finding in found}) == len(found)
    for finding in found:
        assert bool(finding.cure) != finding.ok, finding
    return {finding.subject.removeprefix("hq: "): finding for finding in found}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# ---------------------------------------------------------------------------------------------------------- the token


@pytest.mark.parametrize("settings", [{"client_id": "0a0b"}, {"client_secret": {"command": ["echo", "wrong"]}}])
def test_wrong_credentials(emulator: OneLoginEmulator, settings: dict[str, Any]) -> None:
    error = refusal(emulator, **settings)
    assert isinstance(error, DirectoryRefused)
    assert "no token: 401 Authentication Failure" in str(error)
    assert "under Developers > API Credentials" in str(error)
    assert emulator.calls[TOKEN] == 1, "wrong credentials are not tried again"


def test_credentials_whose_owner_was_deleted(emulator: OneLoginEmulator) -> None:
    emulator.state.credentials[0].owner_deleted = True
    error = refusal(emulator)
    assert isinstance(error, DirectoryRefused)
    assert "a pair whose owner was deleted: if it goes on, make a new pair under Developers > API Credentials" in str(
        error
    )
    assert emulator.calls[TOKEN] == 4, "it may pass"


def test_a_token_endpoint_that_fails_for_a_moment(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(TOKEN, "status:500", times=2)
    assert reader_of(emulator).read(no_progress).complete


@pytest.mark.parametrize("fault", ["status:404", "status:302"])
def test_another_address(emulator: OneLoginEmulator, fault: str) -> None:
    emulator.faults.add(TOKEN, fault)
    assert "is that the address of your OneLogin account?" in str(refusal(emulator))


def test_a_wrapped_token_is_one_too(emulator: OneLoginEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the v1 endpoint answers."""
    monkeypatch.setattr("dirconnector.readers.onelogin.connection.TOKEN_PATH", "/auth/oauth2/token")
    assert reader_of(emulator).read(no_progress).complete


def test_a_dead_address(emulator: OneLoginEmulator) -> None:
    error = refusal(emulator, url="https://127.0.0.1:9")
    assert isinstance(error, DirectoryUnreachable)
    assert "Is the URL right" in str(error)


def test_a_certificate_of_somebody_else(emulator: OneLoginEmulator) -> None:
    error = refusal(emulator, tls={})
    assert isinstance(error, DirectoryUnreachable)
    assert "tls.ca_file" in str(error)


def test_a_ca_file_that_cannot_be_used_is_a_mistake_of_the_config(emulator: OneLoginEmulator) -> None:
    with pytest.raises(ConfigError, match=r"^directories\.hq\.tls: missing\.pem") as raised:
        reader_of(emulator, tls={"ca_file": "missing.pem"}).read(no_progress)
    assert not isinstance(raised.value, DirectoryError)


def test_a_secret_that_is_not_there(emulator: OneLoginEmulator) -> None:
    with pytest.raises(ConfigError, match="environment variable NO_SUCH_THING"):
        reader_of(emulator, client_secret={"env": "NO_SUCH_THING"}).read(no_progress)


# --------------------------------------------------------------------------------------------------------------- rights


@pytest.mark.parametrize(
    ("scope", "settings", "message"),
    [
        (
            "authentication_only",
            {},
            "GET /api/2/users: 403 Forbidden: this needs the scope Read Users: in OneLogin, under",
        ),
        (
            "read_users",
            {"groups": "groups"},
            "GET /api/1/groups: 403 Insufficient Permissions: this needs the scope Read",
        ),
    ],
)
def test_a_scope_that_is_too_narrow(
    emulator: OneLoginEmulator, scope: str, settings: dict[str, Any], message: str
) -> None:
    emulator.restrict(scope)
    error = refusal(emulator, **settings)
    assert isinstance(error, DirectoryRefused)
    assert message in str(error)


@pytest.mark.parametrize("scope", ["read_users", "manage_users", "read_all", "manage_all"])
def test_roles_need_no_more_than_read_users(emulator: OneLoginEmulator, scope: str) -> None:
    emulator.restrict(scope)
    assert reader_of(emulator).read(no_progress).complete


# -------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("match", "fault"),
    [
        (TOKEN, "status:401"),
        (TOKEN, "status:500"),
        (TOKEN, "drop"),
        (TOKEN, "cut"),
        (USERS, "status:403"),
        (USERS, "status:500"),
        (USERS, "status:429"),
        (USERS, "expired"),
        (USERS, "html"),
        (USERS, "drop"),
        (USERS, "cut"),
    ],
)
def test_no_error_holds_a_secret(emulator: OneLoginEmulator, match: str, fault: str) -> None:
    emulator.faults.add(match, fault)
    error = refusal(emulator)
    secrets = [emulator.client_secret, *(token.value for token in emulator.tokens.issued.values())]
    for link in chain(error):
        assert type(link).__module__.startswith("dirconnector."), "nothing of the HTTP library is left"
        text = repr(link) + str(link) + repr(vars(link))
        assert not any(secret in text for secret in secrets)
    assert not any(secret in "".join(traceback.format_exception(error)) for secret in secrets)


def test_a_service_that_repeats_the_secret_is_not_repeated(
    emulator: OneLoginEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = emulator.client_secret
    monkeypatch.setattr(
        "dirconnector.readers.onelogin.connection.words_of", lambda body: f"bad pair {secret}, try another"
    )
    assert "bad pair ***, try another" in str(
        refusal(emulator, client_id="0a0b", client_secret={"env": next(iter(emulator.env))})
    )


# ---------------------------------------------------------------------------------------------------------------- check


def test_check_of_a_good_account(emulator: OneLoginEmulator) -> None:
    found = check(emulator, groups="both")
    assert all(finding.ok for finding in found.values())
    assert found["users"].detail == "readable, there are 30"
    assert found["roles"].detail == "readable, there are 5"
    assert found["groups"].detail == "OneLogin groups are readable"
    assert "no call for each role" in found["members of roles"].detail
    assert re.search("of 2[0-9] users looked at have an address", found["e-mail"].detail)
    assert sum(emulator.calls.values()) == 6


def test_check_tells_what_a_read_will_cost(emulator: OneLoginEmulator) -> None:
    emulator.role_ids_in_lists = False
    assert "a call for each role" in check(emulator)["members of roles"].detail


def test_check_names_the_missing_scope(emulator: OneLoginEmulator) -> None:
    emulator.restrict("authentication_only")
    found = check(emulator, groups="both")
    assert not any(found[subject].ok for subject in ("users", "roles", "groups"))
    assert found["users"].cure == (
        "in OneLogin, under Developers > API Credentials, make a credential pair with the scope Read Users and use that"
    )
    emulator.restrict("read_users")
    found = check(emulator, groups="both")
    assert [subject for subject in found if not found[subject].ok] == ["groups"]
    assert "with the scope Read Users or Read All" in found["groups"].cure
    assert "Read All" in found["events"].detail


def test_check_warns_of_a_scope_that_is_too_wide(emulator: OneLoginEmulator) -> None:
    emulator.restrict("manage_all")
    assert check(emulator)["scope"].detail.startswith("wider than needed: it is Manage All")
    emulator.restrict("read_all")
    assert "wider than needed" not in check(emulator)["scope"].detail


def test_check_of_wrong_credentials(emulator: OneLoginEmulator) -> None:
    found = check(emulator, client_id="0a0b")
    assert found.keys() == {"connection"}
    assert "API Credentials" in found["connection"].cure


def test_check_sees_fields_that_are_not_there(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "no-paging-headers")
    assert "removes headers" in check(emulator)["users"].cure


def test_check_of_people_without_addresses(emulator: OneLoginEmulator) -> None:
    for user in emulator.state.users:
        emulator.state.change_user(user, email=None)
    assert "name other fields in `email`" in check(emulator)["e-mail"].cure
