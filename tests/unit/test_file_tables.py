"""CSV tables, saved snapshots, and files that are not what they should be."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Snapshot, no_progress
from dirconnector.readers.file import FileReader
from dirconnector.readers.file.settings import FileSettings
from dirconnector.readers.file.source import Source


def reader(folder: Path, path: str, attributes: frozenset[str] = frozenset(), **settings: Any) -> FileReader:
    given = FileSettings.model_validate({"path": path} | settings, context={"folder": folder})
    return FileReader("hq", given, attributes)


def read(folder: Path, text: str | bytes, path: str, groups: str = "", **settings: Any) -> Snapshot:
    (folder / path).write_bytes(text.encode() if isinstance(text, str) else text)
    if groups:
        (folder / "groups.csv").write_text(groups, encoding="utf-8")
        settings["groups_path"] = "groups.csv"
    return reader(folder, path, **settings).read(no_progress)


# -------------------------------------------------------------------------------------------------------------- CSV

HEADER = "key,email,name,username,enabled,groups\n"


def test_a_table(tmp_path: Path) -> None:
    text = "Key,E-Mail-Domain,email,name,enabled,Groups,Office\n"
    text += '1,x,Ana@Example.org,"Silva, Ana",TRUE,Vault-Users; Vault-Ops ,Lisboa\n\n'
    text += '2,x,,"two\nlines",no,Vault-Ops,\n'
    found = read(tmp_path, text, "p.csv", attributes=frozenset({"office"}))
    ana, bo = found.users.values()
    assert (ana.key, ana.email, ana.name, ana.enabled, ana.entry) == (
        "1",
        "Ana@Example.org",
        "Silva, Ana",
        True,
        "p.csv:2",
    )
    assert (bo.key, bo.email, bo.enabled, bo.entry) == ("2", "", False, "p.csv:4")
    assert (dict(ana.attributes), dict(bo.attributes)) == ({"office": ("Lisboa",)}, {})
    assert {g.key: g.members for g in found.groups.values()} == {"Vault-Users": {"1"}, "Vault-Ops": {"1", "2"}}
    assert found.complete


def test_a_table_of_groups(tmp_path: Path) -> None:
    people = "key;email;groups\n1;a@x.org;'Ops'\n".replace("'", '"')
    groups = 'key;name;parent\ng1;Users;\ng2;Ops;Users\ng3;Empty;"Users;Ops"\n'
    found = read(tmp_path, people, "p.csv", groups, delimiter=";")
    shape = {g.name: (g.key, set(g.members), set(g.subgroups)) for g in found.groups.values()}
    assert shape == {"Users": ("g1", set(), {"g2", "g3"}), "Ops": ("g2", {"1"}, {"g3"}), "Empty": ("g3", set(), set())}


@pytest.mark.parametrize(
    ("text", "groups", "words"),
    [
        (HEADER, "", "no people"),
        ("email,name\na@x.org,A\n", "", r"p\.csv:1: .*no column key"),
        ("key;email\n1;a@x.org\n", "", r"p\.csv:1: .*set delimiter"),
        ("key,email,Email\n1,a,b\n", "", r"p\.csv:1: .*'email' twice"),
        ("key,email,enabeld\n1,a@x.org,no\n", "", r"p\.csv:1: .*'enabeld'; did you mean 'enabled'"),
        ("key,email,\n1,a@x.org,\n", "", r"p\.csv:1: unknown column ''"),
        ("key,email\n1,a@x.org\n2\n", "", r"p\.csv:3: .*1 columns and the header has 2"),
        ("key,email\n1,a@x.org,x\n", "", r"p\.csv:2: .*3 columns"),
        ("key,email\n,a@x.org\n", "", r"p\.csv:2: .*no key"),
        ("key,email\n1,a@x.org\n1,b@x.org\n", "", r"p\.csv:3: .*already in line 2"),
        ("key,email,enabled\n1,a@x.org,maybe\n", "", r"p\.csv:2: enabled is 'maybe'"),
        ("key,email,enabled\n1,a@x.org,\n", "", r"p\.csv:2: enabled is ''"),
        ('key,email\n1,"a@x.org\n2,b@x.org\n', "", r"p\.csv:2: not CSV"),
        (b"key,email\n1,a\xe9@x.org\n", "", r"p\.csv:2: not UTF-8"),
        (b"key,email\n1,a\x00@x.org\n", "", r"p\.csv:2: NUL"),
        ("key,email,groups\n1,a@x.org,Opps\n", "key,name\ng1,Ops\n", r"p\.csv:2: the group 'Opps'"),
        ("key,email\n1,a@x.org\n", "key,name,parent\ng1,Ops,Al\n", r"groups\.csv:2: the parent 'Al'"),
        ("key,email\n1,a@x.org\n", "key,name\ng1,Ops\ng2,Ops\n", r"groups\.csv:3: the name 'Ops'"),
        ("key,email\n1,a@x.org\n", "key,name,colour\ng1,Ops,red\n", r"groups\.csv:1: unknown column 'colour'"),
    ],
)
def test_damaged_tables(tmp_path: Path, text: str | bytes, groups: str, words: str) -> None:
    with pytest.raises(DirectoryRefused, match=words):
        read(tmp_path, text, "p.csv", groups)


def test_a_table_without_a_last_line_end_withholds_removals(tmp_path: Path) -> None:
    found = read(tmp_path, "key,email\n1,a@x.org", "p.csv")
    assert list(found.users) == ["1"]
    assert not found.complete
    assert found.evidence[0].why.startswith("p.csv:2: the last line has no line end")


# ------------------------------------------------------------------------------------------------------------- JSON


def document(**changes: Any) -> dict[str, Any]:
    user = {"key": "u1", "email": "ana@x.org", "name": "Ana", "enabled": True, "directory": "ad", "username": "ana"}
    group = {"key": "g1", "name": "Ops", "directory": "ad", "members": ["u1"]}
    evidence = [
        {"directory": "ad", "query": query, "complete": True, "pages": 3, "entries": 1, "why": "last page"}
        for query in ("users", "groups")
    ]
    return {"users": [user], "groups": [group], "evidence": evidence, "problems": []} | changes


def test_a_snapshot_is_replayed(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(document(added_later=1)), "s.json")
    [user] = found.users.values()
    assert (user.key, user.email, user.directory, user.entry) == ("u1", "ana@x.org", "hq", "ana (from ad)")
    assert found.groups["g1"].members == {"u1"}
    assert [(e.directory, e.query, e.complete, e.pages) for e in found.evidence] == [
        ("hq", "users", True, 3),
        ("hq", "groups", True, 3),
    ]
    assert found.evidence[0].why == "snapshot of ad: last page"
    assert found.complete


def test_an_incomplete_snapshot_stays_incomplete(tmp_path: Path) -> None:
    evidence = document()["evidence"]
    evidence[1] |= {"complete": False, "why": "size limit"}
    found = read(tmp_path, json.dumps(document(evidence=evidence)), "s.json")
    assert [(e.complete, e.why) for e in found.evidence][1] == (False, "snapshot of ad: size limit")


@pytest.mark.parametrize("kept", [0, 1])
def test_a_snapshot_without_evidence_is_incomplete(tmp_path: Path, kept: int) -> None:
    found = read(tmp_path, json.dumps(document(evidence=document()["evidence"][:kept])), "s.json")
    assert {e.query for e in found.evidence} == {"users", "groups"}
    assert not found.complete


def test_problems_are_kept_and_the_people_behind_them_are_not_gone(tmp_path: Path) -> None:
    problems = [{"directory": "ad", "entry": "cn=bo", "why": "has no e-mail address"}]
    without = read(tmp_path, json.dumps(document(problems=problems)), "s.json")
    assert not without.complete
    assert (without.problems[0].directory, without.problems[0].entry) == ("hq", "cn=bo (from ad)")
    known = document(problems=problems, unsyncable={"u2": "has no e-mail address"})
    found = read(tmp_path, json.dumps(known), "s.json")
    assert found.complete
    assert dict(found.unsyncable) == {"u2": "has no e-mail address"}


def test_members_that_are_not_there_withhold_removals(tmp_path: Path) -> None:
    text = document()
    text["groups"][0]["members"] = ["u1", "u9"]
    found = read(tmp_path, json.dumps(text), "s.json")
    assert found.groups["g1"].members == {"u1"}
    assert found.problems[0].why == "1 of its members are not in the file, like u9"
    assert [(e.query, e.complete) for e in found.evidence] == [("users", True), ("groups", True), ("members", False)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"users": [', r"s\.json:1: not JSON"),
        ('{\n"users": [}', r"s\.json:2: not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "the document"),
        ("{}", "users: Field required"),
        (json.dumps(document(users=[{"key": "u1"}])), r"users\.0\.email: Field required"),
        (json.dumps(document(users=document()["users"] * 2)), "'u1' is in it 2 times"),
        (json.dumps(document(groups=document()["groups"] * 2)), "'g1' is in it 2 times"),
        (json.dumps(document(evidence=[{}])), r"evidence\.0"),
        (json.dumps(document(users=[document()["users"][0] | {"enabled": "no"}])), r"users\.0\.enabled"),
    ],
)
def test_what_is_not_a_snapshot(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DirectoryRefused, match=words):
        read(tmp_path, text, "s.json")


# --------------------------------------------------------------------------------------------------------- the file


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnreachable, match=r"^hq: .*no such file"):
        reader(tmp_path, "a.ldif").read(no_progress)


@pytest.mark.parametrize("name", ["a.ldif", "a.csv", "a.json"])
def test_a_folder_an_empty_file_a_pipe_and_utf16(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir()
    with pytest.raises(DirectoryRefused, match="is a folder"):
        reader(tmp_path, name).read(no_progress)
    path.rmdir()
    path.touch()
    with pytest.raises(DirectoryRefused, match="the file is empty"):
        reader(tmp_path, name).read(no_progress)
    path.write_bytes("dn: cn=a".encode("utf-16"))
    with pytest.raises(DirectoryRefused, match="UTF-16"):
        reader(tmp_path, name).read(no_progress)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DirectoryRefused, match="not a regular file"):
        reader(tmp_path, name).read(no_progress)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.ldif").write_text("dn: cn=a\n", encoding="utf-8")
    source = Source(directory="hq", path=tmp_path / "a.ldif")
    with pytest.raises(DirectoryRefused, match="may not be read; give read access"), source.opened():
        raise PermissionError(13, "Permission denied")


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ldif"
    path.write_text("dn: cn=a\n", encoding="utf-8")
    source = Source(directory="hq", path=path)
    with pytest.raises(DirectoryRefused, match="changed while it was being read"), source.opened() as file:
        file.read()
        with path.open("a", encoding="utf-8") as more:
            more.write("cn: a\n")


def test_a_stale_file(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("key,email\n1,a@x.org\n", encoding="utf-8")
    yesterday = time.time() - 25 * 3600
    os.utime(path, (yesterday, yesterday))
    assert reader(tmp_path, "p.csv", max_age_hours=26).read(no_progress).users
    with pytest.raises(DirectoryRefused, match=r"25\.0 hours ago"):
        reader(tmp_path, "p.csv", max_age_hours=24).read(no_progress)


def test_check_says_what_is_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("key,email,groups\n1,a@x.org,Ops\n2,,Ops", encoding="utf-8")
    found = list(reader(tmp_path, "p.csv").check())
    assert found[0].ok
    assert "csv, users: 2, groups: 1, written 0.0 hours ago" in found[0].detail
    assert [(f.ok, bool(f.cure)) for f in found if "not complete" in f.detail] == [(False, True)] * 2
    assert any("without an e-mail address: 1" in f.detail for f in found)


def test_check_of_a_damaged_file_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("key,email\n1\n", encoding="utf-8")
    [finding] = reader(tmp_path, "p.csv").check()
    assert not finding.ok
    assert "p.csv:2" in finding.detail
    assert finding.cure


def test_check_warns_of_keys_that_change(tmp_path: Path) -> None:
    (tmp_path / "a.ldif").write_text("dn: uid=a\nobjectClass: person\nmail: a@x.org\n", encoding="utf-8")
    assert any("known by their DN" in f.detail for f in reader(tmp_path, "a.ldif").check())


def test_every_error_names_the_directory(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError) as raised:
        read(tmp_path, "key\n1\n", "p.csv")
    assert raised.value.directory == "hq"
