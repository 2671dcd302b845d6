"""What the LDAP reader makes of answers that our real servers cannot be made to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Snapshot, no_progress
from dirconnector.readers.ldap import LdapReader
from tests.servers.responder import (
    ACTIVE_DIRECTORY,
    Request,
    Responder,
    entry,
    notice_of_disconnection,
    reference,
    result,
)

BASE = "DC=corp,DC=example,DC=org"
ANSWERED = 1500
"""MaxValRange of Active Directory: the most values of one attribute in one answer."""


def guid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def person(request: Request, number: int, **more: Sequence[str | bytes]) -> bytes:
    name = f"u{number:04d}"
    attributes: dict[str, Sequence[str | bytes]] = {
        "objectGUID": [guid(number)],
        "sAMAccountName": [name],
        "mail": [f"{name}@example.org"],
        "cn": [name],
        "userAccountControl": ["512"],
    }
    return entry(request.id, f"CN={name},{BASE}", {k: v for k, v in {**attributes, **more}.items() if v})


def group(request: Request, number: int, **more: Sequence[str | bytes]) -> bytes:
    attributes: dict[str, Sequence[str | bytes]] = {"objectGUID": [guid(9000 + number)], "cn": [f"g{number}"]}
    return entry(request.id, f"CN=g{number},{BASE}", attributes | more)


def member(number: int) -> str:
    return f"CN=u{number:04d},{BASE}"


def answers_to(
    users: Callable[[Request], Sequence[bytes]] | None = None,
    groups: Callable[[Request], Sequence[bytes]] | None = None,
) -> Callable[[Request], Sequence[bytes]]:
    """A script: the search that asks for ``member`` is that of groups; what is not given is empty."""

    def script(request: Request) -> Sequence[bytes]:
        if request.base.startswith("CN=Deleted Objects"):
            return [result(request.id, cookie=b"")]
        if request.attributes == ("1.1",):
            return [entry(request.id, request.base, {}), result(request.id)]
        answer = groups if any(name.startswith("member") for name in request.attributes) else users
        return answer(request) if answer else [result(request.id, cookie=b"")]

    return script


def reader(server: Responder, folder: Path, **more: Any) -> LdapReader:
    (folder / "password").write_text("s3cret")
    given = {"url": server.url, "bind_dn": "CORP\\dirsync", "password": {"file": str(folder / "password")}, **more}
    return LdapReader("ad", LdapReader.settings_class.model_validate(given, context={"folder": folder}), frozenset())


def read(server: Responder, folder: Path, **more: Any) -> Snapshot:
    return reader(server, folder, **more).read(no_progress)


def everybody(count: int) -> Callable[[Request], Sequence[bytes]]:
    return lambda request: [*(person(request, n) for n in range(count)), result(request.id, cookie=b"")]


# ------------------------------------------------------------------------------------------------ ranged members


def ranged(total: int, broken: Callable[[Request, int], Sequence[bytes] | None] = lambda request, start: None) -> Any:
    """Groups as Active Directory answers them: 1,500 values at a time, and an empty ``member`` beside the first."""

    def groups(request: Request) -> Sequence[bytes]:
        (asked,) = (name for name in request.attributes if name.startswith("member"))
        start = int(asked.partition("range=")[2].partition("-")[0] or 0)
        other = broken(request, start)
        if other is not None:
            return other
        end = min(start + ANSWERED, total)
        name = f"member;range={start}-{'*' if end == total else end - 1}"
        empty: dict[str, Sequence[str]] = {"member": []} if start == 0 else {}
        found = group(request, 1, **empty, **{name: [member(n) for n in range(start, end)]})
        return [found, result(request.id, cookie=b"" if start == 0 else None)]

    return groups


@pytest.mark.parametrize("total", [1501, 3000, 3001, 7000])
def test_ranges_are_read_to_the_end(tmp_path: Path, total: int) -> None:
    with Responder(script=answers_to(everybody(total), ranged(total))) as server:
        found = read(server, tmp_path)
    (only,) = found.groups.values()
    assert only.members == found.users.keys()
    assert len(only.members) == total
    assert found.complete
    follow_ups = [request for request in server.requests if "range=" in "".join(request.attributes)]
    assert len(follow_ups) == -(-total // ANSWERED) - 1, "one search for each further 1,500"
    assert {(request.base, request.scope) for request in follow_ups} == {(f"CN=g1,{BASE}", 0)}


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (lambda request, start: [result(request.id, 1, "try later")], "operationsError (1): try later"),
        (lambda request, start: [result(request.id, 3)], "timeLimitExceeded (3)"),
        (lambda request, start: [result(request.id, 50)], "insufficientAccessRights (50)"),
        (lambda request, start: [result(request.id)], "did not answer"),
        (lambda request, start: [group(request, 1), result(request.id)], "did not answer"),
    ],
)
def test_a_range_that_fails_is_not_a_short_group(tmp_path: Path, failure: Any, words: str) -> None:
    def later(request: Request, start: int) -> Sequence[bytes] | None:
        answer: Sequence[bytes] | None = failure(request, start) if start == 3000 else None
        return answer

    with Responder(script=answers_to(everybody(4000), ranged(4000, later))) as server:
        found = read(server, tmp_path)
    users, groups = found.evidence[:2]
    assert users.complete
    assert not groups.complete
    assert f"CN=g1,{BASE}" in groups.why
    assert "3000" in groups.why
    assert words in groups.why
    assert not found.complete


def test_a_connection_that_breaks_between_ranges_is_read_again(tmp_path: Path) -> None:
    def once(request: Request, start: int) -> Sequence[bytes] | None:
        return [] if start == 1500 and request.connection == 1 else None

    with Responder(script=answers_to(everybody(2000), ranged(2000, once))) as server:
        found = read(server, tmp_path)
    (only,) = found.groups.values()
    assert len(only.members) == 2000
    assert found.complete
    assert server.binds == 2


# ------------------------------------------------------------------------------------------------------- paging


def pages(*answers: tuple[int, bytes | None], code: int = 0) -> Callable[[Request], Sequence[bytes]]:
    """Users over several pages: each is a number of entries and the cookie that follows (None: no control)."""
    state = {"page": 0, "next": 0}

    def users(request: Request) -> Sequence[bytes]:
        if not request.cookie:
            state.update(page=0, next=0)
        size, cookie = answers[state["page"]]
        first = state["next"]
        state.update(page=state["page"] + 1, next=first + size)
        last = state["page"] == len(answers)
        people = [person(request, n) for n in range(first, first + size)]
        return [*people, result(request.id, code if last else 0, cookie=cookie)]

    return users


def test_an_empty_page_is_not_the_end(tmp_path: Path) -> None:
    with Responder(script=answers_to(pages((3, b"a"), (0, b"b"), (2, b"")))) as server:
        found = read(server, tmp_path)
    assert len(found.users) == 5
    assert found.complete
    assert [request.cookie for request in server.requests[:3]] == [b"", b"a", b"b"]


def test_a_page_without_its_control_proves_nothing(tmp_path: Path) -> None:
    with Responder(script=answers_to(pages((3, b"a"), (3, None)))) as server:
        found = read(server, tmp_path)
    assert len(found.users) == 6
    assert not found.complete
    assert "without the paged-results control" in found.evidence[0].why


@pytest.mark.parametrize(
    ("code", "name", "cure"),
    [
        (3, "timeLimitExceeded (3)", "MaxQueryDuration"),
        (4, "sizeLimitExceeded (4)", "MaxPageSize"),
        (51, "busy (51)", "run again later"),
        (52, "unavailable (52)", "run again later"),
    ],
)
def test_a_limit_on_a_later_page(tmp_path: Path, code: int, name: str, cure: str) -> None:
    with Responder(script=answers_to(pages((3, b"a"), (1, b""), code=code))) as server:
        found = read(server, tmp_path)
    users = found.evidence[0]
    assert not users.complete
    assert name in users.why
    assert "after 4 entries" in users.why
    assert cure in users.why
    assert len(found.users) == 4


@pytest.mark.parametrize("code", [2, 12, 53])
def test_a_server_that_refuses_paging_is_read_without(tmp_path: Path, code: int) -> None:
    def users(request: Request) -> Sequence[bytes]:
        if request.page_size is not None:
            return [result(request.id, code)]
        return [person(request, 1), person(request, 2), result(request.id)]

    with Responder(script=answers_to(users)) as server:
        found = read(server, tmp_path)
    assert len(found.users) == 2
    assert found.evidence[0].complete
    assert "without paging" in found.evidence[0].why


def test_a_server_that_refuses_paging_and_cuts_is_incomplete(tmp_path: Path) -> None:
    def users(request: Request) -> Sequence[bytes]:
        if request.page_size is not None:
            return [result(request.id, 12)]
        return [person(request, 1), result(request.id, 4)]

    with Responder(script=answers_to(users)) as server:
        found = read(server, tmp_path)
    assert len(found.users) == 1
    assert not found.evidence[0].complete


def test_a_server_that_does_not_offer_paging_is_not_asked(tmp_path: Path) -> None:
    root = {**ACTIVE_DIRECTORY, "supportedControl": ["1.2.840.113556.1.4.417"]}
    script = answers_to(lambda request: [person(request, 1), result(request.id)], lambda request: [result(request.id)])
    with Responder(script=script, root=root) as server:
        found = read(server, tmp_path, deleted_objects=False)
    assert {request.page_size for request in server.requests} == {None}
    assert found.complete


def test_references_elsewhere_are_counted_and_left_alone(tmp_path: Path) -> None:
    def users(request: Request) -> Sequence[bytes]:
        elsewhere = f"ldap://ForestDnsZones.corp.example.org/DC=ForestDnsZones,{BASE}"
        return [person(request, 1), reference(request.id, elsewhere), result(request.id, cookie=b"")]

    with Responder(script=answers_to(users)) as server:
        found = read(server, tmp_path)
    assert len(found.users) == 1
    assert found.complete
    assert "references to other servers" in found.evidence[0].why


# ------------------------------------------------------------------------------------------ servers that go away


def test_a_server_that_says_it_goes_down(tmp_path: Path) -> None:
    script = answers_to(lambda request: [person(request, 1), notice_of_disconnection()])
    with Responder(script=script) as server, pytest.raises(DirectoryUnreachable, match="going down") as unreachable:
        read(server, tmp_path)
    assert server.binds == 2
    assert "s3cret" not in str(unreachable.value)


def test_noise_is_not_a_directory(tmp_path: Path) -> None:
    script = answers_to(lambda request: [person(request, 1), b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    with Responder(script=script) as server, pytest.raises(DirectoryUnreachable, match="not LDAP"):
        read(server, tmp_path)


@pytest.mark.parametrize("bind", [None, (51, ""), (52, "shutting down")])
def test_a_server_that_cannot_bind_now_is_passed_over(tmp_path: Path, bind: tuple[int, str] | None) -> None:
    with Responder(script=answers_to(everybody(3))) as good, Responder(script=answers_to(), bind=bind) as bad:
        found = read(good, tmp_path, url=[bad.url, good.url])
        assert (bad.binds, good.binds) == (1, 1)
        assert len(found.users) == 3
        with pytest.raises(DirectoryUnreachable) as unreachable:
            read(bad, tmp_path, url=[bad.url, bad.url])
    assert str(unreachable.value).count(bad.url) == 2
    assert "s3cret" not in str(unreachable.value)


def test_a_cookie_that_nobody_asked_for_begins_no_circle(tmp_path: Path) -> None:
    def users(request: Request) -> Sequence[bytes]:
        assert len(server.requests) < 10, "goes round in circles"
        return [person(request, 1), result(request.id, cookie=b"again")]

    root = {**ACTIVE_DIRECTORY, "supportedControl": ["1.2.840.113556.1.4.417"]}
    with Responder(script=answers_to(users), root=root) as server:
        found = read(server, tmp_path, deleted_objects=False)
    assert len(found.users) == 1
    assert not found.evidence[0].complete, "it says itself that there is more"


# ------------------------------------------------------------------------------------------------- Active Directory


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("525", "there is no such user"),
        ("52e", "the password is wrong"),
        ("532", "the password has expired"),
        ("533", "the account is disabled"),
        ("701", "the account has expired"),
        ("773", "the password must be changed"),
        ("775", "the account is locked"),
    ],
)
def test_why_a_bind_was_refused(tmp_path: Path, data: str, words: str) -> None:
    told = f"80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563\0"
    with Responder(script=answers_to(), bind=(49, told)) as server, pytest.raises(DirectoryRefused) as refused:
        read(server, tmp_path, url=[server.url, server.url])
    assert words in str(refused.value)
    assert server.binds == 1, "a wrong password is not tried until the account locks"
    assert "s3cret" not in str(refused.value)
    assert "CORP\\dirsync" in str(refused.value)


def test_an_account_whose_state_is_hidden_is_neither_synced_nor_gone(tmp_path: Path) -> None:
    def users(request: Request) -> Sequence[bytes]:
        return [person(request, 1), person(request, 2, userAccountControl=[]), result(request.id, cookie=b"")]

    with Responder(script=answers_to(users)) as server:
        found = read(server, tmp_path)
    assert [user.username for user in found.users.values()] == ["u0001"]
    ((_, why),) = found.unsyncable.items()
    assert "useraccountcontrol cannot be read" in why.lower()
    (problem,) = found.problems
    assert problem.entry == member(2)
