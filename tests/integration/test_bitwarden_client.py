"""The client against a server that is odd, slow, or gone in the middle."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import OrganizationError, OrganizationRefused, OrganizationUnreachable
from dirconnector.model import no_progress
from dirconnector.organizations import Call
from dirconnector.organizations.bitwarden import client as module
from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.routes import IMPORT
from dirconnector.state import State
from tests.bitwarden import FastTime, Site, organization_on
from tests.build import group, user
from tests.emulators.bitwarden import BitwardenEmulator, Status
from tests.traps.lifecycle import is_done, prepare


@pytest.fixture(scope="module")
def running() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: BitwardenEmulator) -> BitwardenEmulator:
    running.reset()
    return running


@pytest.fixture
def site(emulator: BitwardenEmulator, tmp_path: Path) -> Site:
    return Site(emulator, organization_on(emulator, tmp_path), tmp_path)


# ----------------------------------------------------------------------------------------------------------- requests


def test_the_forecast_is_every_request_that_is_made(site: Site) -> None:
    prepare(site)
    forecast = site.plan().forecast
    assert forecast.mails == 7
    reads = site.emulator.calls.copy()
    # what planning reads is read again by the run
    assert site.run().exit_code == 0
    made = {call: number - 2 * reads[call] for call, number in site.emulator.calls.items()}
    made["POST /connect/token"] = 0
    # the dry run has verified all groups, and the run that followed has verified them again
    assert {call: number for call, number in made.items() if number} == forecast.requests
    is_done(site)


def test_a_run_with_nothing_to_do_reads_three_times_and_the_rotating_part(site: Site) -> None:
    names = [f"g{number:02}" for number in range(30)]
    site.wants([user("ana")], [group(name, ["ana"]) for name in names])
    assert site.run().exit_code == 0
    seen: list[str] = []
    for _ in range(3):
        site.emulator.calls.clear()
        site.emulator.answers.clear()
        assert site.run().exit_code == 0
        assert site.emulator.calls == {
            "GET /public/members": 1,
            "GET /public/groups": 1,
            "GET /public/organization/subscription": 1,
            "GET /public/groups/{id}/member-ids": 10,
        }
        seen += [a.path for a in site.emulator.answers if a.path.endswith("/member-ids")]
    assert len(set(seen)) == 30


def test_what_was_changed_by_hand_is_found_by_the_rotation(site: Site) -> None:
    names = [f"g{number:02}" for number in range(30)]
    site.wants([user("ana")], [group(name, ["ana"]) for name in names])
    site.run()
    site.emulator.state.set_members(site.group("G17").id, [])
    mended = [site.run().plan.changes for _ in range(3)]
    assert [len(changes) for changes in mended if changes] == [1]
    assert site.emails_in("G17") == {"ana@example.org"}


def test_a_large_first_sync_reads_a_sample_and_verifies_the_rest_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dirconnector.organizations.bitwarden.organization.READ_BACK", 5)
    names = [f"g{number:02}" for number in range(30)]
    site.wants([user("ana")], [group(name, ["ana"]) for name in names])
    assert site.run().exit_code == 0
    assert site.emulator.calls["GET /public/groups/{id}/member-ids"] == 5
    sampled = {a.path for a in site.emulator.answers if a.path.endswith("/member-ids")}
    site.emulator.answers.clear()
    site.run()
    next_ = {a.path for a in site.emulator.answers if a.path.endswith("/member-ids")}
    assert len(next_) == 10 and not next_ & sampled


def test_a_sample_that_differs_has_everything_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dirconnector.organizations.bitwarden.organization.READ_BACK", 1)
    names = [f"g{number:02}" for number in range(8)]
    site.wants(
        [user("ana"), user("ben")], [group("g00", ["ana", "ben"]), *(group(name, ["ana"]) for name in names[1:])]
    )
    site.run()
    site.wants([user("ana"), user("ben")], [group(name, ["ben"]) for name in names])
    site.emulator.faults.add(IMPORT, "skip:*")
    report = site.run()
    assert report.exit_code == 4
    assert report.outcome is not None
    assert report.outcome.failed == len(report.plan.changes) == 15


def test_groups_without_a_clean_answer_are_read_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dirconnector.organizations.bitwarden.organization.READ_BACK", 0)
    names = [f"g{number:02}" for number in range(8)]
    site.wants([user("ana")], [group(name, ["ana"]) for name in names])
    site.emulator.faults.add(IMPORT, "502_after", nth=1)
    assert site.run().exit_code == 0
    for_sample = 2 * 8  # two looks at a sample of the import's groups: here all eight
    assert site.emulator.calls["GET /public/groups/{id}/member-ids"] == for_sample + 8


def test_a_document_that_is_too_large_travels_in_several(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BODY", 100)
    people = [user(f"p{number}") for number in range(12)]
    site.wants(people, [group(f"g{n}", [p.key for p in people]) for n in range(5)])
    assert site.run().exit_code == 0
    assert site.emulator.calls[IMPORT] == 5
    assert all(len(site.emails_in(f"G{n}")) == 12 for n in range(5))


def test_no_import_is_sent_while_another_may_be_going_on(site: Site) -> None:
    """The server could not be watched after the first: it is, before the second."""
    ana = {"email": "ana@example.org", "externalId": "ana", "deleted": False}
    site.emulator.faults.add(IMPORT, "502_after", nth=1)
    site.emulator.faults.add("GET /public/members", "502_before", times=4)
    with site.organization.client(no_progress) as client:
        with pytest.raises(OrganizationUnreachable):
            client.import_(members=[ana], groups=[])
        assert [a.status for a in site.emulator.answers if a.call == "GET /public/members"] == [502] * 4
        client.import_(members=[ana], groups=[])
    calls = [a.call for a in site.emulator.answers]
    first, second = (number for number, call in enumerate(calls) if call == IMPORT)
    assert calls[first:second].count("GET /public/members") >= 4 + 2
    assert site.mailed() == ["ana@example.org"]


def test_a_new_group_is_not_made_twice(site: Site) -> None:
    body = {"name": "Staff", "externalId": "staff", "collections": []}
    for fault in ("502_after", "drop_after", "500_after", "502_before", "drop_before", "500"):
        site.emulator.reset()
        organization = organization_on(site.emulator, site.folder)
        site.emulator.faults.add("POST /public/groups", fault, nth=1)
        with organization.client(no_progress) as client:
            assert client.post_group(body)["externalId"] == "staff"
        assert len(site.emulator.state.groups) == 1
        assert site.emulator.calls["POST /public/groups"] == (1 if fault.endswith("_after") else 2)


def test_a_refused_group_is_refused_at_once(site: Site) -> None:
    site.emulator.state.organization.use_groups = False
    with organization_on(site.emulator, site.folder).client(no_progress) as client, pytest.raises(ApiRefused):
        client.post_group({"name": "Staff", "externalId": "staff", "collections": []})
    assert site.emulator.calls["POST /public/groups"] == 1


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        ("use_directory", "Organization cannot use directory syncing. (its plan has no directory import"),
        ("use_groups", "Organization cannot use groups. (its plan has no groups"),
    ],
)
def test_a_plan_without_it_is_named_and_the_rest_is_done(site: Site, switch: str, words: str) -> None:
    setattr(site.emulator.state.organization, switch, False)
    site.emulator.state.enrol("ben@example.org", external_id="ben")
    site.wants([user("ana")], [group("staff", ["ana"])])
    report = site.run()
    assert report.exit_code == 4
    assert report.outcome is not None
    assert any(failure.why.startswith(words) for failure in report.outcome.failures)
    assert site.status("ben@example.org") == "revoked"
    assert (site.status("ana@example.org") == "invited") == (switch == "use_groups")


# ------------------------------------------------------------------------------------------------------ a killed run


def test_an_import_that_a_killed_run_left_is_waited_for(emulator: BitwardenEmulator, tmp_path: Path) -> None:
    time_ = FastTime()
    site = Site(emulator, organization_on(emulator, tmp_path, time_=time_), tmp_path)
    site.wants([user("ana")])
    killed_at = datetime.now(UTC) - timedelta(seconds=30)
    with State.open(f"sqlite:///{tmp_path / 'state.db'}") as state:
        run = state.begin_run(site.organization.name, "run", killed_at, False)
        state.journal(run, clock=lambda: killed_at).begin(Call(IMPORT, "", ()), "digest")
    assert site.run().exit_code == 0
    assert 10 <= sum(time_.slept) < 20
    assert any("has finished an import" in phase for phase, _, _ in site.progress)
    slept = sum(time_.slept)
    assert site.run().exit_code == 0
    assert sum(time_.slept) == slept


# ------------------------------------------------------------------------------------------------------- odd answers


class Odd(BaseHTTPRequestHandler):
    """Gives a token, and to everything else the answer that the test has chosen."""

    answer: tuple[int, bytes] = (200, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        token = {"access_token": "TOKEN", "expires_in": 3600}
        self._say(200, json.dumps(token).encode())

    def do_GET(self) -> None:
        self._say(*self.answer)

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def on(odd: HTTPServer, emulator: BitwardenEmulator, folder: Path) -> Any:
    return organization_on(emulator, folder, server=f"http://127.0.0.1:{odd.server_port}", tls={})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Please log in to the network</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": [1]}',
        b'{"object": "list", "data": [{"object": "member", "id": "x"}]}',
        b'{"object": "list", "data": [{"object": "member", "email": "x@y.org", "status": 0, "type": 2}]}',
        b'{"object": "list", "data": [{"object": "member", "id": "x", "status": "0", "type": 2}]}',
    ],
)
def test_what_is_no_list_of_members_is_never_taken_for_an_empty_one(
    odd: HTTPServer, emulator: BitwardenEmulator, tmp_path: Path, body: bytes
) -> None:
    Odd.answer = (200, body)
    with (
        on(odd, emulator, tmp_path).client(no_progress) as client,
        pytest.raises(OrganizationRefused, match="something else than Bitwarden"),
    ):
        client.members()


@pytest.mark.parametrize("body", [b"{}", b'{"type": 2, "collections": []}', b'{"type": 2, "permissions": null}', b"[]"])
def test_a_member_without_what_a_put_would_wipe_is_refused(
    odd: HTTPServer, emulator: BitwardenEmulator, tmp_path: Path, body: bytes
) -> None:
    Odd.answer = (200, body)
    with on(odd, emulator, tmp_path).client(no_progress) as client, pytest.raises(OrganizationRefused):
        client.member("x")


@pytest.mark.parametrize("body", [b"{}", b"null", b"[1]", b'"x"'])
def test_what_is_no_list_of_ids_is_never_an_empty_group(
    odd: HTTPServer, emulator: BitwardenEmulator, tmp_path: Path, body: bytes
) -> None:
    Odd.answer = (200, body)
    with on(odd, emulator, tmp_path).client(no_progress) as client, pytest.raises(OrganizationRefused):
        client.group_member_ids("x")


@pytest.mark.parametrize("body", [b"{}", b'{"passwordManager": null}', b'{"passwordManager": {"seats": "7"}}', b"[]"])
def test_seats_that_are_not_told_are_not_known(
    odd: HTTPServer, emulator: BitwardenEmulator, tmp_path: Path, body: bytes
) -> None:
    Odd.answer = (200, body)
    with on(odd, emulator, tmp_path).client(no_progress) as client:
        assert client.seats() == (None, None)


def test_a_redirect_is_a_wrong_url(odd: HTTPServer, emulator: BitwardenEmulator, tmp_path: Path) -> None:
    Odd.answer = (302, b"")
    findings = list(on(odd, emulator, tmp_path).check())
    assert [finding.ok for finding in findings] == [False]
    assert "redirects" in findings[0].detail


def test_a_server_that_is_gone_is_named_with_its_cure(emulator: BitwardenEmulator, tmp_path: Path) -> None:
    organization = organization_on(emulator, tmp_path, server="https://127.0.0.1:1")
    with organization.client(no_progress) as client, pytest.raises(OrganizationUnreachable, match=r"127\.0\.0\.1:1"):
        client.members()
    (finding,) = organization.check()
    assert not finding.ok


def test_no_token_and_no_secret_in_anything_that_is_raised(site: Site) -> None:
    site.wants([user("ana")])
    secret = site.emulator.client_secret
    for fault in ("401", "500", "502_before", "drop_before", "429"):
        for call in ("POST /connect/token", "GET /public/members"):
            site.emulator.faults.add(call, fault)
            organization = organization_on(site.emulator, site.folder)
            with organization.client(no_progress) as client, pytest.raises(OrganizationError) as caught:
                client.members()
            said: BaseException | None = caught.value
            while said is not None:
                assert secret not in repr(said)
                assert "eyJ" not in repr(said)
                said = said.__cause__ or said.__context__
            site.emulator.faults.clear()


def test_an_expired_token_is_renewed(emulator: BitwardenEmulator, tmp_path: Path) -> None:
    time_ = FastTime()
    organization = organization_on(emulator, tmp_path, time_=time_)
    with organization.client(no_progress) as client:
        client.members()
        client.members()
        assert emulator.calls["POST /connect/token"] == 1
        time_.sleep(3600 - 59)
        client.members()
    assert emulator.calls["POST /connect/token"] == 2
    assert all(answer.status == 200 for answer in emulator.answers)


def test_check_names_twins_and_a_missing_owner(site: Site) -> None:
    state = site.emulator.state
    state.enrol("one@example.org", external_id="twin")
    state.enrol("two@example.org", external_id="twin")
    state.add_group("A", external_id="g")
    state.add_group("B", external_id="g")
    state.change_member(site.member("owner@example.org").id, status=Status.REVOKED)
    findings = list(site.organization.check())
    failed = [finding for finding in findings if not finding.ok]
    assert [finding.subject for finding in failed] == ["members", "groups"]
    assert "one@example.org, two@example.org" in failed[0].detail
    assert "A, B" in failed[1].detail
    assert any("nobody is a confirmed owner" in finding.detail for finding in findings)
    assert site.writes() == {}
