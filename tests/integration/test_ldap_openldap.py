"""The LDAP reader against a real OpenLDAP: one tree, three ways to connect, many ways for the data to be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import DirectoryError, DirectoryRefused
from dirconnector.model import Snapshot, no_progress
from tests.servers import ldif
from tests.servers.config import ldap_reader
from tests.servers.example_tree import ANA, GROUPS, GROUPS_FOUND, PEOPLE, USERS, ZOE, key, tree
from tests.servers.proxy import Proxy
from tests.servers.slapd import Slapd

pytestmark = pytest.mark.slapd

Start = Callable[..., Slapd]
GRANTS = "by anonymous auth by * none"


@pytest.fixture
def server(slapd: Start) -> Slapd:
    return slapd(tree(), overlays=["ppolicy"], log_operations=True)


def read(server: Slapd, folder: Path, **more: Any) -> Snapshot:
    return ldap_reader(server, folder, **more).read(no_progress)


def connections(server: Slapd) -> dict[str, dict[str, Any]]:
    tls = {"ca_file": str(server.ca_file)}
    return {
        "plain": {"url": server.url, "tls": {}},
        "start_tls": {"url": server.url, "tls": tls | {"start_tls": True}},
        "ldaps": {"url": server.ldaps_url, "tls": tls},
    }


@pytest.mark.parametrize("page_size", [1, 3, 1000])
@pytest.mark.parametrize("connection", ["plain", "start_tls", "ldaps"])
def test_the_tree_is_the_same_however_it_is_read(
    server: Slapd, tmp_path: Path, connection: str, page_size: int
) -> None:
    found = read(
        *(server, tmp_path),
        attributes=frozenset({"title"}),
        page_size=page_size,
        **connections(server)[connection],
    )
    assert len(ZOE) > 300
    assert found.users == USERS
    assert found.groups == GROUPS_FOUND
    assert (found.problems, found.unsyncable, found.deleted) == ((), {}, {})
    assert [(e.directory, e.query, e.complete, e.entries) for e in found.evidence] == [
        ("hq", "users", True, len(USERS)),
        ("hq", "groups", True, len(GROUPS_FOUND)),
    ]
    if connection != "plain":
        assert "TLS established" in server.log


def test_it_is_recognised_and_check_has_nothing_to_say(server: Slapd, tmp_path: Path) -> None:
    findings = {finding.subject: finding for finding in ldap_reader(server, tmp_path).check()}
    assert findings["server"].detail == "recognised as OpenLDAP"
    assert all(finding.ok for finding in findings.values()), findings


def test_reads_cost_one_search_a_page(server: Slapd, tmp_path: Path) -> None:
    before = server.log.count(" SRCH base=")
    read(server, tmp_path, page_size=2)
    root_dse, pages_of_users, pages_of_groups = 1, 3, 3
    assert server.log.count(" SRCH base=") - before == root_dse + pages_of_users + pages_of_groups


def test_edits_of_the_live_tree_keep_the_keys(server: Slapd, tmp_path: Path) -> None:
    before = read(server, tmp_path)
    server.modify(f"dn: {ANA}\nchangetype: modrdn\nnewrdn: uid=ana.married\ndeleteoldrdn: 1\n")
    server.add(ldif.person(f"uid=new,{PEOPLE}", "new", mail="new@example.org"))
    server.delete(f"uid=cee,{PEOPLE}")
    after = read(server, tmp_path)
    assert after.users[key(1)].username == "ana.married"
    assert before.users.keys() - after.users.keys() == {key(3)}
    (new,) = after.users.keys() - before.users.keys()
    assert new == server.value("(uid=new)", "entryUUID")
    assert after.complete


def test_jumpcloud_keeps_users_and_groups_together(slapd: Start, tmp_path: Path) -> None:
    base = "o=5f0c,dc=jumpcloud,dc=com"
    users = f"ou=Users,{base}"
    bind = f"uid=sync,{users}"
    server = slapd(
        ldif.ou(users)
        + ldif.person(bind, "sync", userPassword="reader s3cret")
        + ldif.person(f"uid=ana,{users}", "ana", mail="ana@example.org")
        + ldif.group(f"cn=Vault,{users}", "Vault", [f"uid=ana,{users}"]),
        base=base,
        reader=bind,
    )
    found = read(server, tmp_path, users={}, groups={})
    assert sorted(u.username for u in found.users.values()) == ["ana", "sync"]
    (vault,) = found.groups.values()
    assert [found.users[member].username for member in vault.members] == ["ana"]
    assert found.complete
    assert "recognised as JumpCloud" in {f.detail for f in ldap_reader(server, tmp_path).check()}


def test_twenty_thousand_members(slapd: Start, tmp_path: Path) -> None:
    names = [f"u{n:05d}" for n in range(20_000)]
    everybody = "".join(ldif.person(f"uid={n},{PEOPLE}", n, mail=f"{n}@example.org") for n in names)
    all_of_them = ldif.group(f"cn=All,{GROUPS}", "All", [f"uid={n},{PEOPLE}" for n in names])
    server = slapd(ldif.ou(PEOPLE) + ldif.ou(GROUPS) + everybody + all_of_them)
    found = read(server, tmp_path)
    (group,) = found.groups.values()
    assert group.members == found.users.keys()
    assert {user.username for user in found.users.values()} == set(names)
    assert [(e.query, e.pages, e.complete) for e in found.evidence] == [("users", 20, True), ("groups", 1, True)]


# ------------------------------------------------------------------------------------- answers that are cut short


@pytest.fixture
def many(slapd: Start) -> Iterator[Callable[..., Slapd]]:
    people = "".join(ldif.person(f"uid=u{n:03d},{PEOPLE}", f"u{n:03d}") for n in range(150))
    group = ldif.group(f"cn=All,{GROUPS}", "All", [f"uid=u{n:03d},{PEOPLE}" for n in range(150)])
    yield lambda **settings: slapd(ldif.ou(PEOPLE) + ldif.ou(GROUPS) + people + group, **settings)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"sizelimit": 40}, "sizeLimitExceeded (4)"),
        ({"sizelimit": "size.soft=40 size.hard=40 size.prtotal=60"}, "sizeLimitExceeded (4)"),
        ({"limits": "size.prtotal=60"}, "sizeLimitExceeded (4)"),
        ({"limits": "size.soft=40 size.hard=40"}, "sizeLimitExceeded (4)"),
    ],
)
@pytest.mark.parametrize("page_size", [20, 1000])
def test_size_limits_are_told_with_their_cure(
    many: Start, tmp_path: Path, settings: dict[str, Any], code: str, page_size: int
) -> None:
    server = many(**settings)
    found = read(server, tmp_path, page_size=page_size)
    users, groups = found.evidence
    assert not users.complete
    assert code in users.why
    assert f'limits dn.exact="{server.bind_dn}" size=unlimited size.prtotal=unlimited' in users.why
    assert groups.complete
    assert not found.complete
    assert len(found.users) == users.entries < 150


def test_paging_forbidden_by_the_server(many: Start, tmp_path: Path) -> None:
    server = many(limits="size.prtotal=disabled")
    found = read(server, tmp_path)
    assert len(found.users) == 150
    assert found.complete
    assert "without paging" in found.evidence[0].why


def test_the_cure_in_the_message_cures(many: Start, tmp_path: Path) -> None:
    server = many(sizelimit=40)
    why = read(server, tmp_path).evidence[0].why
    server.reconfigure(limits=why.partition(f'limits dn.exact="{server.bind_dn}" ')[2].partition(";")[0])
    assert read(server, tmp_path).complete


@pytest.mark.parametrize("where", range(100, 24_000, 1500))
@pytest.mark.parametrize("orderly", [False, True])
def test_a_broken_connection_is_never_a_short_directory(many: Start, tmp_path: Path, where: int, orderly: bool) -> None:
    server = many()
    with Proxy(to=server.ports[0], cut_after=where, orderly=orderly) as proxy:
        try:
            found = read(server, tmp_path, url=proxy.url, tls={}, page_size=50)
        except DirectoryError as error:
            assert proxy.url in str(error)
            assert proxy.connections == 2, "tried a second time"
        else:
            assert proxy.from_server <= 2 * where, "only an answer that passed whole is one"
            assert found.complete
            assert len(found.users) == 150


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_reset_at_a_page_is_read_again_from_the_beginning(many: Start, tmp_path: Path, page: int) -> None:
    server = many()
    with Proxy(to=server.ports[0], cut_at_page=page, faulty=1) as proxy:
        found = read(server, tmp_path, url=proxy.url, tls={}, page_size=50)
    assert proxy.connections == 2
    assert found.complete
    assert len(found.users) == 150
    assert found.evidence[0].entries == 150


# --------------------------------------------------------------------------------------------------- lost rights


def test_a_hidden_subtree_is_a_refusal_when_it_is_the_base(server: Slapd, tmp_path: Path) -> None:
    server.reconfigure(access=[f'to dn.subtree="{PEOPLE}" {GRANTS}'])
    with pytest.raises(DirectoryRefused, match="users: noSuchObject") as refused:
        read(server, tmp_path, users={"base": PEOPLE})
    assert f"let {server.bind_dn} see it" in str(refused.value)


def test_a_hidden_subtree_below_the_base_is_silence(server: Slapd, tmp_path: Path) -> None:
    """No protocol tells it: what is left for the limits on shrinking is that nothing else changes."""
    server.reconfigure(access=[f'to dn.subtree="{PEOPLE}" {GRANTS}'])
    found = read(server, tmp_path)
    assert found.users == {}
    assert "no user was found: check users.base, users.filter and the rights" in found.evidence[0].why
    failed = [finding for finding in ldap_reader(server, tmp_path).check() if not finding.ok]
    assert any(server.bind_dn in finding.cure for finding in failed)


def test_hidden_addresses_are_people_without_an_address(server: Slapd, tmp_path: Path) -> None:
    server.reconfigure(access=[f"to attrs=mail {GRANTS}"])
    found = read(server, tmp_path)
    assert found.users.keys() == USERS.keys()
    assert {user.email for user in found.users.values()} == {""}
    (failed,) = (finding for finding in ldap_reader(server, tmp_path).check() if not finding.ok)
    assert failed.subject == "users.email"
    assert f"give {server.bind_dn} the right to read mail" in failed.cure


def test_hidden_keys_are_not_people_who_left(server: Slapd, tmp_path: Path) -> None:
    server.reconfigure(access=[f'to dn.exact="{ANA}" attrs=entryUUID {GRANTS}'])
    found = read(server, tmp_path)
    users, groups = found.evidence
    assert not users.complete
    assert f"1 entries have no readable entryUUID, the first is {ANA}: give {server.bind_dn} the right" in users.why
    assert groups.complete
    assert ANA in [problem.entry for problem in found.problems]


def test_hidden_members_are_not_people_who_left_the_group(server: Slapd, tmp_path: Path) -> None:
    server.reconfigure(access=[f"to attrs=member {GRANTS}"])
    found = read(server, tmp_path)
    users, groups = found.evidence
    assert users.complete
    assert not groups.complete
    assert "the members of 4 groups cannot be read" in groups.why
    assert f"give {server.bind_dn} the right to read" in groups.why


def test_a_filter_that_may_not_be_tried_is_not_an_empty_directory(server: Slapd, tmp_path: Path) -> None:
    server.reconfigure(access=[f"to attrs=objectClass {GRANTS}"])
    found = read(server, tmp_path)
    assert found.users == {}
    assert "no user was found" in found.evidence[0].why
    assert any(not finding.ok for finding in ldap_reader(server, tmp_path).check())
