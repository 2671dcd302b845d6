"""What ``dirsync init`` writes is valid, whatever was answered."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from dirconnector import organizations, readers
from dirconnector.config import Config, load, starter_config
from dirconnector.config.starter import ANSWERS
from dirconnector.errors import ConfigError
from dirconnector.rules.patterns import Pattern
from dirconnector.rules.rule import GroupRule, Select, UserRule

SERVERS = ["auto", "active-directory", "openldap", "389ds", "freeipa", "jumpcloud"]
ODD = [
    "Vault Users",
    'say "hi"',
    "back\\slash",
    "no",
    "12",
    "a: b # c",
    "{x}",
    "*",
    "Größe",
    "'",
    "null",
    "re:^a[0-9]{2}$",
]


def _loaded(folder: Path, answers: dict[str, str]) -> Config:
    path = folder / "dirsync.yaml"
    path.write_text(starter_config(answers), encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("group", ["", "Vault-Users", *ODD])
@pytest.mark.parametrize("kinds", list(product(readers.KINDS, organizations.KINDS)), ids=" ".join)
def test_every_combination_of_kinds_loads(tmp_path: Path, kinds: tuple[str, str], group: str) -> None:
    config = _loaded(tmp_path, {"directory": kinds[0], "organization": kinds[1], "group": group})
    assert [d.kind for d in config.directories] == [kinds[0]]
    assert config.organization.kind == kinds[1]
    expected = Select(users_include=(UserRule(group=Pattern(group)),), groups_include=(GroupRule(name=Pattern(group)),))
    assert config.select == (expected if group else Select())


@pytest.mark.parametrize("server", SERVERS)
def test_every_kind_of_ldap_server_loads(tmp_path: Path, server: str) -> None:
    settings = _loaded(tmp_path, {"directory": "ldap", "server": server}).directories[0].settings
    assert settings.model_dump()["server"] == server


@pytest.mark.parametrize("odd", ODD)
def test_answers_arrive_as_they_were_given(tmp_path: Path, odd: str) -> None:
    answers = {"directory": "ldap", "bind_dn": odd, "base": odd, "password_env": odd, "organization_path": odd}
    config = _loaded(tmp_path, answers)
    settings = config.directories[0].settings.model_dump()
    assert settings["bind_dn"] == settings["users"]["base"] == settings["groups"]["base"] == odd
    assert settings["password"]["env"] == odd
    assert config.organization.settings.model_dump()["path"] == tmp_path / odd


def test_names_and_paths(tmp_path: Path) -> None:
    config = _loaded(tmp_path, {"name": "hq-2", "path": "exports/people.csv"})
    assert config.directories[0].name == "hq-2"
    assert config.directories[0].settings.model_dump()["path"] == tmp_path / "exports/people.csv"


def test_defaults_are_written_when_nothing_is_answered(tmp_path: Path) -> None:
    assert starter_config({}) == starter_config(ANSWERS) == starter_config(dict.fromkeys(ANSWERS, ""))
    assert _loaded(tmp_path, {}).directories[0].name == "company"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"pth": "x"}, "unknown answers: pth; known are directory, "),
        ({"directory": "fax"}, "directory: no kind 'fax'; known are file, ldap"),
        ({"organization": "fax"}, "organization: no kind 'fax'; known are local, bitwarden, vaultwarden"),
        ({"group": "a\nb"}, "group: the answer holds a character that cannot be shown"),
        ({"name": "h q"}, "name: the name of a directory is made of letters, digits, _ and -"),
    ],
)
def test_answers_that_cannot_be_written_are_refused(answers: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        starter_config(answers)
    assert str(caught.value).startswith(message)


def test_no_line_is_too_long_to_read() -> None:
    assert max(map(len, starter_config({"directory": "ldap"}).splitlines())) <= 110
