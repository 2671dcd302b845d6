"""A source that fails, in every way that a real OpenLDAP can be made to fail: nobody is revoked, removed or taken out
of a group, the exit code and the message say what happened, and when it is mended the next run comes to the same end
as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.departments import ELSEWHERE, GRANTS, GROUPS, NAMES, PEOPLE, SLOW, dn, group_dn, tree
from tests.integration.world import REVOKED, Member, World, kill, slapd_for_long, wait_for
from tests.servers import ldif
from tests.servers.proxy import Proxy
from tests.servers.slapd import BASE, Slapd

pytestmark = pytest.mark.slapd


@dataclass
class Scene:
    """A world whose last good run was before the directory changed, and the server, not broken yet. ``after`` is what
    an undisturbed run makes of it.
    """

    world: World
    server: Slapd
    before: tuple[dict[str, Member], dict[str, str | None]]
    after: tuple[dict[str, Member], dict[str, str | None]]
    stack: ExitStack = field(default_factory=ExitStack)

    def through(self, **settings: Any) -> Proxy:
        """Put a breaking proxy between the command and the server."""
        proxy = self.stack.enter_context(Proxy(to=self.server.ports[0], **settings))
        self.world.change(url=proxy.url, tls={}, page_size=25)
        return proxy

    def users(self, **settings: Any) -> None:
        self.world.change(users={"base": BASE} | settings)

    def modify(self, names: list[str], lines: str) -> None:
        self.server.modify("\n".join(f"dn: {name}\nchangetype: modify\n{lines}\n" for name in names))


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[Path, bytes | None], Any, Any]:
    """One organization for all tests here: after its first run (to be loaded again), and what it and an undisturbed
    second run made.
    """
    world = World(tmp_path_factory.mktemp("failures"))
    with ExitStack() as servers:
        for later in (False, True):
            configure(world, slapd_for_long(servers, tree(later=later)))
            if later:
                saved, before = world.save(), world.everything()
            world.dirsync("run")
    return world, saved, before, world.everything()


def configure(world: World, server: Slapd) -> None:
    select = {"users": {"include": [{"group": "Dept-*"}]}}
    world.configure({"hq": server}, select=select)


@pytest.fixture
def scene(synced: tuple[World, dict[Path, bytes | None], Any, Any], slapd: Callable[..., Slapd]) -> Iterator[Scene]:
    world, saved, before, after = synced
    world.load(saved)
    scene = Scene(world, slapd(tree(later=True)), before, after)
    configure(world, scene.server)
    with scene.stack:
        yield scene


def test_the_undisturbed_run(scene: Scene) -> None:
    """What all others are measured by: it invites, revokes, and takes out of a group."""
    assert scene.after != scene.before
    (members, _), (old, _) = scene.after, scene.before
    assert members["new@example.org"].groups == ("Dept-0", "Vault")
    assert members["p50@example.org"].status == REVOKED
    assert (old["p00@example.org"].groups, members["p00@example.org"].groups) == (
        ("Board", "Dept-0", "Vault"),
        ("Dept-0", "Vault"),
    )
    assert members["owner@local.invalid"] == old["owner@local.invalid"]


@dataclass(frozen=True)
class Failure:
    """What is broken, the exit code, words that the output has; ``adds`` when additions may still be made."""

    name: str
    break_: Callable[[Scene], object]
    code: int
    words: tuple[str, ...]
    adds: bool = False


def access(*rules: str) -> Callable[[Scene], object]:
    return lambda scene: scene.server.reconfigure(access=rules)


def limit(**limits: object) -> Callable[[Scene], object]:
    return lambda scene: scene.server.reconfigure(**limits)


def users(**settings: str) -> Callable[[Scene], object]:
    return lambda scene: scene.users(**settings)


def settings(**settings: Any) -> Callable[[Scene], object]:
    return lambda scene: scene.world.change(**settings)


def silent(scene: Scene) -> None:
    scene.through(stall_after=6000)
    scene.world.change(timeout=1)


def hidden_base(scene: Scene) -> None:
    scene.users(base=PEOPLE)
    scene.server.reconfigure(access=[f'to dn.subtree="{PEOPLE}" {GRANTS}'])


def wrong_password(scene: Scene) -> None:
    (scene.world.folder / "slapd.password").write_text("wr0ng s3cret")


def no_addresses(scene: Scene) -> None:
    people = [name for name, _ in scene.server.search("(objectClass=inetOrgPerson)", ["1.1"])]
    scene.modify(people, "delete: mail")


def emptied(scene: Scene) -> None:
    scene.server.delete(*(name for name, _ in scene.server.search("(objectClass=inetOrgPerson)", ["1.1"])))


def half_the_groups(scene: Scene) -> None:
    scene.users(base=PEOPLE)
    scene.world.change(groups={"base": GROUPS})
    for name in ("Dept-0", "Dept-1", "Dept-2", "Dept-3"):
        scene.server.modify(
            f"dn: {group_dn(name)}\nchangetype: modrdn\nnewrdn: cn={name}\ndeleteoldrdn: 0\nnewsuperior: {ELSEWHERE}\n"
        )


def slow_and_limited(scene: Scene) -> None:
    scene.server.reconfigure(access=[f'to dn.regex="{SLOW}" by * none'], timelimit=1)


NOBODY_THERE = ("hq shrank from 60 to 0 users since ", ": check base, filter and rights")

FAILURES = (
    Failure(
        "dead server",
        lambda s: s.server.stop(),
        1,
        ("hq: ldaps://127.0.0.1:", "nothing listens there; check host and port"),
    ),
    Failure(
        "wrong password",
        wrong_password,
        1,
        ("hq: ", f"bind as cn=reader,{BASE}: invalidCredentials (49); bind_dn or password is wrong"),
    ),
    Failure("reset in the middle of users, for good", lambda s: s.through(cut_at_page=2), 1, ("hq: ", "reset by peer")),
    Failure(
        "reset in the middle of groups, for good",
        lambda s: s.through(cut_at_page=1, page_marker=b"groupOfUniqueNames"),
        1,
        ("hq: ", "reset by peer (the second time; the first time: "),
    ),
    Failure("closed in the middle", lambda s: s.through(cut_after=6000, orderly=True), 1, ("hq: ", "closed the conn")),
    Failure(
        "silent in the middle",
        silent,
        1,
        ("hq: ", "sent nothing within the timeout"),
    ),
    Failure("size limit", limit(sizelimit=40), 6, ("hq", "sizeLimitExceeded (4)", 'limits dn.exact="cn=reader'), True),
    Failure("paged size limit", limit(limits="size.prtotal=40"), 6, ("size.prtotal=unlimited",), True),
    Failure("time limit", slow_and_limited, 6, ("hq", "timeLimitExceeded (3)", "time=unlimited"), True),
    Failure(
        "wrong base of users",
        users(base=f"ou=Pepole,{BASE}"),
        1,
        ("hq: users: noSuchObject", f"the base 'ou=Pepole,{BASE}' does not exist; the nearest entry that exists is"),
    ),
    Failure(
        "wrong base of groups",
        settings(groups={"base": f"ou=Gruops,{BASE}"}),
        1,
        ("hq: groups: noSuchObject", "does not exist"),
    ),
    Failure(
        "lost rights on the base",
        hidden_base,
        1,
        ("hq: users: noSuchObject", f"let cn=reader,{BASE} see it"),
    ),
    Failure(
        "lost rights on everybody below the base",
        access(f'to dn.subtree="{PEOPLE}" {GRANTS}'),
        3,
        NOBODY_THERE,
    ),
    Failure(
        "lost rights on half of the people",
        access(f'to dn.regex="^uid=p[0-2].,{PEOPLE}$" {GRANTS}'),
        3,
        ("hq shrank from 60 to 30 users",),
        True,
    ),
    Failure(
        "lost rights on member",
        access(f"to attrs=member {GRANTS}"),
        6,
        ("hq", "the members of 8 groups cannot be read", f"give cn=reader,{BASE} the right to read"),
    ),
    Failure(
        "lost rights on the members of one group",
        access(f'to dn.exact="{group_dn("Board")}" attrs=member {GRANTS}'),
        6,
        ("the members of 1 groups cannot be read", group_dn("Board")),
        True,
    ),
    Failure(
        "lost rights on mail",
        access(f"to attrs=mail {GRANTS}"),
        3,
        ("none of the 60 users of hq has an e-mail address: is the attribute readable for the bind account?",),
    ),
    Failure(
        "lost rights on the key",
        access(f"to attrs=entryUUID {GRANTS}"),
        6,
        ("entries have no readable entryUUID", f"give cn=reader,{BASE} the right"),
    ),
    Failure(
        "lost rights on the keys of some",
        access(f'to dn.regex="^uid=p1.,{PEOPLE}$" attrs=entryUUID {GRANTS}'),
        6,
        ("10 entries have no readable entryUUID",),
        True,
    ),
    Failure(
        "lost rights on the names of groups",
        access(f'to dn.subtree="{GROUPS}" attrs=cn {GRANTS}'),
        3,
        ("has no name: cn has no value or cannot be read",),
    ),
    Failure(
        "lost rights on objectClass",
        access(f"to attrs=objectClass {GRANTS}"),
        6,
        ("hq: users", f"cn=reader,{BASE} cannot read '{BASE}' itself: mend its rights"),
    ),
    Failure(
        "half the groups moved out of the base", half_the_groups, 3, ("hq shrank from 67 to 22 memberships",), True
    ),
    Failure("nobody has an address", no_addresses, 3, ("none of the 60 users of hq has an e-mail address",)),
    Failure("an emptied subtree", emptied, 3, NOBODY_THERE),
    Failure("a filter that matches nobody", users(filter="(employeeType=none)"), 3, NOBODY_THERE),
)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_nobody_loses_anything_and_the_end_is_the_same(scene: Scene, failure: Failure) -> None:
    world = scene.world
    bytes_before = world.org.read_bytes()
    failure.break_(scene)
    done = world.dirsync("run", code=failure.code)
    said = " ".join((done.out + done.err).split())
    for words in failure.words:
        assert words in said
    # nothing that is advised is of no use
    assert ("--approve" in said) == (failure.code == 3)
    assert "***" not in said, "no secret was about to be shown, and a port is none"
    if failure.adds:
        only_additions(scene.before, world.everything())
    else:
        assert world.org.read_bytes() == bytes_before
    mended = Slapd(tree(later=True))
    scene.stack.enter_context(mended)
    configure(world, mended)
    world.dirsync("run")
    assert world.everything() == scene.after
    assert max(world.mails().values()) == 1


def only_additions(before: tuple[dict[str, Member], Any], after: tuple[dict[str, Member], Any]) -> None:
    """Everybody is who they were and in every group they were in."""
    (members, groups), (now, groups_now) = before, after
    assert groups_now == groups
    for email, was in members.items():
        found = now[email]
        assert (found.key, found.status, found.type) == (was.key, was.status, was.type)
        assert set(found.groups) >= set(was.groups)
    assert set(now) <= {*members, "new@example.org"}


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_one_reset_is_no_failure(scene: Scene, page: int) -> None:
    proxy = scene.through(cut_at_page=page, faulty=1)
    scene.world.dirsync("run")
    assert proxy.connections == 2
    assert scene.world.everything() == scene.after


def test_a_server_that_is_killed_in_the_middle(scene: Scene) -> None:
    world, server = scene.world, scene.server
    server.reconfigure(access=[f'to dn.regex="{SLOW}" by * none'], log_operations=True)
    world.change(page_size=1)
    before = world.org.read_bytes()
    process = world.start("run")
    try:
        wait_for(lambda: server.log.count("SEARCH RESULT") >= 5, "the command reads")
        server.kill()
        done = world.finish(process)
    finally:
        kill(process)
    assert done.code == 1
    assert done.err.startswith("dirsync: error: hq: ldaps://127.0.0.1:")
    assert world.org.read_bytes() == before
    assert server.log.count("SEARCH RESULT") < len(NAMES)
    server.reconfigure(access=[])
    configure(world, server)
    world.dirsync("run")
    assert world.everything() == scene.after


def test_one_of_two_directories_is_dead(scene: Scene, slapd: Callable[..., Slapd]) -> None:
    world = scene.world
    other = slapd(ldif.ou(PEOPLE) + ldif.person(dn("zoe"), "zoe", mail="zoe@example.org"))
    world.configure({"hq": scene.server, "branch": other})
    world.dirsync("run")
    before = world.org.read_bytes()
    assert "zoe@example.org" in world.members()
    for dead, name in ((other, "branch"), (scene.server, "hq")):
        dead.stop()
        done = world.dirsync("run", code=1)
        assert f"dirsync: error: {name}: " in done.err
        assert world.org.read_bytes() == before
        dead.start()
    world.in_step()


def test_an_incomplete_read_still_lets_people_in(scene: Scene) -> None:
    """What is withheld is told change by change, and no approval releases it."""
    access(f'to dn.exact="{group_dn("Board")}" attrs=member {GRANTS}')(scene)
    plan = scene.world.document("plan", code=6)
    assert not plan["complete"]
    held = {(change["action"], change["email"], change["limit"], change["approvable"]) for change in plan["held"]}
    assert ("revoke", "p50@example.org", "incomplete read", False) in held
    report = scene.world.document("run", "--approve", plan["plan_id"], code=6)
    assert report["outcome"]["applied"] == len(report["changes"]) > 0
    assert scene.world.members()["new@example.org"].groups == ("Dept-0", "Vault")
    only_additions(scene.before, scene.world.everything())
