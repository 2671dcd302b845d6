"""Every way in which an answer of Graph may be short while it looks whole: the emulator does it, the reader notices."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

import pytest

from dirconnector.errors import ConfigError, DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Evidence, Snapshot, no_progress
from tests.emulators.entra import EntraEmulator
from tests.entra import Clock, Raw, entra, nobody_there, reader, running

__all__ = ["entra"]

LIST, GROUPS, LATEST = "GET /v1.0/users", "GET /v1.0/groups/delta", "GET /v1.0/users/delta"


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Iterator[EntraEmulator]:
    """Ten pages of users, and groups that are cut into small pieces."""
    with running(monkeypatch, users=100, groups=12) as emulator:
        emulator.delta.sizes.groups, emulator.delta.sizes.chunk = 5, 7
        yield emulator


def read(entra: EntraEmulator) -> Snapshot:
    return reader(entra, page_size=10).read(no_progress)


def by_query(snapshot: Snapshot) -> dict[str, Evidence]:
    return {evidence.query: evidence for evidence in snapshot.evidence}


def same(one: Snapshot, two: Snapshot) -> bool:
    return (one.users, one.groups, one.deleted) == (two.users, two.groups, two.deleted)


# --------------------------------------------------------------------------------------------------------- not harmful


def test_a_whole_read(company: EntraEmulator) -> None:
    found = read(company)
    tenant = company.tenant
    assert found.complete
    assert found.users.keys() == {user["id"] for user in tenant.of_kind("user")}
    assert found.deleted.keys() == {user["id"] for user in tenant.deleted_of("user")}
    for key, group in found.groups.items():
        kinds = {member: tenant.kinds[member] for member in tenant.members[key]}
        assert group.members == {m for m, kind in kinds.items() if kind == "user"}
        assert group.subgroups == {m for m, kind in kinds.items() if kind == "group"}
    assert by_query(found)["users"].pages == 10


@pytest.mark.parametrize(
    ("match", "fault"),
    [(LIST, "empty"), (GROUPS, "empty"), (GROUPS, "replay"), (GROUPS, "bare")],
)
def test_empty_repeated_and_bare_pages_change_nothing(company: EntraEmulator, match: str, fault: str) -> None:
    whole = read(company)
    company.faults.add(match, fault, every=3 if fault == "empty" else 1)
    again = read(company)
    assert again.complete
    assert same(whole, again)


@pytest.mark.parametrize("fault", ["status:500", "status:503", "status:504", "status:429", "drop", "cut", "status:401"])
@pytest.mark.parametrize("match", [LIST, GROUPS, LATEST])
def test_a_passing_trouble_in_the_middle_changes_nothing(company: EntraEmulator, match: str, fault: str) -> None:
    whole = read(company)
    company.faults.add(match, fault, nth=1 if match == LATEST else 3)
    again = read(company)
    assert again.complete
    assert same(whole, again)


def test_a_place_in_a_list_that_was_lost_is_begun_again(company: EntraEmulator) -> None:
    whole = read(company)
    company.faults.add(GROUPS, "gone", nth=2)
    assert same(whole, read(company))
    company.faults.replace([{"match": GROUPS, "fault": "gone", "every": 2}])
    with pytest.raises(DirectoryUnreachable, match="lost the place in a list twice"):
        read(company)


# ------------------------------------------------------------------------------------------------------------- short


@pytest.mark.parametrize(
    ("match", "fault", "why"),
    [
        (LIST, "status:500", "broken off after 3 pages"),
        (LIST, "status:403", "broken off after 3 pages"),
        (LIST, "drop", "broken off after 3 pages"),
        (LIST, "cut", "broken off after 3 pages"),
        (LIST, "html", "none of Graph's"),
        (LIST, "list", "none of Graph's"),
        (LIST, "novalue", "no list of objects"),
        (LIST, "foreign", "another server"),
        (LIST, "loop", "back to a page"),
        (GROUPS, "status:502", "broken off after 3 pages"),
        (GROUPS, "html", "none of Graph's"),
        (GROUPS, "nolink", "neither a link"),
        (GROUPS, "foreign", "another server"),
        (GROUPS, "loop", "back to a page"),
    ],
)
def test_a_short_answer_is_not_a_whole_one(company: EntraEmulator, match: str, fault: str, why: str) -> None:
    whole = read(company)
    company.faults.add(match, "empty", nth=1)
    company.faults.replace([])
    for number in range(4, 40):
        company.faults.add(match, fault, nth=number)
    reading = reader(company, page_size=10).read_with_cursor(no_progress)
    found = by_query(reading.snapshot)["users" if match == LIST else "groups"]
    assert not found.complete
    assert why in found.why
    assert not reading.snapshot.complete
    assert reading.cursor == "", "nothing goes on from half a directory"
    assert reading.snapshot.users.keys() <= whole.users.keys()
    other = by_query(reading.snapshot)["groups" if match == LIST else "users"]
    assert other.complete


def test_a_link_to_another_server_gets_no_token(company: EntraEmulator) -> None:
    company.faults.add(LIST, "foreign", nth=1)
    found = by_query(read(company))["users"]
    assert (found.complete, found.pages) == (False, 1)


def test_a_filtered_list_that_is_shorter_than_its_count(company: EntraEmulator) -> None:
    filtered = {"filter": "accountEnabled eq true"}
    assert reader(company, page_size=50, users=filtered).read(no_progress).complete
    company.faults.add(LIST, "miscount", nth=1)
    short = by_query(reader(company, page_size=50, users=filtered).read(no_progress))["users"]
    assert not short.complete
    assert "Graph counted" in short.why


def test_expanded_members_are_never_relied_on(company: EntraEmulator) -> None:
    big = max(company.tenant.members, key=lambda group: len(company.tenant.members[group]))
    assert len(company.tenant.members[big]) > 20
    assert len(read(company).groups[big].members) > 20
    assert not any("$expand" in url for _, url in company.requests)


def test_an_unknown_state_is_in_the_problems_and_not_gone(entra: EntraEmulator) -> None:
    key = entra.tenant.add("user", userPrincipalName="x@example.org", accountEnabled=None)
    found = reader(entra).read(no_progress)
    assert not found.users
    assert found.unsyncable.keys() == {key}
    assert [problem.entry for problem in found.problems] == ["x@example.org"]
    assert found.complete


def test_hidden_membership_without_the_permission(entra: EntraEmulator) -> None:
    tenant = entra.tenant
    hidden = tenant.add("group", displayName="Class", visibility="HiddenMembership")
    tenant.add_member(hidden, tenant.add("user"))
    found = reader(entra).read(no_progress)
    assert found.complete
    assert found.unsyncable.keys() == {hidden}
    around = tenant.add("group", displayName="School")
    tenant.add_member(around, hidden)
    short = reader(entra).read(no_progress)
    assert not short.complete
    assert "Member.Read.Hidden" in by_query(short)["groups"].why
    tenant.app.roles.add("Member.Read.Hidden")
    whole = reader(entra).read(no_progress)
    assert whole.complete
    assert len(whole.groups[hidden].members) == 1


# -------------------------------------------------------------------------------------------------- nothing at all


@pytest.mark.parametrize("match", [LIST, GROUPS, LATEST])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("status:403", DirectoryRefused), ("html", DirectoryRefused), ("status:500", DirectoryUnreachable)],
)
def test_what_fails_from_the_first_page_on_is_an_error(
    company: EntraEmulator, match: str, fault: str, kind: type[DirectoryError]
) -> None:
    company.faults.add(match, fault)
    with pytest.raises(kind, match=r"^hq: ") as caught:
        read(company)
    assert caught.value.__context__ is None


def test_the_recycle_bin_is_extra_knowledge(company: EntraEmulator) -> None:
    company.faults.add("GET /v1.0/directory/deletedItems/microsoft.graph.user", "status:403")
    found = read(company)
    assert found.complete
    assert not found.deleted
    assert "nothing depends on it" in by_query(found)["deleted users"].why


# ------------------------------------------------------------------------------------------------------------- secrets


def chain(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error)) if error else ""


@pytest.mark.parametrize("fault", ["status:400", "status:401", "status:500", "drop", "cut"])
def test_no_error_holds_a_secret(entra: EntraEmulator, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret, token = entra.tenant.app.secret, entra.login.issue()
    for match in ("POST /{tenant}/oauth2/v2.0/token", LIST):
        entra.faults.replace([{"match": match, "fault": fault}])
        with pytest.raises(DirectoryError) as caught:
            reader(entra).read(no_progress)
        assert caught.value.__context__ is caught.value.__cause__ is None
        for text in (chain(caught.value), caplog.text):
            assert secret not in text
            assert token.split(".")[0] not in text


def test_a_wrong_secret_is_told_without_it(entra: EntraEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "hunter2hunter2")
    with pytest.raises(DirectoryRefused, match=r"AADSTS7000215") as caught:
        reader(entra, client_secret={"env": "WRONG"}).read(no_progress)
    assert "hunter2" not in chain(caught.value)


def test_a_server_that_is_not_there_and_one_that_is_not_trusted(entra: EntraEmulator) -> None:
    with pytest.raises(DirectoryUnreachable, match="no connection"):
        reader(entra, login_url=nobody_there()).read(no_progress)
    with pytest.raises(DirectoryUnreachable, match="certificate of the server is refused"):
        reader(entra, tls=None).read(no_progress)
    with pytest.raises(ConfigError, match=r"directories\.hq\.tls"):
        reader(entra, tls={"ca_file": "/nonexistent.pem"}).read(no_progress)


def test_a_lost_environment_does_not_change_whom_we_trust(
    entra: EntraEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent.pem")
    assert reader(entra).read(no_progress).complete


# ----------------------------------------------------------------------------------------------------------- patience


def test_the_services_own_seconds_are_waited_and_shown(company: EntraEmulator) -> None:
    clock, shown = Clock(), []
    company.faults.add(LIST, "status:429", nth=2)
    found = reader(company, page_size=50, clock=clock).read(lambda *told: shown.append(told))
    assert found.complete
    assert sum(clock.waits) == pytest.approx(1.0)
    assert ("waiting for the service's limit", 0, 1) in shown


def test_a_limit_that_never_ends_is_given_up(company: EntraEmulator) -> None:
    clock = Clock()
    company.faults.add(LIST, "status:429")
    with pytest.raises(DirectoryUnreachable, match="limit on requests was met 8 times"):
        reader(company, clock=clock).read(no_progress)
    assert sum(clock.waits) == pytest.approx(7.0)


def test_a_real_limit_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's own limiter, on the clock of the reader: without waiting, the read could not end."""
    clock = Clock()
    with running(monkeypatch, users=100, groups=10, unit_limit=6, window_seconds=10.0) as entra:
        entra.limiter._clock = clock
        entra.delta.sizes.groups = 2
        found = reader(entra, page_size=20, clock=clock).read(no_progress)
        assert found.complete
        assert entra.units_spent > 12
        assert 10.0 <= sum(clock.waits) <= 60.0


def test_near_the_limit_requests_go_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, users=60, groups=5, unit_limit=12) as entra:
        entra.delta.sizes.groups = 1
        assert reader(entra, page_size=20).read(no_progress).complete


def test_a_token_that_expires_on_the_way_is_renewed(company: EntraEmulator) -> None:
    company.login.token_seconds = 1
    company.faults.add(LIST, "status:401", nth=2)
    assert read(company).complete
    assert company.calls["POST /{tenant}/oauth2/v2.0/token"] >= 2


def test_a_token_that_is_refused_again_and_again_is_an_error(company: EntraEmulator) -> None:
    company.faults.add(LIST, "status:401")
    with pytest.raises(DirectoryRefused, match="is cloud the one of the tenant"):
        read(company)


def test_the_raw_service_really_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The premise of the tests above."""
    with running(monkeypatch, unit_limit=1) as entra:
        raw = Raw(entra)
        raw.sign_in()
        assert [raw.graph("/v1.0/users?$select=id").status for _ in range(2)] == [200, 429]
