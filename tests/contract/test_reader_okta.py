"""The contract of readers, kept by ``kind: okta`` with an API token and as a service app."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dirconnector.model import Snapshot
from dirconnector.readers.okta import OktaReader, OktaSettings
from tests.contract.reader_contract import SECRET, WORLD, ReaderContract, Subject
from tests.emulators.okta import ApiToken, OktaEmulator


def lay_out(okta: OktaEmulator) -> None:
    """The world in Okta, where groups are flat: who is in a subgroup is in the group itself."""
    state = okta.state
    state.delete_user(okta.token.owner)
    state.advance(7200)
    ids = {}
    for person in WORLD.people:
        ids[person.username] = state.add_user(
            person.username,
            status="ACTIVE" if person.enabled else "SUSPENDED",
            email=person.email or None,
            displayName=person.name,
            department=person.department,
        )
    members = {team.name: team.members for team in WORLD.teams}
    for team in WORLD.teams:
        everybody = team.members.union(*(members[name] for name in team.subgroups))
        state.add_group(team.name, [ids[name] for name in everybody])
    state.advance(7200)


class FlatContract(ReaderContract):
    """The contract, for a service whose groups contain no groups."""

    def test_members_are_keys_of_users_and_subgroups_keys_of_groups(self, snapshot: Snapshot) -> None:
        usernames = {key: user.username for key, user in snapshot.users.items()}
        found = {g.name: ({usernames[key] for key in g.members}, g.subgroups) for g in snapshot.groups.values()}
        everybody = {person.username for person in WORLD.people}
        assert found == {"Vault-Users": (everybody, frozenset()), "Vault-Ops": ({"bo", "cee"}, frozenset())}


@pytest.fixture(scope="module")
def okta() -> Iterator[OktaEmulator]:
    with OktaEmulator() as emulator:
        lay_out(emulator)
        emulator.door.tokens[SECRET] = ApiToken(value=SECRET, owner="")
        yield emulator


@pytest.fixture
def nowhere() -> Iterator[str]:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and nothing answers
        taken.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{taken.getsockname()[1]}"


def subject_of(okta: OktaEmulator, nowhere: str, **credentials: Any) -> Subject:
    settings: dict[str, Any] = {
        "tls": {"ca_file": str(okta.ca_file)},
        "groups": {"filter": 'type eq "OKTA_GROUP"'},
        **credentials,
    }

    def reader(url: str, attributes: frozenset[str]) -> OktaReader:
        return OktaReader("hq", OktaSettings.model_validate({"url": url, **settings}), attributes)

    return Subject(
        alive=lambda attributes: reader(okta.url, attributes),
        dead=lambda: reader(nowhere, frozenset()),
        department="department",
    )


class TestApiToken(FlatContract):
    @pytest.fixture
    def subject(self, okta: OktaEmulator, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> Subject:
        monkeypatch.setenv("OKTA_TOKEN", SECRET)
        return subject_of(okta, nowhere, token={"env": "OKTA_TOKEN"})


class TestServiceApp(FlatContract):
    @pytest.fixture
    def subject(self, okta: OktaEmulator, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> Subject:
        monkeypatch.setenv("OKTA_PRIVATE_KEY", okta.service_app.pem)
        return subject_of(okta, nowhere, client_id=okta.service_app.client_id, private_key={"env": "OKTA_PRIVATE_KEY"})
