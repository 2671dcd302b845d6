"""Loading a configuration: what every mistake says, and what a good file becomes.

Two little kinds stand for the real ones here; the real ones are loaded in test_config_example.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

import pytest
import yaml
from pydantic import AfterValidator, model_validator

from dirconnector import organizations, readers
from dirconnector.config import Config, document, load
from dirconnector.errors import ConfigError
from dirconnector.model import MemberType
from dirconnector.plan.policy import GroupsGone, Limit, Offboard, OnExceed
from dirconnector.rules.patterns import Pattern
from dirconnector.rules.rule import GroupRule, Select, UserRule
from dirconnector.settings import ConfigPath, Secret, Settings, Tls

MISTAKES = sorted((Path(__file__).parent.parent / "config").glob("*.yaml"))

GOOD = """\
directories:
  hq: {kind: paper, path: people.txt}
organization: {kind: box, path: box.db}
"""


def _refused(value: str) -> str:
    raise ValueError(f"{value!r} is not good")


class Paper(Settings):
    path: ConfigPath
    password: Secret | None = None
    tls: Tls = Tls()
    email: str | list[str] = "mail"
    url: Annotated[str, AfterValidator(_refused)] | list[str] | None = None


class Box(Settings):
    path: ConfigPath
    size: int | None = None

    @model_validator(mode="after")
    def _unlucky(self) -> Self:
        if self.size == 13:
            raise ValueError("size and path do not go together")
        return self


class PaperReader:
    settings_class = Paper


class BoxOrganization:
    settings_class = Box


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "KINDS", {"paper": f"{__name__}:PaperReader"})
    monkeypatch.setattr(organizations, "KINDS", {"box": f"{__name__}:BoxOrganization"})


def _load(folder: Path, text: str | bytes) -> Config:
    path = folder / "dirsync.yaml"
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return load(path)


def _problems(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _load(folder, text)
    assert caught.value.exit_code == 2
    return [problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems]


# ---------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_named_with_its_line_and_nothing_else_is(path: Path) -> None:
    first_lines = path.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# error: ") for line in first_lines if line.startswith("# error: ")]
    assert expected, "the file says in its first lines what is wrong with it"
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert list(caught.value.problems) == [f"{path}:{line}" for line in expected]
    assert "hunter2" not in str(caught.value)
    assert "20020202" not in str(caught.value)


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_without_libyaml_the_lines_are_the_same(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    with pytest.raises(ConfigError) as fast:
        load(path)
    monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)
    with pytest.raises(ConfigError) as slow:
        load(path)
    # the two say syntax errors in other words, but place, advice and silence about the content are the same
    lines = [[problem.split(": ")[0] for problem in caught.value.problems] for caught in (fast, slow)]
    assert lines[0] == lines[1]
    assert "hunter2" not in str(slow.value)


def test_every_mistake_file_was_found() -> None:
    assert len(MISTAKES) > 60


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    (problem,) = _problems(tmp_path, text)
    assert problem == "dirsync.yaml:1: the file is empty; `dirsync init` writes one to start from"


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    text = GOOD.encode() + "offboarding: {absent: dégagé}\n".encode("latin-1")
    assert _problems(tmp_path, text) == ["dirsync.yaml:4: the file is not UTF-8 text; save it as UTF-8"]


def test_nothing_of_a_file_that_is_not_utf8_stays_in_the_exception(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, b"password: hunter2\xff\n")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_utf16_file(tmp_path: Path) -> None:
    assert _problems(tmp_path, GOOD.encode("utf-16")) == ["dirsync.yaml:1: the file is UTF-16; save it as UTF-8"]


def test_a_file_that_is_far_too_big_is_refused_unread(tmp_path: Path) -> None:
    assert _problems(tmp_path, "# " + "x" * (1 << 20)) == [
        "dirsync.yaml: is bigger than 1 MiB; no configuration is like that: is this the right file?"
    ]


@pytest.mark.parametrize("text", ["[" * 500_000, "a: " + "[" * 60 + "]" * 60, "{a: " * 60])
def test_endless_nesting_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = _problems(tmp_path, text)
    assert problem.startswith("dirsync.yaml:1: more than 50 lists and mappings inside each other")


def test_of_thousands_of_mistakes_the_first_are_told(tmp_path: Path) -> None:
    found = _problems(tmp_path, "".join(f"key{number}: 1\n" for number in range(5000)))
    assert len(found) == 101
    assert found[-1].endswith("more mistakes; is this the right file?")


def test_a_control_character_names_the_line(tmp_path: Path) -> None:
    assert _problems(tmp_path, GOOD + "x: \x07\n") == ["dirsync.yaml:4: a control character is in the file; remove it"]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD.encode("utf-8-sig")).organization.kind == "box"


def test_a_file_that_does_not_exist_or_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_nested_aliases_do_not_blow_up(tmp_path: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    problems = _problems(tmp_path, "\n".join(["a0: &a0 [x]", *levels, GOOD]))
    assert len(problems) == 30
    assert all("unknown key" in problem for problem in problems)


def test_a_kind_that_lacks_a_package_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "KINDS", {"paper": "not_installed_anywhere.reader:Reader"})
    assert _problems(tmp_path, GOOD) == [
        "dirsync.yaml:2: directories.hq.kind: needs the Python package not_installed_anywhere, which is not installed"
    ]


def test_only_kinds_that_are_named_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(readers.KINDS, "heavy", "not_installed_anywhere.reader:Reader")
    assert _load(tmp_path, GOOD).directories[0].kind == "paper"


# --------------------------------------------------------------------------------------------------------- good files


def test_the_smallest_file_gets_the_safe_defaults(tmp_path: Path) -> None:
    config = _load(tmp_path, GOOD)
    assert config.path == tmp_path / "dirsync.yaml"
    assert config.folder == tmp_path
    assert [(d.name, d.kind, d.line) for d in config.directories] == [("hq", "paper", 2)]
    assert config.directories[0].settings == Paper.model_validate({"path": str(tmp_path / "people.txt")})
    assert config.organization == ("box", Box.model_validate({"path": str(tmp_path / "box.db")}))
    assert config.select == Select()
    assert config.policy.offboarding.absent is Offboard.REVOKE
    assert config.policy.offboarding.groups is GroupsGone.KEEP
    assert config.policy.offboarding.protect_types == {MemberType.OWNER, MemberType.ADMIN}
    assert config.policy.limits.removals == Limit(percent=20, floor=5)
    assert config.state_url == f"sqlite:///{tmp_path}/dirsync-state.db"


def test_directories_keep_the_order_of_the_file(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        "organization: {kind: box, path: b}\n"
        "directories:\n  zoo: {path: a, kind: paper}\n  ant: {kind: paper, path: b}\n  m-1: {kind: paper, path: c}\n",
    )
    assert [(d.name, d.line) for d in config.directories] == [("zoo", 3), ("ant", 4), ("m-1", 5)]


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "dirsync.yaml").write_text(
        "directories: {hq: {kind: paper, path: ../people.txt, password: {file: secrets/hq}, tls: {ca_file: /ca.pem}}}\n"
        "organization: {kind: box, path: ~/box.db}\n"
    )
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.chdir(tmp_path)
    config = load(Path("etc/dirsync.yaml"))
    paper = config.directories[0].settings
    assert isinstance(paper, Paper) and isinstance(config.organization.settings, Box)
    assert config.path == Path("etc/dirsync.yaml")
    assert config.folder == tmp_path / "etc"
    assert paper.path == tmp_path / "etc/../people.txt"
    assert paper.password and paper.password.file == tmp_path / "etc/secrets/hq"
    assert paper.tls.ca_file == Path("/ca.pem")
    assert config.organization.settings.path == Path("/home/ana/box.db")
    assert config.state_url == f"sqlite:///{tmp_path}/etc/dirsync-state.db"


def test_anchors_share_what_is_written_once(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        "directories:\n"
        "  a: {kind: paper, path: x, tls: &tls {ca_file: ca.pem}}\n"
        "  b: {kind: paper, path: y, tls: *tls}\n"
        "organization: {kind: box, path: b}\n",
    )
    a, b = (d.settings for d in config.directories)
    assert isinstance(a, Paper) and isinstance(b, Paper)
    assert a.tls == b.tls
    assert a.tls.ca_file == tmp_path / "ca.pem"


def test_the_selection_language(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        GOOD
        + """\
select:
  users:
    include:
    - {group: "Vault-*", directory: hq}
    - {attribute: {EmployeeType: staff, hireDate: 2024-01-31}}
    exclude:
    - {email: "svc-*@*", username: "re:^svc", name: "* (test)", entry: "*,ou=old,*"}
  groups:
    include: [{name: "Vault-*", directory: "h*"}]
    exclude: [{entry: "re:ou=old"}]
""",
    )
    assert config.select == Select(
        users_include=(
            UserRule(group=Pattern("Vault-*"), directory=Pattern("hq")),
            UserRule(attribute={"employeetype": Pattern("staff"), "hiredate": Pattern("2024-01-31")}),
        ),
        users_exclude=(
            UserRule(
                email=Pattern("svc-*@*"),
                username=Pattern("re:^svc"),
                name=Pattern("* (test)"),
                entry=Pattern("*,ou=old,*"),
            ),
        ),
        groups_include=(GroupRule(name=Pattern("Vault-*"), directory=Pattern("h*")),),
        groups_exclude=(GroupRule(entry=Pattern("re:ou=old")),),
    )
    assert config.select.attributes == {"employeetype", "hiredate"}


def test_an_include_that_is_written_as_an_empty_list_means_everyone(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD + "select: {users: {include: []}}\n").select == Select()


def test_offboarding_and_limits(tmp_path: Path) -> None:
    policy = _load(
        tmp_path,
        GOOD
        + """\
offboarding:
  {absent: remove, disabled: keep, groups: delete, protect: {types: [owner, custom], emails: [Root@Example.org]}}
limits: {removals: {percent: 2.5}, group_members: {floor: 0}, shrink: {count: 7, percent: 0}, on_exceed: hold_all}
""",
    ).policy
    assert policy.offboarding.absent is Offboard.REMOVE
    assert policy.offboarding.disabled is Offboard.KEEP
    assert policy.offboarding.groups is GroupsGone.DELETE
    assert policy.offboarding.protect_types == {MemberType.OWNER, MemberType.CUSTOM}
    assert policy.offboarding.protect_emails == {"root@example.org"}
    assert policy.limits.removals == Limit(percent=2.5, floor=5)
    assert policy.limits.group_members == Limit(percent=50, floor=0)
    assert policy.limits.shrink == Limit(percent=0, floor=20, count=7)
    assert policy.limits.on_exceed is OnExceed.HOLD_ALL


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("sqlite:///state/a.db", "sqlite:///{folder}/state/a.db"),
        ("sqlite:///a.db?timeout=5", "sqlite:///{folder}/a.db?timeout=5"),
        ("sqlite+pysqlite:///a.db", "sqlite+pysqlite:///{folder}/a.db"),
        ("sqlite:////var/lib/dirsync.db", "sqlite:////var/lib/dirsync.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://dirsync@db:5432/dirsync", "postgresql+psycopg://dirsync@db:5432/dirsync"),
    ],
)
def test_state_urls(tmp_path: Path, written: str, url: str) -> None:
    assert _load(tmp_path, f"{GOOD}state: {{url: '{written}'}}\n").state_url == url.format(folder=tmp_path)


def test_a_state_url_in_a_secret_is_read_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_URL", "postgresql://dirsync:hunter2@db/dirsync")
    config = _load(tmp_path, GOOD + "state: {url: {env: STATE_URL}}\n")
    assert config.state_url == "postgresql://dirsync:hunter2@db/dirsync"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("value", ["", "hunter2"])
def test_a_bad_state_url_in_a_secret_is_refused_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("STATE_URL", value)
    (problem,) = _problems(tmp_path, GOOD + "state: {url: {env: STATE_URL}}\n")
    assert problem.startswith("dirsync.yaml:4: state.url: ")
    assert "hunter2" not in problem


def test_a_config_cannot_be_changed(tmp_path: Path) -> None:
    config = _load(tmp_path, GOOD)
    with pytest.raises(AttributeError):
        config.state_url = "x"  # type: ignore[misc]  # what is tested
