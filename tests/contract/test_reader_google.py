"""The contract of readers, kept by ``kind: google``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.reader_contract import SECRET, WORLD, ReaderContract, Subject
from tests.emulators.google import GoogleEmulator
from tests.integration.google_reading import reader_of
from tests.servers.server import free_port

SETTINGS = {
    # the administrator who reads is a user too
    "users": {
        "query": "orgUnitPath='/Staff'",
        "email": ["emails.work"],
        "username": "posixAccounts.username",
    }
}


@pytest.fixture(scope="module")
def world() -> Iterator[GoogleEmulator]:
    with GoogleEmulator() as google:
        people = {
            person.username: google.state.add_user(
                f"{person.username}@example.com",
                orgUnitPath="/Staff",
                suspended=not person.enabled,
                emails=[{"address": person.email, "type": "work"}],
                posixAccounts=[{"username": person.username, "uid": "1001"}],
                organizations=[{"department": person.department, "primary": True}],
                password=SECRET,
                recoveryEmail=SECRET,
            )
            | {"name": {"fullName": person.name}}
            for person in WORLD.people
        }
        google.state.users.update({user["id"]: user for user in people.values()})
        teams = {team.name: google.state.add_group(f"{team.name}@example.com") for team in WORLD.teams}
        for team in WORLD.teams:
            for name in team.members:
                google.state.join(teams[team.name], people[name])
            for name in team.subgroups:
                google.state.join(teams[team.name], teams[name])
        yield google


class TestGoogle(ReaderContract):
    @pytest.fixture
    def subject(self, world: GoogleEmulator, tmp_path: Path) -> Subject:
        nowhere = f"https://127.0.0.1:{free_port()}"
        dead = {"api_url": nowhere, "token_url": f"{nowhere}/token"}
        return Subject(
            alive=lambda attributes: reader_of(world, tmp_path, *attributes, **SETTINGS),
            dead=lambda: reader_of(world, tmp_path, **SETTINGS | dead),
            department="department",
        )
