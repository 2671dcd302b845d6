"""The LDAP reader against a real OpenLDAP: what it reads, and what it does when the server does not give everything."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import ConfigError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Finding, Snapshot, no_progress
from dirconnector.readers.ldap import LdapReader, LdapSettings
from tests.servers import ldif
from tests.servers.config import ldap_settings
from tests.servers.proxy import Proxy
from tests.servers.server import DirectoryServer
from tests.servers.slapd import Slapd

pytestmark = pytest.mark.slapd

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
TREE = ldif.ou(PEOPLE) + ldif.ou(GROUPS)
ANA = ldif.person(f"uid=ana,{PEOPLE}", "ana", cn="Ana Lima", mail="ana@example.org", displayName="Ana L.")
BEN = ldif.person(f"uid=ben,{PEOPLE}", "ben", cn="Ben Roy", mail="ben@example.org", employeeType="staff")

Start = Callable[..., Slapd]


def reader(server: DirectoryServer, folder: Path, attributes: frozenset[str] = frozenset(), **more: Any) -> LdapReader:
    settings = LdapSettings.model_validate(ldap_settings(server, folder, **more))
    return LdapReader("hq", settings, attributes)


def read(server: DirectoryServer, folder: Path, attributes: frozenset[str] = frozenset(), **more: Any) -> Snapshot:
    return reader(server, folder, attributes, **more).read(no_progress)


def check(server: DirectoryServer, folder: Path, **more: Any) -> dict[str, Finding]:
    return {finding.subject: finding for finding in reader(server, folder, **more).check()}


def crowd(number: int, **more: Any) -> str:
    return "".join(
        ldif.person(f"uid=u{n:04d},{PEOPLE}", f"u{n:04d}", mail=f"u{n:04d}@example.org", **more) for n in range(number)
    )


def members(snapshot: Snapshot) -> dict[str, list[str]]:
    """Group name -> user names, then names of subgroups."""
    users, groups = snapshot.users, snapshot.groups
    return {
        group.name: sorted(users[key].username for key in group.members)
        + sorted(groups[key].name for key in group.subgroups)
        for group in groups.values()
    }


def whys(snapshot: Snapshot) -> str:
    return " | ".join(e.why for e in snapshot.evidence)


# ---------------------------------------------------------------------------------------------- what it reads


def test_users_and_groups(slapd: Start, tmp_path: Path) -> None:
    staff = ldif.group(
        f"cn=staff,{GROUPS}", "staff", [f"UID=Ana , OU=people,{BASE}", f"cn=inner,{GROUPS}", f"uid=gone,{PEOPLE}"]
    )
    inner = ldif.group(f"cn=inner,{GROUPS}", "inner", [f"uid=ben,{PEOPLE}"])
    unique = ldif.entry(
        f"cn=unique,{GROUPS}", objectClass="groupOfUniqueNames", cn="unique", uniqueMember=[f"uid=ana,{PEOPLE}#'0101'B"]
    )
    posix = ldif.entry(
        f"cn=posix,{GROUPS}", objectClass="posixGroup", cn="posix", gidNumber="7", memberUid=["ben", "ANA", "x"]
    )
    server = slapd(TREE + ANA + BEN + staff + inner + unique + posix)
    snapshot = read(server, tmp_path, frozenset({"employeetype", "dn"}))
    assert snapshot.complete and not snapshot.problems
    ana, ben = sorted(snapshot.users.values(), key=lambda user: user.username)
    assert (ana.email, ana.name, ana.username, ana.enabled) == ("ana@example.org", "Ana L.", "ana", True)
    assert (ana.entry, ana.directory) == (f"uid=ana,{PEOPLE}", "hq")
    assert (ben.name, dict(ben.attributes)) == ("Ben Roy", {"employeetype": ("staff",), "dn": (f"uid=ben,{PEOPLE}",)})
    assert len(ana.key) == 36 and ana.key == server.value("(uid=ana)", "entryUUID")
    assert members(snapshot) == {
        "staff": ["ana", "inner"],
        "inner": ["ben"],
        "unique": ["ana"],
        "posix": ["ana", "ben"],
    }
    assert "2 members are none of the users and groups that were read" in whys(snapshot)


def test_names_that_must_be_escaped(slapd: Start, tmp_path: Path) -> None:
    name = 'Lima, Ana "the + one" <#é> ' + "x" * 40
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("+", "\\+").replace(",", "\\,")
    escaped = escaped.replace("<", "\\<").replace(">", "\\>")
    dn = f"cn={escaped},{PEOPLE}"
    hexed = "CN=" + "".join(f"\\{byte:02X}" for byte in name.encode()) + f",{PEOPLE}"
    user = ldif.person(dn, "ana", cn=name, mail="ana@example.org")
    server = slapd(TREE + user + ldif.group(f"cn=g,{GROUPS}", "g", [dn]) + ldif.group(f"cn=h,{GROUPS}", "h", [hexed]))
    assert members(read(server, tmp_path)) == {"g": ["ana"], "h": ["ana"]}


def test_multi_valued_rdn_in_another_order(slapd: Start, tmp_path: Path) -> None:
    user = ldif.person(f"uid=ana+cn=Ana Lima,{PEOPLE}", "ana", cn="Ana Lima", mail="ana@example.org")
    server = slapd(TREE + user + ldif.group(f"cn=g,{GROUPS}", "g", [f"cn=ana lima + UID=ANA,{PEOPLE}"]))
    assert members(read(server, tmp_path)) == {"g": ["ana"]}


def test_pages_are_counted_and_members_are_many(slapd: Start, tmp_path: Path) -> None:
    names = [f"uid=u{n:04d},{PEOPLE}" for n in range(1203)]
    server = slapd(TREE + crowd(1203) + ldif.group(f"cn=all,{GROUPS}", "all", names))
    snapshot = read(server, tmp_path, page_size=100)
    users, groups = snapshot.evidence
    assert (users.complete, users.pages, users.entries, groups.pages) == (True, 13, 1203, 1)
    assert len(snapshot.users) == 1203 and [len(g.members) for g in snapshot.groups.values()] == [1203]


def test_groups_switched_off(slapd: Start, tmp_path: Path) -> None:
    snapshot = read(slapd(TREE + ANA), tmp_path, groups=False)
    assert snapshot.complete and not snapshot.groups and [e.query for e in snapshot.evidence] == ["users"]


def test_overlapping_bases_read_nobody_twice(slapd: Start, tmp_path: Path) -> None:
    snapshot = read(slapd(TREE + ANA), tmp_path, users={"base": [BASE, PEOPLE]})
    assert len(snapshot.users) == 1 and not snapshot.problems and not snapshot.unsyncable
    assert [e.query for e in snapshot.evidence] == [f"users in {BASE}", f"users in {PEOPLE}", "groups"]


def test_locked_by_the_password_policy_is_disabled(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA + BEN, overlays=["ppolicy"])
    server.modify(
        f"dn: uid=ben,{PEOPLE}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
    )
    enabled = {user.username: user.enabled for user in read(server, tmp_path).users.values()}
    assert enabled == {"ana": True, "ben": False}


def test_a_rename_keeps_the_key(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA)
    before = next(iter(read(server, tmp_path).users))
    server.modify(f"dn: uid=ana,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=ana2\ndeleteoldrdn: 0\n")
    after = read(server, tmp_path).users
    assert list(after) == [before] and after[before].entry == f"uid=ana2,{PEOPLE}"


def test_key_dn_and_templates(slapd: Start, tmp_path: Path) -> None:
    users = {"base": PEOPLE, "key": "dn", "email": ["labeledURI", "{username}.{sn}@corp.example"]}
    snapshot = read(slapd(TREE + ANA), tmp_path, users=users)
    assert {key: user.email for key, user in snapshot.users.items()} == {f"uid=ana,{PEOPLE}": "ana.Lima@corp.example"}


def test_primary_gid(slapd: Start, tmp_path: Path) -> None:
    ana = ldif.entry(
        f"uid=ana,{PEOPLE}",
        objectClass=["inetOrgPerson", "posixAccount"],
        uid="ana",
        cn="Ana",
        sn="A",
        uidNumber="1",
        gidNumber="7",
        homeDirectory="/",
    )
    server = slapd(TREE + ana + ldif.entry(f"cn=p,{GROUPS}", objectClass="posixGroup", cn="p", gidNumber="7"))
    assert members(read(server, tmp_path)) == {"p": []}
    assert members(read(server, tmp_path, groups={"base": BASE, "primary": True})) == {"p": ["ana"]}


def test_same_key_twice_is_nobody(slapd: Start, tmp_path: Path) -> None:
    two = TREE + ANA + BEN.replace("sn: Roy", "sn: Lima") + ldif.group(f"cn=g,{GROUPS}", "g", [f"uid=ben,{PEOPLE}"])
    snapshot = read(slapd(two), tmp_path, users={"base": PEOPLE, "key": "sn"})
    assert not snapshot.users and list(snapshot.unsyncable) == ["Lima"]
    assert "is also that of" in snapshot.problems[0].why
    assert next(iter(snapshot.groups.values())).members == {"Lima"}


# --------------------------------------------------------------------------------------- incomplete is never complete


@pytest.mark.parametrize("page_size", [1000, 100])
def test_size_limit(slapd: Start, tmp_path: Path, page_size: int) -> None:
    server = slapd(TREE + crowd(700), sizelimit=500)
    snapshot = read(server, tmp_path, page_size=page_size)
    assert not snapshot.complete and len(snapshot.users) == 500
    assert "sizeLimitExceeded (4) after 500 entries" in whys(snapshot)
    assert f'limits dn.exact="{server.bind_dn}" size=unlimited size.prtotal=unlimited' in whys(snapshot)


def test_paged_total_limit(slapd: Start, tmp_path: Path) -> None:
    snapshot = read(slapd(TREE + crowd(300), limits="size.prtotal=250"), tmp_path, page_size=100)
    assert not snapshot.evidence[0].complete and 0 < len(snapshot.users) <= 250
    assert "size.prtotal=unlimited" in whys(snapshot)


def test_paging_refused_is_read_unpaged(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + crowd(300), limits="size.prtotal=disabled")
    snapshot = read(server, tmp_path)
    assert snapshot.complete and len(snapshot.users) == 300 and "without paging" in whys(snapshot)
    server.reconfigure(limits="size.prtotal=disabled size=200")
    snapshot = read(server, tmp_path)
    assert not snapshot.complete and len(snapshot.users) == 200


def test_members_that_cannot_be_read(slapd: Start, tmp_path: Path) -> None:
    server = slapd(
        TREE + ANA + ldif.group(f"cn=g,{GROUPS}", "g", [f"uid=ana,{PEOPLE}"]), access=["to attrs=member by * none"]
    )
    snapshot = read(server, tmp_path)
    assert snapshot.evidence[0].complete and not snapshot.evidence[1].complete
    assert f"cn=g,{GROUPS}" in snapshot.evidence[1].why and snapshot.problems[0].entry == f"cn=g,{GROUPS}"


def test_key_that_cannot_be_read(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA + BEN, access=[f'to dn.exact="uid=ana,{PEOPLE}" attrs=entryUUID by * none'])
    snapshot = read(server, tmp_path)
    assert [user.username for user in snapshot.users.values()] == ["ben"]
    assert not snapshot.evidence[0].complete and f"uid=ana,{PEOPLE}" in snapshot.evidence[0].why
    assert [problem.entry for problem in snapshot.problems] == [f"uid=ana,{PEOPLE}"]


def test_nothing_found_in_a_base_that_cannot_be_seen(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA, access=[f'to dn.subtree="{PEOPLE}" by * search'])
    snapshot = read(server, tmp_path, users={"base": PEOPLE})
    assert not snapshot.users and not snapshot.evidence[0].complete and "cannot read" in snapshot.evidence[0].why


def test_nobody_in_a_base_that_exists(slapd: Start, tmp_path: Path) -> None:
    snapshot = read(slapd(TREE), tmp_path, users={"base": PEOPLE})
    assert snapshot.complete and "no user was found" in snapshot.evidence[0].why


@pytest.mark.parametrize("options", [{"cut_at_page": 3}, {"cut_after": 40_000}, {"cut_at_page": 3, "orderly": True}])
def test_broken_once_is_read_again_from_the_next_url(slapd: Start, tmp_path: Path, options: dict[str, Any]) -> None:
    server = slapd(TREE + crowd(500))
    with Proxy(to=server.ports[0], **options) as proxy:
        snapshot = read(server, tmp_path, url=[proxy.url, server.url], tls={}, page_size=100)
    assert snapshot.complete and len(snapshot.users) == 500
    assert proxy.connections == 1


def test_broken_twice_is_unreachable(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + crowd(500))
    with (
        Proxy(to=server.ports[0], cut_after=20_000) as one,
        Proxy(to=server.ports[0], cut_after=20_000) as two,
        pytest.raises(DirectoryUnreachable, match="the second time; the first time"),
    ):
        read(server, tmp_path, url=[one.url, two.url], tls={}, page_size=100)
    assert (one.connections, two.connections) == (1, 1)


def test_silence_is_a_timeout(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + crowd(500))
    with Proxy(to=server.ports[0], stall_after=20_000) as proxy, pytest.raises(DirectoryUnreachable, match="timeout"):
        read(server, tmp_path, url=proxy.url, tls={}, page_size=100, timeout=1)


# ------------------------------------------------------------------------------------------------- refusals


def test_wrong_password_is_not_tried_on_every_server(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE)
    (tmp_path / "wrong").write_text("hunter2-hunter2")
    with Proxy(to=server.ports[0]) as one, Proxy(to=server.ports[0]) as two:
        with pytest.raises(DirectoryRefused, match="bind_dn or password is wrong") as refused:
            read(server, tmp_path, url=[one.url, two.url], tls={}, password={"file": str(tmp_path / "wrong")})
        assert (one.connections, two.connections) == (1, 0)
    assert "hunter2" not in str(refused.value) and refused.value.__cause__ is None


def test_empty_password_stays_here(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE)
    (tmp_path / "empty").write_text("\n")
    with Proxy(to=server.ports[0]) as proxy:
        with pytest.raises(ConfigError, match="it is empty"):
            read(server, tmp_path, url=proxy.url, tls={}, password={"file": str(tmp_path / "empty")})
        assert proxy.connections == 0


@pytest.mark.parametrize(
    ("base", "why"), [(f"ou=typo,{BASE}", f"the nearest entry that exists is '{BASE}'"), ("typo", "is not a DN")]
)
def test_wrong_base(slapd: Start, tmp_path: Path, base: str, why: str) -> None:
    with pytest.raises(DirectoryRefused, match=why):
        read(slapd(TREE), tmp_path, users={"base": base})


def test_anonymous_only_by_name(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA, anonymous=True)
    assert len(read(server, tmp_path, bind="anonymous", bind_dn=None, password=None).users) == 1
    with pytest.raises(ValueError, match="write bind: anonymous"):
        reader(server, tmp_path, bind_dn=None, password=None)


# ------------------------------------------------------------------------------------------------------- TLS


def test_start_tls(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA)
    tls = {"ca_file": str(server.ca_file), "start_tls": True}
    assert len(read(server, tmp_path, url=server.url, tls=tls).users) == 1
    assert "TLSv1." in check(server, tmp_path, url=server.url, tls=tls)["connection"].detail


@pytest.mark.parametrize("start_tls", [False, True])
def test_certificates_are_verified(slapd: Start, tmp_path: Path, start_tls: bool) -> None:
    server = slapd(TREE + ANA)
    url = server.url if start_tls else server.ldaps_url
    with pytest.raises(DirectoryUnreachable, match=r"give the server's CA as tls\.ca_file"):
        read(server, tmp_path, url=url, tls={"start_tls": start_tls})
    assert len(read(server, tmp_path, url=url, tls={"start_tls": start_tls, "verify": False}).users) == 1


@pytest.mark.parametrize("start_tls", [False, True])
def test_certificate_for_another_name(slapd: Start, tmp_path: Path, start_tls: bool) -> None:
    server = slapd(TREE, names=["ldap.example.org"])
    url = server.url if start_tls else server.ldaps_url
    with pytest.raises(DirectoryUnreachable, match="the certificate is for another name"):
        read(server, tmp_path, url=url, tls={"ca_file": str(server.ca_file), "start_tls": start_tls})


def test_client_certificate(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA, client_certificates=True)
    files = server.certificates
    tls = {"ca_file": str(files.ca_file), "client_cert": str(files.client_cert), "client_key": str(files.client_key)}
    snapshot = read(server, tmp_path, bind="sasl-external", bind_dn=None, password=None, tls=tls)
    assert len(snapshot.users) == 1


def test_ca_file_that_is_none(slapd: Start, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"hq: tls.ca_file .*ca\.pem"):
        read(slapd(TREE), tmp_path, tls={"ca_file": str(tmp_path / "ca.pem")})


def test_nobody_listens(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DirectoryUnreachable, match="nothing listens there"):
        read(server, tmp_path, url=f"ldap://127.0.0.1:{port}", tls={})


def test_a_port_that_speaks_something_else(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE)
    with pytest.raises(DirectoryUnreachable, match="is this a TLS port"):
        read(server, tmp_path, url=server.url.replace("ldap://", "ldaps://"))
    with pytest.raises(DirectoryUnreachable, match="does the server speak LDAP on this port"):
        read(server, tmp_path, url=server.ldaps_url.replace("ldaps://", "ldap://"), tls={}, timeout=2)


# ----------------------------------------------------------------------------------------------------- check


def test_check_of_a_good_config(slapd: Start, tmp_path: Path) -> None:
    server = slapd(TREE + ANA + ldif.group(f"cn=g,{GROUPS}", "g", [f"uid=ana,{PEOPLE}"]))
    found = check(server, tmp_path)
    assert all(finding.ok and not finding.cure for finding in found.values()), found
    assert set(found) == {
        *("connection", "bind", "server", "users", "users.key", "users.email", "groups", "groups.key", "groups.member")
    }
    assert "OpenLDAP" in found["server"].detail and "entryUUID" in found["users.key"].detail


@pytest.mark.parametrize(
    ("server_options", "more", "subject", "cure"),
    [
        ({"sizelimit": 1}, {}, "users", "size.prtotal=unlimited"),
        ({"access": ["to attrs=entryUUID by * none"]}, {}, "users.key", "the right to read entryUUID"),
        ({"access": ["to attrs=member by * none"]}, {}, "groups.member", "the right to read member"),
        ({"access": ["to attrs=mail by * none"]}, {}, "users.email", "the right to read mail"),
        ({}, {"users": {"base": f"ou=typo,{BASE}"}}, "users", f"let cn=reader,{BASE} see it"),
        ({}, {"users": {"filter": "(uid=nobody)"}}, "users", "mend users.base and users.filter"),
        ({}, {"tls": {}}, "connection", "give the server's CA as tls.ca_file"),
    ],
)
def test_check_names_the_cure(
    slapd: Start, tmp_path: Path, server_options: dict[str, Any], more: dict[str, Any], subject: str, cure: str
) -> None:
    server = slapd(TREE + ANA + BEN + ldif.group(f"cn=g,{GROUPS}", "g", [f"uid=ana,{PEOPLE}"]), **server_options)
    finding = check(server, tmp_path, **more)[subject]
    assert not finding.ok
    assert cure in finding.cure.replace(server.bind_dn, f"cn=reader,{BASE}")
