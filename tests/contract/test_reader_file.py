"""The contract of readers, kept by each format of ``kind: file``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from dirconnector.readers import Reader, reader_class
from tests.contract.reader_contract import SECRET, WORLD, ReaderContract, Subject, world_ldif


def subject_of(folder: Path, **settings: str) -> Subject:
    kind = reader_class("file")

    def reader(attributes: frozenset[str], **given: str) -> Reader:
        return kind("hq", kind.settings_class.model_validate(given, context={"folder": folder}), attributes)

    return Subject(
        alive=lambda attributes: reader(attributes, **settings),
        dead=lambda: reader(frozenset(), **settings | {"path": "missing.ldif", "format": settings["format"]}),
    )


class TestLdif(ReaderContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        (tmp_path / "hq.ldif").write_text(world_ldif(), encoding="utf-8")
        return subject_of(tmp_path, path="hq.ldif", format="ldif")


class TestLdifFromWindows(ReaderContract):
    """CRLF, a byte order mark, and a suffix that says nothing."""

    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        text = world_ldif().replace("\n", "\r\n")
        (tmp_path / "export.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
        return subject_of(tmp_path, path="export.txt", format="ldif")


class TestCsv(ReaderContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        people = io.StringIO(newline="")
        rows = csv.writer(people)
        rows.writerow(["key", "email", "name", "username", "enabled", "groups", "departmentNumber", "password"])
        for p in WORLD.people:
            groups = ";".join(team.name for team in WORLD.teams if p.username in team.members)
            enabled = "yes" if p.enabled else "no"
            rows.writerow([p.uuid, p.email, p.name, p.username, enabled, groups, p.department, SECRET])
        (tmp_path / "people.csv").write_text(people.getvalue(), encoding="utf-8", newline="")
        teams = io.StringIO(newline="")
        rows = csv.writer(teams)
        rows.writerow(["key", "name", "parent"])
        for team in WORLD.teams:
            parents = ";".join(parent.name for parent in WORLD.teams if team.name in parent.subgroups)
            rows.writerow([team.uuid, team.name, parents])
        (tmp_path / "groups.csv").write_text(teams.getvalue(), encoding="utf-8", newline="")
        return subject_of(tmp_path, path="people.csv", format="csv", groups_path="groups.csv")


class TestJson(ReaderContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        keys = {p.username: p.uuid for p in WORLD.people} | {team.name: team.uuid for team in WORLD.teams}
        document = {
            "users": [
                {
                    "key": p.uuid,
                    "email": p.email,
                    "name": p.name,
                    "enabled": p.enabled,
                    "directory": "other",
                    "username": p.username,
                    "attributes": {"departmentNumber": [p.department], "userPassword": [SECRET]},
                }
                for p in WORLD.people
            ],
            "groups": [
                {
                    "key": team.uuid,
                    "name": team.name,
                    "directory": "other",
                    "members": sorted(keys[name] for name in team.members),
                    "subgroups": sorted(keys[name] for name in team.subgroups),
                }
                for team in WORLD.teams
            ],
            "evidence": [
                {"directory": "other", "query": q, "complete": True, "pages": 1, "entries": n, "why": "last page"}
                for q, n in (("users", len(WORLD.people)), ("groups", len(WORLD.teams)))
            ],
            "problems": [],
        }
        (tmp_path / "hq.json").write_text(json.dumps(document), encoding="utf-8")
        return subject_of(tmp_path, path="hq.json", format="json")
