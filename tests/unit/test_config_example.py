"""config.example.yaml runs, teaches every setting, and every setting that it shows switched off is valid."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from dirconnector import organizations, readers
from dirconnector.config import load
from dirconnector.config.schema import FileSettings
from dirconnector.rules.patterns import Pattern
from dirconnector.settings import Secret

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "config.example.yaml"
DOCS = ROOT / "docs" / "configuration.md"

OFF = re.compile(r"^( *)#([^\s#].*)$")
"""A setting that is switched off: ``#`` goes straight on. An explanation has a space after the ``#``."""


def _on(line: str) -> str:
    return OFF.sub(r"\1\2", line)


def _lines() -> list[str]:
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


def _organizations() -> list[range]:
    """The lines of each organization section, the one that is on and those that may take its place."""
    lines = _lines()
    starts = [n for n, line in enumerate(lines) if _on(line) == "organization:"]
    return [range(n, next(m for m in range(n + 1, len(lines)) if _section_ends(lines[m]))) for n in starts]


def _section_ends(line: str) -> bool:
    return bool(line) and not line.startswith((" ", "# "))


def _with_organization(number: int, lines: list[str]) -> str:
    """The example with the organization section of this number and without the others."""
    others = {n for i, section in enumerate(_organizations()) if i != number for n in section}
    return "\n".join("" if n in others else line for n, line in enumerate(lines)) + "\n"


def _switched_on() -> list[str]:
    """The example with everything on, once for each organization section."""
    lines = [_on(line) for line in _lines()]
    return [_with_organization(number, lines) for number in range(len(_organizations()))]


def _blocks() -> list[tuple[str, int, int]]:
    """Each setting that is switched off with all that is below it: its text, first line, line after the last."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    blocks: list[tuple[str, int, int]] = []
    for start, line in enumerate(lines):
        found = OFF.match(line)
        if found and (not blocks or start >= blocks[-1][2]):
            below = (n for n in range(start + 1, len(lines)) if not _belongs(lines[n], len(found[1])))
            blocks.append((f"{start + 1}: {found[2]}", start, next(below, len(lines))))
    return blocks


def _belongs(line: str, indent: int) -> bool:
    return len(line) - len(line.lstrip()) > indent and line.lstrip().startswith("#")


def _section_kind(kinds: dict[str, str], kind: str) -> type[BaseModel]:
    plugin = readers.reader_class(kind) if kinds is readers.KINDS else organizations.organization_class(kind)
    return plugin.settings_class


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _alternatives(part)]
    return [annotation]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every settings class that a value of this type may be made of."""
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind
            for field in kind.model_fields.values():
                yield from _models(field.annotation)
        elif get_origin(kind) in (list, tuple, dict):
            for part in get_args(kind):
                yield from _models(part)


def _all_models() -> set[type[BaseModel]]:
    plugins = [_section_kind(kinds, kind) for kinds in (readers.KINDS, organizations.KINDS) for kind in kinds]
    return {model for start in (FileSettings, *plugins) for model in _models(start)}


def _shown(annotation: Any, value: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """Each key in ``value``, with the settings class that it belongs to."""
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
            for name in value.keys() & kind.model_fields.keys():
                yield kind, name
                yield from _shown(kind.model_fields[name].annotation, value[name])
        elif get_origin(kind) in (list, tuple) and isinstance(value, list):
            for item in value:
                yield from _shown(get_args(kind)[0], item)


def _all_shown(data: dict[str, Any]) -> set[tuple[type[BaseModel], str]]:
    shown = set(_shown(FileSettings, data))
    for directory in data["directories"].values():
        shown |= set(_shown(_section_kind(readers.KINDS, directory["kind"]), directory))
    organization = data["organization"]
    return shown | set(_shown(_section_kind(organizations.KINDS, organization["kind"]), organization))


# -------------------------------------------------------------------------------------------------------- as it is


def test_the_example_is_valid_and_reads_the_example_company() -> None:
    config = load(EXAMPLE)
    assert [(d.name, d.kind) for d in config.directories] == [("company", "file")]
    assert getattr(config.directories[0].settings, "path") == ROOT / "examples/company.ldif"  # noqa: B009 (any kind)
    assert config.organization.kind == "local"
    assert config.state_url == f"sqlite:///{ROOT}/demo/state.db"
    assert config.policy.offboarding.protect_emails == {"break-glass@example.org"}


def test_the_files_that_the_example_names_are_there() -> None:
    config = load(EXAMPLE)
    assert config.directories[0].settings.model_dump()["path"].is_file()
    assert config.organization.settings.model_dump()["seed"].is_file()


def test_the_groups_that_the_example_selects_exist() -> None:
    names = re.findall(r"^dn: cn=([^,]+),ou=Groups", (ROOT / "examples/company.ldif").read_text(), re.MULTILINE)
    select = load(EXAMPLE).select
    wanted: list[Pattern | None] = [rule.group for rule in select.users_include]
    wanted += [rule.name for rule in select.groups_include + select.groups_exclude]
    assert all(wanted)
    for pattern in wanted:
        assert pattern and any(pattern.matches(name) for name in names), pattern


# ----------------------------------------------------------------------------------------------------- switched on


def test_everything_switched_on_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "dirsync.yaml"
    kinds = set()
    for text in _switched_on():
        path.write_text(text, encoding="utf-8")
        config = load(path)
        assert len(config.directories) >= 6
        assert {directory.kind for directory in config.directories} == readers.KINDS.keys()
        kinds.add(config.organization.kind)
    assert kinds == organizations.KINDS.keys()


@pytest.mark.parametrize(("start", "end"), [b[1:] for b in _blocks()], ids=[b[0] for b in _blocks()])
def test_each_block_switched_on_alone_is_valid(tmp_path: Path, start: int, end: int) -> None:
    lines = _lines()
    lines[start:end] = [_on(line) for line in lines[start:end]]
    number = next((i for i, section in enumerate(_organizations()) if section.start == start), 0)
    path = tmp_path / "dirsync.yaml"
    path.write_text(_with_organization(number, lines), encoding="utf-8")
    load(path)


def test_every_setting_of_every_class_is_shown() -> None:
    shown = {pair for text in _switched_on() for pair in _all_shown(yaml.safe_load(text))}
    # the forms of a secret are shown wherever they fit
    wanted = {(model, name) for model in _all_models() for name in model.model_fields if model is not Secret}
    assert {f"{model.__qualname__}.{name} of {model.__module__}" for model, name in wanted - shown} == set()
    text = EXAMPLE.read_text(encoding="utf-8")
    assert all(f"{{{name}: " in text for name in Secret.model_fields)


def test_the_walk_over_the_settings_sees_the_deep_ones() -> None:
    names = {f"{model.__module__.removeprefix('dirconnector.')}.{model.__name__}" for model in _all_models()}
    assert {
        "config.schema.UserRuleSettings",
        "config.schema.ProtectSettings",
        "readers.ldap.settings.DisabledRule",
        "readers.file.settings.DisabledRule",
        "settings.Tls",
        "settings.Secret",
    } <= names


def test_every_setting_is_in_the_documentation() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", DOCS.read_text(encoding="utf-8")))
    wanted = {name for model in _all_models() for name in model.model_fields}
    assert wanted - documented == set()


def test_every_kind_is_in_the_documentation() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for kind in (*readers.KINDS, *organizations.KINDS):
        assert f"kind: {kind}" in text


def _snippets() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("snippet", _snippets())
def test_every_piece_of_yaml_in_the_documentation_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snippet: str
) -> None:
    monkeypatch.setenv("DIRSYNC_STATE_URL", "sqlite:///state.db")
    path = tmp_path / "dirsync.yaml"
    if "directories:" not in snippet:
        snippet += "directories: {d: {kind: file, path: d.csv}}\norganization: {kind: local, path: o.db}\n"
    path.write_text(snippet, encoding="utf-8")
    load(path)
