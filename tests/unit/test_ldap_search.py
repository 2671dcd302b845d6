"""Searches over a socket whose other end says what the test wrote down."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from threading import Thread

import pytest

from dirconnector.readers.ldap import ber
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.evidence import evidence, limit_cure, refusal
from dirconnector.readers.ldap.presets import OTHER, PRESETS
from dirconnector.readers.ldap.search import ConnectionLost, Ending, Query, Wire, rest_of_range, search, whole

USERS = Query(name="users", base="dc=x", filter="(a=b)", attributes=("cn",))


def entry(message_id: int, dn: str, **attributes: list[bytes]) -> bytes:
    listed = [
        ber.tlv(
            0x30,
            ber.tlv(4, name.replace("__", ";").replace("_", "-").encode()),
            ber.tlv(0x31, *(ber.tlv(4, v) for v in values)),
        )
        for name, values in attributes.items()
    ]
    return ber.message(message_id, ber.tlv(0x64, ber.tlv(4, dn.encode()), ber.tlv(0x30, *listed)), [])


def ranged(message_id: int, dn: str, attributes: dict[str, list[bytes]]) -> bytes:
    listed = [
        ber.tlv(0x30, ber.tlv(4, n.encode()), ber.tlv(0x31, *(ber.tlv(4, v) for v in vs)))
        for n, vs in attributes.items()
    ]
    return ber.message(message_id, ber.tlv(0x64, ber.tlv(4, dn.encode()), ber.tlv(0x30, *listed)), [])


def done(message_id: int, code: int = 0, *, cookie: bytes | None = None, matched: str = "", told: str = "") -> bytes:
    operation = ber.tlv(0x65, ber.integer(code, 0x0A), ber.tlv(4, matched.encode()), ber.tlv(4, told.encode()))
    controls = [] if cookie is None else [ber.paged_control(0, cookie, critical=False)]
    return ber.message(message_id, operation, controls)


def reference(message_id: int) -> bytes:
    return ber.message(message_id, ber.tlv(0x73, ber.tlv(4, b"ldap://other")), [])


class Peer:
    """A wire whose other end answers each request with the messages of that id, which count from 1."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(5)
        self.theirs.settimeout(10)
        self.wire = Wire(self.ours, lambda numbers=count(1): next(numbers))  # type: ignore[misc]
        self.requests: list[bytes] = []
        self._answers: dict[int, bytes] = {}
        self._hang_up = False
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def says(self, *messages: bytes, hang_up: bool = False) -> Peer:
        number = 1
        for message in messages:
            number = self._id(message) or number
            self._answers[number] = self._answers.get(number, b"") + message
        self._hang_up = hang_up
        return self

    @staticmethod
    def _id(message: bytes) -> int:
        try:
            return ber.split(message)[0][0][0]
        except (ber.MalformedMessage, IndexError):
            return 0

    def _serve(self) -> None:
        data = b""
        with suppress(OSError):  # the test may end with a request unanswered
            while chunk := self.theirs.recv(65536):
                data += chunk
                requests, used, _ = ber.split(data)
                self._answer(data, requests)
                data = data[used:]

    def _answer(self, data: bytes, requests: list[ber.Message]) -> None:
        for number, _, start, end in requests:
            self.requests.append(data[start:end])
            self.theirs.sendall(self._answers.get(number, b""))
            if self._hang_up:
                self.theirs.shutdown(socket.SHUT_WR)

    def heard(self) -> list[bytes]:
        self.ours.shutdown(socket.SHUT_WR)
        self._thread.join()
        return self.requests

    def close(self) -> None:
        self.ours.close()
        self._thread.join()
        self.theirs.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.close()


def run(peer: Peer, page_size: int | None = 2, **more: bool) -> tuple[list[str], Ending]:
    found: list[Entry] = []
    ending = search(peer.wire, USERS, found.extend, page_size=page_size, **more)
    return [dn for dn, _ in found], ending


def test_pages_until_there_is_no_cookie(peer: Peer) -> None:
    peer.says(entry(1, "a"), entry(1, "b"), done(1, cookie=b"next"), entry(2, "c"), reference(2), done(2, cookie=b""))
    found, ending = run(peer)
    assert found == ["a", "b", "c"]
    assert (ending.complete, ending.pages, ending.entries, ending.referrals, ending.paged) == (True, 2, 3, 1, True)
    first, second = peer.heard()
    assert first.endswith(ber.paged_control(2, b"", critical=True))
    assert second.endswith(ber.paged_control(2, b"next", critical=True))


def test_an_empty_page_is_not_the_end(peer: Peer) -> None:
    peer.says(done(1, cookie=b"next"), entry(2, "a"), done(2, cookie=b""))
    found, ending = run(peer)
    assert (found, ending.complete, ending.pages) == (["a"], True, 2)


def test_circles_end(peer: Peer) -> None:
    peer.says(*(done(number, cookie=b"again") for number in range(1, 200)))
    _, ending = run(peer)
    assert not ending.complete and "100 pages without an entry" in ending.broken


def test_later_page_without_the_control_proves_nothing(peer: Peer) -> None:
    peer.says(entry(1, "a"), done(1, cookie=b"next"), entry(2, "b"), done(2))
    found, ending = run(peer)
    assert found == ["a", "b"] and not ending.complete and "page 2 ended without" in ending.broken


def test_server_that_ignores_paging_and_says_success_is_complete(peer: Peer) -> None:
    found, ending = run(peer.says(entry(1, "a"), done(1)))
    assert found == ["a"] and ending.complete


@pytest.mark.parametrize("code", [2, 12, 53])
def test_paging_refused(peer: Peer, code: int) -> None:
    peer.says(done(1, code), entry(2, "a"), done(2))
    found, ending = run(peer)
    assert (found, ending.complete, ending.paged) == (["a"], True, False)
    assert b"1.2.840.113556.1.4.319" not in peer.heard()[1]


def test_paging_refused_and_then_a_limit_is_incomplete(peer: Peer) -> None:
    found, ending = run(peer.says(done(1, 12), entry(2, "a"), done(2, 4)))
    assert found == ["a"] and not ending.complete and ending.result.code == 4


@pytest.mark.parametrize("code", [3, 4, 11, 51, 52])
def test_limits_keep_what_was_read_and_are_not_complete(peer: Peer, code: int) -> None:
    peer.says(entry(1, "a"), done(1, cookie=b"n"), entry(2, "b"), done(2, code, cookie=b""))
    found, ending = run(peer)
    assert found == ["a", "b"] and not ending.complete
    told = evidence("hq", USERS, ending, PRESETS["openldap"], "cn=r", gaps=[], notes=[])
    assert not told.complete and told.entries == 2 and f"({code})" in told.why and "; " in told.why


def test_first_page_only(peer: Peer) -> None:
    found, ending = run(peer.says(entry(1, "a"), done(1, cookie=b"next")), first_page_only=True)
    assert found == ["a"] and ending.more and not ending.complete
    assert len(peer.heard()) == 1


def test_hanging_up_in_the_middle(peer: Peer) -> None:
    peer.says(entry(1, "a") + entry(1, "b")[:9], hang_up=True)
    with pytest.raises(ConnectionLost, match="closed the connection"):
        run(peer)


def test_notice_of_disconnection(peer: Peer) -> None:
    notice = ber.tlv(0x78, ber.integer(52, 0x0A), ber.tlv(4), ber.tlv(4, b"shutting down"))
    with pytest.raises(ConnectionLost, match="shutting down"):
        run(peer.says(entry(1, "a"), ber.message(0, notice, [])))


def test_answers_to_earlier_requests_are_left_out(peer: Peer) -> None:
    peer.says(entry(1, "old"), done(1), entry(2, "a"), done(2)).wire.send(USERS.operation, [])
    found, _ = run(peer, page_size=None)
    assert found == ["a"]


@pytest.mark.parametrize(
    "noise", [b"HTTP/1.1 400 Bad Request\r\n", b"\x30\x84\xff\xff\xff\xff\x02\x01\x01", b"\x30\x80\x02\x01\x01\x65"]
)
def test_noise_is_named(peer: Peer, noise: bytes) -> None:
    with pytest.raises(ConnectionLost, match="is not LDAP"):
        run(peer.says(noise))


def test_one_message_larger_than_the_buffer(peer: Peer) -> None:
    values = [b"cn=%05d,dc=example,dc=org" % n for n in range(40_000)]
    whole_answer = entry(1, "cn=all", member=values) + done(1)
    found: list[Entry] = []
    search(peer.says(whole_answer).wire, USERS, found.extend, page_size=None)
    assert found == [("cn=all", {"member": values})]


# ---------------------------------------------------------------------------------------------- ranges

BIG = "cn=big"


def test_ranges_are_read_to_the_end(peer: Peer) -> None:
    peer.says(
        ranged(1, BIG, {"member": [], "cn": [b"big"], "member;range=0-1": [b"1", b"2"]}), entry(1, "cn=small"), done(1)
    )
    found: list[Entry] = []
    partial: list[Entry] = []
    search(peer.wire, USERS, found.extend, page_size=None, partial=partial)
    assert [dn for dn, _ in found] == ["cn=small"] and [dn for dn, _ in partial] == [BIG]
    peer.says(ranged(2, BIG, {"member;range=2-3": [b"3", b"4"]}), done(2))
    peer.says(ranged(3, BIG, {"member;range=4-*": [b"5"]}), done(3))
    assert whole(peer.wire, partial[0]) == ((BIG, {"member": [b"1", b"2", b"3", b"4", b"5"], "cn": [b"big"]}), "")
    assert b"member;range=4-*" in peer.heard()[2]


def test_range_that_is_the_end_asks_nothing(peer: Peer) -> None:
    assert whole(peer.wire, (BIG, {"member;range=0-*": [b"1"]})) == ((BIG, {"member": [b"1"]}), "")
    assert peer.heard() == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([done(1, 1)], "values from number 2 on: operationsError"),
        ([done(1)], "did not answer for the values from number 2 on"),
        ([ranged(1, BIG, {"member": []}), done(1)], "did not answer"),
        ([ranged(1, BIG, {"member;range=0-1": [b"1"]}), done(1)], "did not answer"),
        ([ranged(1, BIG, {"member;range=2-x": [b"3"]}), done(1)], "odd range"),
    ],
)
def test_ranges_that_fail_are_told(peer: Peer, answer: list[bytes], why: str) -> None:
    assert why in rest_of_range(peer.says(*answer).wire, BIG, "member;range=0-1")[1]


def test_ranges_that_do_not_advance_end(peer: Peer) -> None:
    peer.says(ranged(1, BIG, {"member;range=2-1": []}), done(1))
    assert "odd range" in rest_of_range(peer.wire, BIG, "member;range=0-1")[1]


# -------------------------------------------------------------------------------------------- words


def ended(code: int, matched: str = "", **more: int) -> Ending:
    return Ending(result=ber.Result(code=code, matched_dn=matched, **more), pages=1, entries=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "preset", "cure"),
    [
        (4, "openldap", 'limits dn.exact="cn=r" size=unlimited size.prtotal=unlimited'),
        (3, "openldap", 'limits dn.exact="cn=r" time=unlimited'),
        (11, "389ds", "nsLookThroughLimit"),
        (4, "active-directory", "MaxPageSize"),
        (3, "active-directory", "MaxQueryDuration"),
        (51, "openldap", "run again later"),
    ],
)
def test_limits_have_cures(code: int, preset: str, cure: str) -> None:
    assert cure in limit_cure(code, PRESETS[preset], "cn=r")


def test_refusals() -> None:
    assert "nearest entry that exists is 'dc=org'" in refusal(ended(32, "dc=org"), USERS, "cn=r")
    assert "give cn=r the right" in refusal(ended(50), USERS, "cn=r")
    assert "another server" in refusal(ended(10), USERS, "cn=r")
    assert refusal(ended(0), USERS, "cn=r") == "" == refusal(ended(4), USERS, "cn=r")


def test_gaps_make_success_incomplete_and_notes_do_not() -> None:
    good = ended(0)
    assert evidence("hq", USERS, good, OTHER, "cn=r", gaps=[], notes=["n"]).complete
    told = evidence("hq", USERS, good, OTHER, "cn=r", gaps=["a gap"], notes=["n"])
    assert (told.complete, told.why) == (False, "a gap; n")
