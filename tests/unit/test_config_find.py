"""Which file is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirconnector.config import find
from dirconnector.config.find import user_folder
from dirconnector.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("DIRSYNC_CONFIG", raising=False)
    return tmp_path / "home"


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_order_of_the_places(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = _touch(home / ".config/dirsync/dirsync.yaml")
    assert find(None) == users
    _touch(tmp_path / "work/dirsync.yaml")
    assert find(None) == Path("dirsync.yaml")
    variable = _touch(tmp_path / "variable.yaml")
    monkeypatch.setenv("DIRSYNC_CONFIG", str(variable))
    assert find(None) == variable
    explicit = _touch(tmp_path / "explicit.yaml")
    assert find(str(explicit)) == explicit


def test_a_named_file_that_does_not_exist_is_an_error_though_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path / "work/dirsync.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml: this file does not exist \(named by --config\)"):
        find("none.yaml")
    monkeypatch.setenv("DIRSYNC_CONFIG", "gone.yaml")
    with pytest.raises(ConfigError, match=r"gone\.yaml: this file does not exist \(named by DIRSYNC_CONFIG\)"):
        find(None)


def test_an_empty_variable_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "work/dirsync.yaml")
    monkeypatch.setenv("DIRSYNC_CONFIG", "")
    assert find(None) == Path("dirsync.yaml")


def test_nothing_found_lists_the_places_and_what_to_do(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find(None)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert str(tmp_path / "work/dirsync.yaml") in message
    assert str(home / ".config/dirsync/dirsync.yaml") in message
    assert "--config" in message
    assert "DIRSYNC_CONFIG" in message
    assert "`dirsync init`" in message


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, "{home}/.config/dirsync"),
        ("linux", {"XDG_CONFIG_HOME": "/xdg"}, "/xdg/dirsync"),
        ("darwin", {"XDG_CONFIG_HOME": "/xdg"}, "{home}/Library/Application Support/dirsync"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming/dirsync"),
        ("win32", {}, "{home}/AppData/Roaming/dirsync"),
    ],
)
def test_the_users_own_folder(home: Path, platform: str, environ: dict[str, str], folder: str) -> None:
    assert user_folder(environ, platform) == Path(folder.format(home=home))
