"""Whole reads of the emulator of Okta: what is complete, what is cut short, what is refused, and what it costs."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from dirconnector.errors import ConfigError, DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Snapshot, no_progress
from dirconnector.readers.okta import OktaReader
from dirconnector.readers.okta.pace import WAITING
from tests.emulators.okta import Limits, OktaEmulator
from tests.okta import HOUR, Waiting, as_app, reader_of

MEMBERS = "GET /api/v1/groups/{id}/users"


@pytest.fixture
def okta(monkeypatch: pytest.MonkeyPatch) -> Iterator[OktaEmulator]:
    with OktaEmulator() as emulator:
        for name, value in emulator.env.items():
            monkeypatch.setenv(name, value)
        yield emulator


def people(okta: OktaEmulator, number: int, *, status: str = "ACTIVE") -> list[str]:
    return [okta.state.add_user(f"{status}{n}@example.org", status=status) for n in range(number)]


def read(okta: OktaEmulator, **settings: Any) -> Snapshot:
    return reader_of(okta, **settings).read(no_progress)


def named(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    return {group.name: group.members for group in snapshot.groups.values()}


def doubts(snapshot: Snapshot) -> str:
    return "; ".join(evidence.why for evidence in snapshot.evidence if not evidence.complete)


# ------------------------------------------------------------------------------------------------------------ whole


def test_a_seeded_organization_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with OktaEmulator(users=700, groups=12) as okta:
        monkeypatch.setenv("OKTA_TOKEN", okta.token.value)
        okta.state.advance(HOUR * 2)
        snapshot = read(okta, attributes=frozenset({"department"}))
        state = okta.state
        assert snapshot.complete, doubts(snapshot)
        assert snapshot.users.keys() == state.users.keys()
        assert {key for key, user in snapshot.users.items() if not user.enabled} == {
            key for key, user in state.users.items() if user["status"] in ("SUSPENDED", "DEPROVISIONED")
        }
        assert {key: group.members for key, group in snapshot.groups.items()} == {
            key: frozenset(state.members_of(key)) for key in state.groups
        }
        assert {key: u.attributes.get("department", ("",))[0] for key, u in snapshot.users.items()} == {
            key: user["profile"].get("department", "") for key, user in state.users.items()
        }


def test_everyone_has_all_but_the_deactivated_and_is_not_paged_through(okta: OktaEmulator) -> None:
    people(okta, 3)
    people(okta, 2, status="DEPROVISIONED")
    snapshot = read(okta)
    assert len(named(snapshot)["Everyone"]) == 4
    assert not okta.calls[MEMBERS]


def test_deactivated_users_are_read_although_the_list_hides_them(okta: OktaEmulator) -> None:
    gone = people(okta, 201, status="DEPROVISIONED")
    snapshot = read(okta)
    assert {key for key, user in snapshot.users.items() if not user.enabled} == set(gone)
    deleted = read(okta, users={"deprovisioned": "deleted"})
    assert deleted.deleted.keys() == set(gone)
    assert not deleted.users.keys() & set(gone)
    assert deleted.complete


def test_users_without_an_address_stay(okta: OktaEmulator) -> None:
    key = okta.state.add_user("x@example.org", email=None)
    assert read(okta).users[key].email == ""


def test_an_unknown_status_spoils_neither_the_page_nor_the_membership(okta: OktaEmulator) -> None:
    first, second = people(okta, 2)
    group = okta.state.add_group("Vault", [first, second])
    okta.state.users[first]["status"] = "FROZEN"
    snapshot = read(okta)
    assert second in snapshot.users
    assert snapshot.unsyncable.keys() == {first}
    assert snapshot.groups[group].members == {first, second}
    assert snapshot.complete
    assert [problem.entry for problem in snapshot.problems] == ["ACTIVE0@example.org"]


def test_a_group_without_a_name_is_a_problem_and_not_gone(okta: OktaEmulator) -> None:
    group = okta.state.add_group("x")
    del okta.state.groups[group]["profile"]["name"]
    snapshot = read(okta)
    assert group in snapshot.unsyncable
    assert group not in snapshot.groups
    assert snapshot.problems


def test_native_filters_and_search_pass_through(okta: OktaEmulator) -> None:
    ana = okta.state.add_user("ana@example.org", department="Tax")
    bo = okta.state.add_user("bo@example.org", status="SUSPENDED", department="Tax")
    okta.state.add_group("Vault", [ana, okta.token.owner])
    okta.state.add_group("Other", [bo])
    snapshot = read(okta, users={"search": 'profile.department eq "Tax"'}, groups={"search": 'profile.name sw "Vault"'})
    assert snapshot.users.keys() == {ana, bo}
    assert named(snapshot) == {"Vault": {ana}}, "members out of scope are not in the snapshot"
    assert snapshot.complete
    filtered = read(okta, users={"filter": 'status eq "SUSPENDED"'}, groups=False)
    assert filtered.users.keys() == {bo}
    assert not filtered.groups
    assert filtered.complete


def test_an_app_is_a_scope_of_users_and_groups(okta: OktaEmulator) -> None:
    ana, bo, cee = people(okta, 3)
    vault = okta.state.add_group("Vault", [ana, bo])
    okta.state.add_group("Other", [ana, cee])
    app = okta.state.add_app("Bitwarden", [cee], [vault])
    snapshot = read(okta, app=app)
    assert snapshot.users.keys() == {ana, bo, cee}
    assert named(snapshot) == {"Vault": {ana, bo}}
    assert snapshot.complete
    assert okta.calls[MEMBERS] == 1


@pytest.mark.parametrize(("form", "dpop"), [("pem", False), ("jwk", True)])
def test_a_service_app(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, form: str, dpop: bool) -> None:
    monkeypatch.setenv("OKTA_PRIVATE_KEY", getattr(okta.service_app, form))
    okta.service_app.dpop = dpop
    people(okta, 3)
    snapshot = read(okta, **as_app(okta), dpop=dpop)
    assert len(snapshot.users) == 4
    assert snapshot.complete
    assert okta.calls["POST /oauth2/v1/token"] == (2 if dpop else 1)


def test_an_access_token_that_stops_working_is_replaced_once(okta: OktaEmulator) -> None:
    okta.faults.add("GET /api/v1/users", "status:401", nth=1)
    assert read(okta, **as_app(okta)).complete
    assert okta.calls["POST /oauth2/v1/token"] == 2
    okta.faults.replace([{"match": "GET /api/v1/users", "fault": "status:401"}])
    with pytest.raises(DirectoryRefused):
        read(okta, **as_app(okta))


# -------------------------------------------------------------------------------------------- truncations and faults


def test_a_failing_second_page_is_an_error_and_not_the_end(okta: OktaEmulator) -> None:
    """The pagination of Okta's package takes it for the end of the data."""
    people(okta, 450)
    okta.faults.add("GET /api/v1/users", "status:500")
    with pytest.raises(DirectoryUnreachable, match="Okta is in trouble: 500 E0000009"):
        read(okta)


@pytest.mark.parametrize("fault", ["status:500", "status:503", "status:504", "drop", "cut"])
def test_a_page_that_fails_once_is_asked_for_again(okta: OktaEmulator, fault: str) -> None:
    people(okta, 450)
    okta.faults.add("GET /api/v1/users", fault, nth=3)
    okta.faults.add("GET /api/v1/groups", fault, nth=1)
    snapshot = read(okta)
    assert len(snapshot.users) == 451
    assert snapshot.complete


def test_next_before_self_is_read_all_the_same(okta: OktaEmulator) -> None:
    """A dictionary of headers keeps only the last Link line."""
    people(okta, 450)
    okta.faults.add("GET /api/v1/users", "next-first")
    snapshot = read(okta)
    assert len(snapshot.users) == 451
    assert snapshot.complete


def test_an_empty_page_with_a_next_link_is_not_the_end(okta: OktaEmulator) -> None:
    people(okta, 450)
    okta.faults.add("GET /api/v1/users", "empty-page", nth=1)
    okta.faults.add("GET /api/v1/users", "empty-page", nth=3)
    snapshot = read(okta)
    assert len(snapshot.users) == 451
    assert snapshot.complete


def test_a_next_link_that_leads_back_is_incomplete(okta: OktaEmulator) -> None:
    people(okta, 450)
    okta.faults.add("GET /api/v1/users", "same-cursor", probability=1.0)
    snapshot = read(okta)
    assert not snapshot.complete
    assert "leads back" in doubts(snapshot)


@pytest.mark.parametrize("path", ["GET /api/v1/users", "GET /api/v1/groups"])
def test_a_page_of_html_with_200_is_an_error(okta: OktaEmulator, path: str) -> None:
    okta.faults.add(path, "html")
    with pytest.raises(DirectoryUnreachable, match="not JSON"):
        read(okta)


def test_one_group_that_cannot_be_read_makes_the_read_incomplete_and_the_others_are_there(
    okta: OktaEmulator,
) -> None:
    ana, bo = people(okta, 2)
    okta.state.add_group("One", [ana])
    okta.state.add_group("Two", [bo])
    okta.faults.add(MEMBERS, "status:403", nth=1)
    snapshot = read(okta)
    assert not snapshot.complete
    assert "the members of 1 groups cannot be read to the end" in doubts(snapshot)
    assert sorted(map(len, named(snapshot).values())) == [0, 1, 3]
    okta.faults.replace([{"match": MEMBERS, "fault": "status:500"}])
    snapshot = read(okta)
    assert "the members of 2 groups" in doubts(snapshot)
    assert len(snapshot.users) == 3


def test_a_group_that_is_deleted_meanwhile_is_gone(okta: OktaEmulator) -> None:
    okta.state.add_group("One", people(okta, 1))
    okta.faults.add(MEMBERS, "status:404")
    snapshot = read(okta)
    assert named(snapshot).keys() == {"Everyone"}
    assert snapshot.complete


def test_large_pages_that_time_out_are_asked_for_in_smaller_ones(okta: OktaEmulator) -> None:
    members = people(okta, 450)
    okta.state.add_group("Big", members)
    okta.largest_page = 60
    snapshot = read(okta)
    assert named(snapshot)["Big"] == set(members)
    assert snapshot.complete


def test_a_count_of_no_members_is_not_believed_right_after_a_change(okta: OktaEmulator) -> None:
    ana, bo = people(okta, 2)
    okta.state.add_group("Old", [])
    okta.state.advance(HOUR * 2)
    okta.state.add_group("New", [ana, bo])
    okta.faults.add("GET /api/v1/groups", "stale-stats")
    snapshot = read(okta)
    assert named(snapshot)["New"] == {ana, bo}
    assert okta.calls[MEMBERS] == 1, "and the old one without members is not asked for"


def test_a_role_limited_to_some_groups_proves_nobodys_absence(okta: OktaEmulator) -> None:
    ana, _ = people(okta, 2)
    group = okta.state.add_group("Vault", [ana])
    okta.token.role, okta.token.targets = "USER_ADMIN", frozenset({group})
    snapshot = read(okta)
    assert snapshot.users.keys() == {ana}
    assert not snapshot.complete
    assert "Everyone cannot be seen" in doubts(snapshot)
    assert not read(okta, groups=False).complete
    meant = read(okta, restricted_role=True)
    assert meant.complete
    assert named(meant) == {"Vault": {ana}}


def test_a_role_that_sees_everyone_and_not_all_users_is_noticed_by_the_count(okta: OktaEmulator) -> None:
    seen = people(okta, 10)
    people(okta, 10)
    group = okta.state.add_group("Vault", seen)
    okta.token.role, okta.token.targets = "CUSTOM", frozenset({group, okta.state.everyone})
    snapshot = read(okta)
    assert len(snapshot.users) == 10
    assert "10 users were read, and Okta counts 21" in doubts(snapshot)


def test_members_that_are_not_in_the_list_of_users_are_noticed(okta: OktaEmulator) -> None:
    ana = people(okta, 1)[0]
    okta.state.add_group("Vault", [ana])
    okta.state.order.remove(ana)
    snapshot = read(okta)
    assert "1 members of groups are not in the list of users" in doubts(snapshot)


def test_who_changes_while_the_read_runs_is_read_at_its_end(okta: OktaEmulator) -> None:
    """Reactivated after the list of users was read, before the list of deactivated ones: found in neither."""
    ana, bo = people(okta, 2)
    one, two = okta.state.add_group("One", [bo]), okta.state.add_group("Two")
    okta.state.set_status(ana, "DEPROVISIONED")
    okta.state.advance(HOUR * 2)

    def meanwhile(phase: str, done: int, total: int | None) -> None:
        if phase.endswith("members of groups") and bo in okta.state.members[one]:
            okta.state.remove_member(one, bo)
            okta.state.add_member(two, bo)
            okta.state.change_user(ana, title="Dr")
            okta.state.set_status(ana, "ACTIVE")

    snapshot = reader_of(okta).read(meanwhile)
    assert snapshot.users[ana].enabled
    assert (snapshot.groups[one].members, snapshot.groups[two].members) == (frozenset(), {bo})


# --------------------------------------------------------------------------------------------------------- refusals

REFUSALS = [
    ("token", "E0000011: Invalid token provided", "make a new one under Security, API, Tokens"),
    ("no role", "403 E0000006", "Read-only Administrator"),
    ("app: no role", "403 E0000006", "Read-only Administrator"),
    ("app: no scopes", "consent_required", "grant the scope okta.users.read and okta.groups.read"),
    ("app: one scope", "403 E0000006", "grant the scope okta.groups.read: Applications, the app, Okta API Scopes"),
    ("app: unknown", "401 invalid_client", "client_id and private_key do not fit"),
    ("app: other key", "401 invalid_client", "client_id and private_key do not fit"),
    ("app: dpop", "400 invalid_dpop_proof", "set dpop: true"),
    ("filter", "400 E0000031: Invalid search criteria.", "mend users.filter"),
    ("app id", "404 E0000007", "does the app named in app exist"),
]


def broken(okta: OktaEmulator, what: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Break one thing; the settings with which it is met."""
    app = okta.service_app
    settings = as_app(okta) if what.startswith("app:") else {}
    match what:
        case "token":
            monkeypatch.setenv("OKTA_TOKEN", "00notthisone")
        case "no role":
            okta.token.role = ""
        case "app: no role":
            app.role = ""
        case "app: no scopes":
            app.granted = frozenset()
        case "app: one scope":
            app.granted = frozenset({"okta.users.read"})
        case "app: unknown":
            settings |= {"client_id": "0oanobody"}
        case "app: other key":
            with OktaEmulator(seed_number=2) as other:
                monkeypatch.setenv("OKTA_PRIVATE_KEY", other.service_app.pem)
        case "app: dpop":
            app.dpop = True
        case "filter":
            settings |= {"users": {"filter": "shoe size"}}
        case "app id":
            settings |= {"app": "0oa0nothere"}
    return settings


@pytest.mark.parametrize(("what", "message", "cure"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_each_missing_thing_is_named_with_its_cure(
    okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, what: str, message: str, cure: str
) -> None:
    settings = broken(okta, what, monkeypatch)
    with pytest.raises(DirectoryRefused) as raised:
        read(okta, **settings)
    assert message in str(raised.value)
    assert cure in str(raised.value)
    failed = [finding for finding in reader_of(okta, **settings).check() if not finding.ok]
    assert failed
    assert any(message in finding.detail and cure in finding.cure for finding in failed)


def test_check_of_a_good_organization(okta: OktaEmulator) -> None:
    people(okta, 3)
    app = okta.state.add_app("Bitwarden")
    okta.service_app.granted |= {"okta.apps.read", "okta.logs.read"}
    found = list(reader_of(okta, **as_app(okta), app=app, system_log=True).check())
    assert all(finding.ok for finding in found)
    assert {finding.subject for finding in found} == {"users", "users.email", "app", "groups", "role", "system_log"}
    assert "600 such calls a minute" in found[0].detail
    assert sum(okta.calls.values()) <= 6


def test_check_warns_of_more_rights_than_needed(okta: OktaEmulator) -> None:
    okta.token.role = "SUPER_ADMIN"
    [warning] = [finding for finding in reader_of(okta).check() if not finding.ok]
    assert "may do more than read" in warning.detail
    assert "Read-only Administrator" in warning.cure


def test_check_says_that_a_role_sees_only_a_part(okta: OktaEmulator) -> None:
    group = okta.state.add_group("Vault", people(okta, 1))
    okta.token.role, okta.token.targets = "USER_ADMIN", frozenset({group})
    [failed] = [finding for finding in reader_of(okta).check() if not finding.ok]
    assert "limited to some groups" in failed.detail
    assert all(finding.ok for finding in reader_of(okta, restricted_role=True).check())


def test_check_says_that_nobody_has_an_address(okta: OktaEmulator) -> None:
    [failed] = [finding for finding in reader_of(okta, users={"email": "nix"}).check() if not finding.ok]
    assert (failed.subject, "mend users.email" in failed.cure) == ("users.email", True)


def test_check_of_a_log_that_may_not_be_read(okta: OktaEmulator) -> None:
    okta.service_app.granted |= {"okta.apps.read"}
    [failed] = [f for f in reader_of(okta, **as_app(okta), system_log=True).check() if not f.ok]
    assert failed.subject == "system_log"
    assert "grant the scope okta.logs.read" in failed.cure


def test_a_certificate_of_nobody_known_is_refused_with_its_cure(okta: OktaEmulator) -> None:
    with pytest.raises(DirectoryUnreachable, match=r"tls\.ca_file"):
        read(okta, tls={})
    assert len(read(okta, tls={"verify": False}).users) == 1
    assert any(
        finding.subject == "tls" and not finding.ok for finding in reader_of(okta, tls={"verify": False}).check()
    )


def test_a_key_that_is_none_is_an_error_of_the_config(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("nonsense", "{nonsense", '{"kty": "oct", "k": "c2VjcmV0"}', okta.service_app.pem[:300]):
        monkeypatch.setenv("OKTA_PRIVATE_KEY", text)
        with pytest.raises(ConfigError, match="private_key is not an RSA private key") as raised:
            read(okta, **as_app(okta))
        assert text not in str(raised.value)


# ---------------------------------------------------------------------------------------------------------- secrets


def told(error: BaseException) -> str:
    """Everything that an error carries: its own words, those of its causes, and the variables that hold them."""
    found, seen = [], error
    while seen is not None:
        found += [str(seen), repr(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]  # the last one has none
    return "\n".join([*found, *traceback.format_exception(error)])


@pytest.mark.parametrize(
    ("app", "fault"),
    [
        *((False, f) for f in ("drop", "cut", "html", "status:401", "status:403", "status:500", "status:429")),
        *((True, f) for f in ("drop", "status:400", "status:401", "status:500")),
    ],
)
def test_no_secret_is_in_an_error_or_in_a_log(
    okta: OktaEmulator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], app: bool, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    okta.faults.add("*", fault)
    with pytest.raises(DirectoryError) as raised:
        read(okta, **(as_app(okta) if app else {}))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    everything = told(raised.value) + caplog.text + "".join(capfd.readouterr())
    key = okta.service_app.pem.splitlines()[3]
    for secret in (okta.token.value, key, "SSWS", "Bearer", "client_assertion"):
        assert secret not in everything


def test_the_token_goes_to_no_other_host(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A next link of another host (a custom domain, or worse) is followed on the configured one."""
    people(okta, 450)
    import tests.emulators.okta.replies as replies

    ours = replies._url
    elsewhere = "https://127.0.0.1:9"
    monkeypatch.setattr(replies, "_url", lambda own, given: ours(own, given).replace(okta.url, elsewhere))
    assert len(read(okta).users) == 451


def test_a_missing_package_is_named_with_the_command(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module in ("client", "transport"):
        monkeypatch.delitem(sys.modules, f"dirconnector.readers.okta.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "okta.request_executor", None)
    with pytest.raises(ConfigError, match=r"pip install 'dirconnector\[okta\]'"):
        read(okta)


# ------------------------------------------------------------------------------------------------ limits and budgets


def test_the_limits_of_a_free_organization_are_kept_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with OktaEmulator(limits=Limits(plan="developer", enforced=True)) as okta:
        monkeypatch.setenv("OKTA_TOKEN", okta.token.value)
        members = people(okta, 30)
        for number in range(250):
            okta.state.add_group(f"G{number}", [members[number % 30]])
        waiting, shown = Waiting(okta), []
        snapshot = reader_of(okta, waiting=waiting).read(lambda *told: shown.append(told))
        assert snapshot.complete, doubts(snapshot)
        assert all(len(group.members) >= 1 for group in snapshot.groups.values())
        assert okta.limits.refused == 0, "the headers are looked at before it is too late"
        waits = [told for told in shown if told[0] == WAITING]
        assert waits
        assert all(done <= total <= 125 for _, done, total in waits if total is not None)
        assert 100 < sum(waiting.naps) < 250


def test_a_429_is_waited_out_and_the_call_repeated(okta: OktaEmulator) -> None:
    people(okta, 3)
    okta.faults.add("GET /api/v1/users", "status:429", times=2)
    okta.faults.add("GET /api/v1/groups", "status:429", nth=1)
    snapshot = read(okta)
    assert len(snapshot.users) == 4
    assert snapshot.complete


def test_a_limit_that_never_opens_is_named(okta: OktaEmulator) -> None:
    okta.faults.add("GET /api/v1/users", "status:429")
    with pytest.raises(DirectoryUnreachable, match="because of the rate limit"):
        read(okta)


def test_a_429_of_the_token_endpoint_is_waited_out(okta: OktaEmulator) -> None:
    okta.faults.add("POST /oauth2/v1/token", "status:429", nth=1)
    assert read(okta, **as_app(okta)).complete


def test_calls_at_the_same_time_are_bounded_and_fewer_after_a_refusal(okta: OktaEmulator) -> None:
    members = people(okta, 5)
    for number in range(40):
        okta.state.add_group(f"G{number}", members)
    okta.latency_seconds = 0.005
    read(okta, concurrency=6)
    assert 2 <= okta.limits.most <= 6
    okta.limits = Limits(at_once=3)
    snapshot = read(okta, concurrency=12)
    assert snapshot.complete
    assert okta.limits.refused < 40


@pytest.mark.parametrize(
    ("users", "gone", "sizes"), [(399, 0, []), (430, 210, [0, 1, 200, 201, 450]), (10, 0, [3] * 25)]
)
def test_the_budget_of_calls(okta: OktaEmulator, users: int, gone: int, sizes: list[int]) -> None:
    """ceil(U/200) + ceil(D/200) + 2*ceil(G/1000) + the pages of the groups with members, Everyone apart; and one for
    who changed meanwhile.
    """
    living = [okta.token.owner, *people(okta, users)]
    people(okta, gone, status="DEPROVISIONED")
    for number, size in enumerate(sizes):
        okta.state.add_group(f"G{number}", living[:size])
    okta.state.advance(HOUR * 2)
    assert read(okta).complete
    assert okta.calls == {
        "GET /api/v1/users": math.ceil(len(living) / 200) + max(1, math.ceil(gone / 200)) + 1,
        "GET /api/v1/groups": 2,
    } | ({MEMBERS: sum(math.ceil(size / 200) for size in sizes)} if any(sizes) else {})


def test_making_a_reader_imports_nothing_of_okta() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom dirconnector.readers.okta import OktaReader, OktaSettings\n"
        "s = OktaSettings.model_validate({'url': 'https://a.okta.com', 'token': {'env': 'T'}})\n"
        "OktaReader('hq', s, frozenset())\n"
        "print({m.split('.')[0] for m in sys.modules} & {'okta', 'aiohttp', 'jwt', 'requests'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_reader_is_an_incremental_one(okta: OktaEmulator) -> None:
    from dirconnector.readers import IncrementalReader

    assert isinstance(reader_of(okta), IncrementalReader)
    assert isinstance(reader_of(okta), OktaReader)
