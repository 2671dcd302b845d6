"""The contract of readers, kept by ``kind: onelogin``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from dirconnector.model import Snapshot
from dirconnector.readers import IncrementalReader
from dirconnector.readers.onelogin import OneLoginReader, OneLoginSettings
from dirconnector.readers.onelogin.throttle import Timing
from tests.contract.reader_contract import SECRET, WORLD, ReaderContract, Subject
from tests.emulators.onelogin import OneLoginEmulator


def lay_out(emulator: OneLoginEmulator) -> None:
    """The world of the contract. OneLogin chooses the ids, and nothing in it nests."""
    state = emulator.state
    ids = {}
    for person in WORLD.people:
        first, _, last = person.name.partition(" ")
        ids[person.username] = state.add_user(
            username=person.username,
            firstname=first,
            lastname=last,
            email=person.email or None,
            department=person.department,
            status=1 if person.enabled else 2,
        )
    for team in WORLD.teams:
        state.add_role(team.name, tuple(ids[name] for name in sorted(team.members)))


class OneLoginContract(ReaderContract):
    """With what is different about OneLogin."""

    def test_members_are_keys_of_users_and_subgroups_keys_of_groups(self, snapshot: Snapshot) -> None:
        """Roles have users alone."""
        usernames = {key: user.username for key, user in snapshot.users.items()}
        found = {
            (group.name, frozenset(usernames[key] for key in group.members), group.subgroups)
            for group in snapshot.groups.values()
        }
        assert found == {(team.name, team.members, frozenset()) for team in WORLD.teams}

    def test_it_reads_increments(self, subject: Subject) -> None:
        assert isinstance(subject.alive(frozenset()), IncrementalReader)


class TestOneLogin(OneLoginContract):
    """The list of users tells the roles."""

    change: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def subject(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
        with OneLoginEmulator() as emulator:
            for name, value in self.change.items():
                setattr(emulator, name, value)
            emulator.state.credentials[0].client_secret = SECRET
            lay_out(emulator)
            for name, value in emulator.env.items():
                monkeypatch.setenv(name, value)
            # a dead server is not waited for
            hurry = Timing(sleep=lambda seconds: None)
            entry = {name: value for name, value in emulator.directory.items() if name != "kind"}

            def reader(attributes: frozenset[str], **more: Any) -> OneLoginReader:
                return OneLoginReader("hq", OneLoginSettings.model_validate(entry | more), attributes, timing=hurry)

            yield Subject(
                alive=reader,
                dead=lambda: reader(frozenset(), url="https://127.0.0.1:9", timeout=1),
                department="department",
            )


class TestOneLoginByCalls(TestOneLogin):
    """It does not: a call for each role."""

    change: ClassVar[dict[str, Any]] = {"role_ids_in_lists": False, "role_users": None}


class TestOneLoginForgetful(TestOneLogin):
    """Cursors forget what was asked for, pages are small, and header values are not encoded."""

    change: ClassVar[dict[str, Any]] = {
        "cursor_carries_query": False,
        "cursor_encoded": False,
        "users_page_max": 50,
        "roles_page_max": 50,
    }
