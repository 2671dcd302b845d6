"""The contract of readers, kept by ``kind: entra``, with a client secret and with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dirconnector.readers import IncrementalReader, Reader
from tests.contract.reader_contract import SECRET, WORLD, ReaderContract, Subject
from tests.emulators.entra import EntraEmulator
from tests.emulators.entra.certificates import pem_file
from tests.entra import nobody_there, reader


def furnish(entra: EntraEmulator) -> None:
    """Lay the world out in the tenant."""
    tenant = entra.tenant
    tenant.app.secret = SECRET
    keys = {}
    for person in WORLD.people:
        keys[person.username] = tenant.add(
            "user",
            id=person.uuid,
            displayName=person.name,
            mail=person.email or None,
            mailNickname=person.username,
            userPrincipalName=f"{person.username}@{tenant.domain}",
            department=person.department,
            accountEnabled=person.enabled,
        )
    for team in WORLD.teams:
        keys[team.name] = tenant.add("group", id=team.uuid, displayName=team.name)
    for team in WORLD.teams:
        tenant.set_members(team.uuid, [keys[name] for name in sorted(team.members | team.subgroups)])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[EntraEmulator]:
    with EntraEmulator() as emulator:
        furnish(emulator)
        for name, value in emulator.env.items():
            monkeypatch.setenv(name, value)
        yield emulator


BY_NICKNAME = {"username": "mailNickname"}


class TestEntra(ReaderContract):
    @pytest.fixture
    def subject(self, world: EntraEmulator) -> Subject:
        gone = nobody_there()
        return Subject(
            alive=lambda attributes: reader(world, attributes=attributes, users=BY_NICKNAME),
            dead=lambda: reader(world, login_url=gone, graph_url=gone),
            department="department",
        )

    def test_it_is_incremental(self, subject: Subject) -> None:
        assert isinstance(subject.alive(frozenset()), IncrementalReader)


class TestEntraWithCertificate(ReaderContract):
    @pytest.fixture
    def subject(self, world: EntraEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
        file, public = pem_file(tmp_path, password=SECRET)
        world.tenant.app.certificates = [public]
        monkeypatch.setenv("CERTIFICATE_PASSWORD", SECRET)
        certificate = {"file": str(file), "password": {"env": "CERTIFICATE_PASSWORD"}}
        given: dict[str, Any] = {"client_secret": None, "certificate": certificate}

        def alive(attributes: frozenset[str]) -> Reader:
            return reader(world, attributes=attributes, users=BY_NICKNAME, **given)

        return Subject(
            alive=alive,
            dead=lambda: reader(world, **given | {"graph_url": nobody_there()}),
            department="department",
        )
