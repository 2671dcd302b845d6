"""Directories of unusual shapes, through whole runs: the right people in the right groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.world import INVITED, REVOKED, Corner, World
from tests.servers import ldif
from tests.servers.ds389 import DirectoryServer389
from tests.servers.example_tree import ODD_CN, ZOE, key, tree
from tests.servers.slapd import BASE, Slapd

PEOPLE, GROUPS = f"ou=People,{BASE}", f"ou=Groups,{BASE}"
Start = Callable[..., Slapd]


@pytest.mark.slapd
@pytest.mark.ds389
def test_the_same_person_in_two_directories(slapd: Start, ds389: DirectoryServer389, tmp_path: Path) -> None:
    hq, branch = Corner(slapd(ldif.ou(f"ou=Twice,{BASE}")), f"ou=Twice,{BASE}"), Corner(ds389, ds389.unit("Twice"))
    for corner, group in ((hq, "Staff"), (branch, "Branch")):
        own = f"only-{group.lower()}"
        corner.server.add(corner.person("ana") + corner.person(own) + corner.group(group, ["ana", own]))
    branch.modify("ana", "replace", "mail", "ANA@Example.ORG")
    world = World(tmp_path)
    where = {"base": hq.base}
    world.configure({"hq": hq.server, "branch": ds389}, {"users": where, "groups": where})
    world.dirsync("run")

    def ana() -> tuple[str | None, int, tuple[str, ...]]:
        found = world.members()["ana@example.org"]
        return found.key, found.status, found.groups

    in_hq = hq.server.value("(uid=ana)", "entryUUID")
    in_branch = ds389.search("(uid=ana)", ["nsUniqueId"], base=branch.base)[0][1]["nsUniqueId"][0]
    assert ana() == (in_hq, INVITED, ("Branch", "Staff"))
    assert set(world.members()) == {
        *(f"{name}@example.org" for name in ("ana", "only-staff", "only-branch")),
        "owner@local.invalid",
    }
    world.in_step()

    hq.fire("ana")
    world.dirsync("run")
    assert ana()[:2] == (in_branch, INVITED), "still in the branch"
    assert "Branch" in ana()[2]
    world.in_step()

    branch.fire("ana")
    world.dirsync("run")
    assert ana()[:2] == (in_branch, REVOKED)
    world.in_step()
    assert max(world.mails().values()) == 1


@pytest.mark.slapd
def test_a_directory_of_nobody(slapd: Start, tmp_path: Path) -> None:
    empty, full = slapd(), Corner(slapd(), BASE)
    full.server.add(full.person("ana") + full.group("Staff", ["ana"]))
    world = World(tmp_path)
    world.configure({"hq": empty})
    assert world.dirsync("run").out.startswith("Nothing to do")
    assert world.members() == {}
    world.configure({"hq": empty, "branch": full.server})
    world.dirsync("run")
    assert world.members()["ana@example.org"].groups == ("Staff",)
    world.in_step()


@pytest.mark.slapd
def test_names_that_need_escaping(slapd: Start, tmp_path: Path) -> None:
    assert len(ZOE) > 300
    assert all(character in ZOE for character in ',+"řÖ')
    world = World(tmp_path)
    server = slapd(tree(), overlays=["ppolicy"])
    world.configure({"hq": server})
    world.dirsync("run")
    members = world.members()
    del members["owner@local.invalid"]
    assert {email: (found.key, found.groups) for email, found in members.items()} == {
        "ana.silva@example.org": (key(1), ("Loop", "Posix", "Staff", "Unique")),
        "zoe@example.org": (key(4), ("Loop", "Ops", "Staff")),
        "eve@example.org": (key(5), ("Loop", "Ops", "Posix", "Staff")),
    }
    assert ODD_CN in world.groups()
    world.in_step()


@pytest.mark.slapd
def test_twenty_thousand_members_and_five_thousand_groups_in_a_circle(slapd: Start, tmp_path: Path) -> None:
    names = [f"u{number:05d}" for number in range(20_000)]
    ring = 5_000
    dns = [f"uid={name},{PEOPLE}" for name in names]

    def link(number: int) -> str:
        following = f"cn=Ring-{(number + 1) % ring},{GROUPS}"
        return ldif.group(f"cn=Ring-{number},{GROUPS}", f"Ring-{number}", [following, dns[number]])

    server = slapd(
        "".join(
            [
                ldif.ou(PEOPLE),
                ldif.ou(GROUPS),
                *(ldif.person(dn, n, mail=f"{n}@example.org") for dn, n in zip(dns, names, strict=True)),
                ldif.group(f"cn=All,{GROUPS}", "All", dns),
                *map(link, range(ring)),
            ]
        )
    )
    world = World(tmp_path)
    groups = [{"name": name} for name in ("All", "Ring-0", "Ring-2500")]
    world.configure({"hq": server}, select={"groups": {"include": groups}})
    world.dirsync("run", "--quiet")
    assert world.mails() == {f"{name}@example.org": 1 for name in names}
    members = world.members()
    in_the_ring = ("All", "Ring-0", "Ring-2500")
    assert all(members[f"{name}@example.org"].groups == in_the_ring for name in names[:ring])
    assert all(members[f"{name}@example.org"].groups == ("All",) for name in names[ring:])
    world.in_step()
