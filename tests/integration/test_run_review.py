"""What administrators look at: saved plans, check, explain, snapshots that are replayed, the history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.world import REVOKED, Corner, World
from tests.servers import ldif
from tests.servers.slapd import BASE, Slapd

pytestmark = pytest.mark.slapd

NAMES = ("ana", "bo", "cee", "dan", "svc-backup")
SELECT = {
    "users": {"include": [{"group": "Vault-All"}], "exclude": [{"email": "svc-*@*"}]},
    "groups": {"include": [{"name": "re:vault-.*|ops"}]},
}


@pytest.fixture
def corner(slapd: Callable[..., Slapd]) -> Corner:
    """Ana is in Vault-All through Ops and Inner; dan is in no group that counts."""
    corner = Corner(slapd(overlays=["ppolicy"]), BASE)
    corner.server.add(
        "".join(map(corner.person, NAMES))
        + corner.group("Inner", ["ana"])
        + corner.group("Ops", ["bo"], ["Inner"])
        + corner.group("Vault-All", ["cee", "svc-backup"], ["Ops"])
        + corner.group("Canteen", ["dan"])
    )
    return corner


@pytest.fixture
def world(corner: Corner, tmp_path: Path) -> World:
    world = World(tmp_path)
    world.configure({"hq": corner.server}, select=SELECT)
    return world


# -------------------------------------------------------------------------------------------------------- saved plans


@pytest.fixture
def plan(world: World) -> str:
    path = world.folder / "plan.json"
    world.dirsync("plan", "-o", str(path))
    assert not world.org.exists()
    return str(path)


def test_a_saved_plan_is_applied_once(world: World, plan: str) -> None:
    report = world.document("apply", plan)
    assert report["outcome"]["applied"] == len(json.loads(Path(plan).read_text())["changes"]) > 0
    world.in_step()
    after = world.org.read_bytes()
    done = world.dirsync("apply", plan, code=1)
    assert "the organization changed since the plan was made. Nothing was applied: plan again" in done.err
    assert world.org.read_bytes() == after


def test_a_plan_is_stale_when_the_directory_moved(corner: Corner, world: World, plan: str) -> None:
    corner.join("Vault-All", "dan")
    done = world.dirsync("apply", plan, code=1)
    assert "the directory changed since the plan was made. Nothing was applied: plan again" in done.err
    assert not world.org.exists()


def test_a_plan_is_stale_when_the_organization_moved(corner: Corner, world: World) -> None:
    world.dirsync("run")
    corner.disable("bo")
    path = str(world.folder / "plan.json")
    world.dirsync("plan", "-o", path)
    with world.by_hand() as api:
        api.revoke(world.member_id("cee@example.org"))
    before = world.org.read_bytes()
    done = world.dirsync("apply", path, code=1)
    assert "the organization changed since the plan was made" in done.err
    assert world.org.read_bytes() == before
    world.dirsync("plan", "-o", path)
    world.dirsync("apply", path)
    members = world.members()
    assert (members["bo@example.org"].status, members["cee@example.org"].status) == (REVOKED, 0)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("cee@example.org", "eve@example.org"),
        lambda text: text.replace('"action": "invite"', '"action": "revoke"', 1),
        lambda text: json.dumps({**json.loads(text), "changes": json.loads(text)["changes"][1:]}),
        lambda text: json.dumps({**json.loads(text), "plan_id": "0" * 12}),
    ],
    ids=["another address", "another action", "a change less", "another id"],
)
def test_an_edited_plan_is_refused(world: World, plan: str, edit: Callable[[str], str]) -> None:
    text = Path(plan).read_text()
    assert edit(text) != text
    Path(plan).write_text(edit(text))
    done = world.dirsync("apply", plan, code=1)
    assert "the config, the limits or the plan file changed since. Nothing was applied: plan again" in done.err
    assert not world.org.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"changes": 1}'])
def test_what_is_no_plan_is_refused(world: World, plan: str, text: str) -> None:
    Path(plan).write_text(text)
    done = world.dirsync("apply", plan, code=2)
    assert f"dirsync: error: {plan}: " in done.err
    assert not world.org.exists()


# ----------------------------------------------------------------------------------------------------- looking at it


def test_check_finds_nothing_and_then_the_cure(corner: Corner, world: World) -> None:
    found = world.document("check")
    assert found["ok"]
    subjects = " ".join(finding["subject"] for finding in found["findings"])
    assert all(word in subjects for word in ("hq", "server", "users", "groups", "state"))
    assert "recognised as OpenLDAP" in {finding["detail"] for finding in found["findings"]}
    corner.server.stop()
    found = world.document("check", code=1)
    (failed,) = (finding for finding in found["findings"] if not finding["ok"])
    assert "nothing listens there; check host and port" in failed["detail"] + failed["cure"]
    assert not world.org.exists()


def test_explain(world: World) -> None:
    def explained(email: str, code: int = 0) -> str:
        return world.dirsync("explain", email, code=code).out

    nested = explained("ana@example.org")
    assert "matches   select.users.include {group: Vault-All}, through Vault-All > Ops > Inner\n" in nested
    assert "would be done  invite ana@example.org: in hq, selected by {group: Vault-All}" in nested
    assert not world.org.exists()
    assert not world.state.exists(), "a question leaves no trace"
    excluded = explained("svc-backup@example.org")
    assert "matches  select.users.include {group: Vault-All}" in excluded
    assert "matches  select.users.exclude {email: svc-*@*}" in excluded
    assert "is out: excluded by select.users.exclude {email: svc-*@*}" in excluded
    outside = explained("dan@example.org")
    assert "does not  select.users.include {group: Vault-All}" in outside
    unknown = explained("nobody@example.org", code=1)
    assert "nobody@example.org" in unknown
    assert "not found among" in unknown or "Nobody" in unknown or "nobody knows" in unknown.lower()


@pytest.mark.parametrize("words", [("snapshot",), ("snapshot", "hq")], ids=" ".join)
def test_a_replayed_snapshot_is_the_directory(corner: Corner, world: World, words: tuple[str, ...]) -> None:
    """Also somebody who is disabled, and somebody who lost the address after having become a member."""
    world.dirsync("run")
    corner.disable("bo")
    corner.modify("cee", "delete", "mail")
    world.dirsync("run")
    after = world.everything()
    assert (after[0]["bo@example.org"].status, after[0]["cee@example.org"].status) == (REVOKED, 0)
    snapshot = world.dirsync(*words, "--json").out
    (world.folder / "snapshot.json").write_text(snapshot)
    world.write({"directories": {"hq": {"kind": "file", "path": "snapshot.json"}}})
    world.in_step()
    world.dirsync("run")
    assert world.everything() == after


def test_history(corner: Corner, world: World) -> None:
    world.dirsync("run")
    corner.disable("bo")
    corner.server.add(ldif.ou(f"ou=Nothing,{BASE}"))
    world.dirsync("plan")
    world.dirsync("run")
    corner.server.stop()
    world.dirsync("run", code=1)
    listed = world.dirsync("history").out
    endings = ("  4  ", "run: failed (exit code 1)"), ("  3  ", "run: done (exit code 0)"), ("  2  ", "plan: done")
    for line, (number, words) in zip(listed.splitlines()[1:], endings, strict=False):
        assert line.startswith(number)
        assert words in line
    shown = world.dirsync("history", "3").out
    assert "bo@example.org" in shown
    assert "disabled in hq" in shown
    assert "POST /public/members/{id}/revoke" in shown
    assert "nothing listens there" in world.dirsync("history", "4").out
    assert "no run 99 of local:" in world.dirsync("history", "99", code=2).err
