"""Merge, flatten and select."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirconnector.errors import SelectionError
from dirconnector.model import Accepts, Snapshot
from dirconnector.rules import emails
from dirconnector.rules.flatten import flatten, path
from dirconnector.rules.merge import merge
from dirconnector.rules.patterns import Pattern
from dirconnector.rules.rule import GroupRule, Select, UserRule
from tests.build import desired, group, snapshot, user


def rules(**parts: str) -> UserRule:
    return UserRule(**{name: Pattern.parse(text) for name, text in parts.items()})  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------ e-mails


def test_addresses_are_trimmed_and_lower_case() -> None:
    made = desired(snapshot([user("ana", "  Ana.Lopez@Example.ORG ")]))
    assert made.users["ana"].email == "ana.lopez@example.org"


@pytest.mark.parametrize("bad", ["a", "@b", "a@", "a@b@c", "a b@c.org", "a@c.org;d@e.org", "a@b\n", "a@b\x00", "<a@b>"])
def test_addresses_that_would_reject_an_import(bad: str) -> None:
    assert emails.refused(bad, Accepts())


def test_length_of_an_address() -> None:
    assert not emails.refused("a" * 250 + "@b.org", Accepts())
    assert "257 characters" in emails.refused("a" * 251 + "@b.org", Accepts())


# -------------------------------------------------------------------------------------------------------------- merge


def test_same_address_in_two_directories_is_one_person_and_the_first_describes_them() -> None:
    merged = merge(
        [
            snapshot([user("a1", "ana@example.org", name="Ana HQ")], [group("g1", ["a1"])]),
            snapshot([user("a2", "ANA@example.org", name="Ana Branch")], [group("g2", ["a2"])], directory="branch"),
        ],
        Accepts(),
    )
    assert {u.name for u in merged.users.values()} == {"Ana HQ"}
    assert merged.aliases == {"a2": "a1"}
    assert merged.groups["g2"].members == {"a1"}, "memberships of both directories count"
    assert merged.problems == ()


def test_directories_that_disagree_are_listed() -> None:
    merged = merge(
        [snapshot([user("a", enabled=False)]), snapshot([user("a2", "a@example.org")], directory="branch")], Accepts()
    )
    assert merged.users["a"].enabled is False
    assert merged.problems[0].why == (
        "a@example.org is enabled here and disabled in hq: hq comes first in the config and decides"
    )


def test_clash_in_one_directory_gives_the_address_to_nobody_and_names_each() -> None:
    merged = merge([snapshot([user("a", "x@example.org"), user("b", "x@example.org"), user("c")])], Accepts())
    assert set(merged.users) == {"c"}
    assert set(merged.unsyncable) == {"a", "b"}
    assert [(p.entry, p.why) for p in merged.problems] == [
        ("uid=a", "x@example.org is also the address of uid=b: neither is synced, correct one of them"),
        ("uid=b", "x@example.org is also the address of uid=a: neither is synced, correct one of them"),
    ]


def test_clash_with_one_enabled_entry_is_settled() -> None:
    merged = merge([snapshot([user("a", "x@example.org", enabled=False), user("b", "x@example.org")])], Accepts())
    assert set(merged.users) == {"b"}
    assert "which is enabled and gets it" in merged.problems[0].why


def test_clash_in_the_first_directory_is_not_settled_by_the_second() -> None:
    merged = merge(
        [
            snapshot([user("a", "x@example.org"), user("b", "x@example.org")]),
            snapshot([user("c", "x@example.org")], directory="branch"),
        ],
        Accepts(),
    )
    assert merged.users == {}
    assert set(merged.unsyncable) == {"a", "b", "c"}


def test_same_directory_twice_changes_nothing() -> None:
    one = snapshot([user("a"), user("b")], [group("g", ["a"])])
    merged = merge([one, one], Accepts())
    assert merged.users == one.users
    assert merged.groups == one.groups
    assert merged.problems == ()


# ------------------------------------------------------------------------------------------------------------ flatten


def test_five_thousand_groups_in_a_cycle_share_one_set() -> None:
    groups = {f"g{n}": group(f"g{n}", [f"u{n}"], [f"g{(n + 1) % 5000}"]) for n in range(5000)}
    flat = flatten(groups)
    assert len(flat["g0"]) == 5000
    assert all(members is flat["g0"] for members in flat.values())


def test_deep_nesting_needs_no_recursion() -> None:
    groups = {f"g{n}": group(f"g{n}", [], [f"g{n + 1}"] if n < 20_000 else []) for n in range(20_001)}
    groups["g20000"] = group("g20000", ["ana"])
    assert flatten(groups)["g0"] == {"ana"}


@given(
    st.dictionaries(
        st.integers(0, 7), st.tuples(st.frozensets(st.integers(0, 5)), st.frozensets(st.integers(0, 9))), max_size=8
    )
)
def test_flatten_is_the_transitive_closure(shape: dict[int, tuple[frozenset[int], frozenset[int]]]) -> None:
    groups = {str(k): group(str(k), map(str, users), map(str, subs)) for k, (users, subs) in shape.items()}

    def naive(key: str, seen: set[str]) -> set[str]:
        if key not in groups or key in seen:
            return set()
        seen.add(key)
        return set(groups[key].members).union(*(naive(sub, seen) for sub in groups[key].subgroups))

    flat = flatten(groups)
    for key in groups:
        assert flat[key] == naive(key, set())
        for who in map(str, range(6)):
            way = path(groups, key, who)
            assert bool(way) == (who in flat[key])
            if way:
                assert way[0] == key
                assert who in groups[way[-1]].members
                assert all(below in groups[above].subgroups for above, below in pairwise(way))


# ------------------------------------------------------------------------------------------------------------- select


def test_nothing_listed_is_everyone() -> None:
    assert set(desired(snapshot([user("a"), user("b")])).users) == {"a", "b"}


def test_include_by_group_is_transitive_and_names_the_group() -> None:
    made = desired(
        snapshot([user("a"), user("b")], [group("v", [], ["n"], name="Vault-All"), group("n", ["a"], name="Nested")]),
        select=Select(users_include=(rules(group="vault-*"),)),
    )
    assert made.selected_by == {"a": "in hq, selected by {group: vault-*} through Vault-All"}


def test_exclude_wins() -> None:
    select = Select(users_include=(rules(email="*"),), users_exclude=(rules(email="svc-*"),))
    assert set(desired(snapshot([user("a"), user("svc-x")]), select=select).users) == {"a"}


def test_attributes_match_any_value_whatever_the_case() -> None:
    select = Select(users_exclude=(UserRule(attribute={"employeetype": Pattern("contractor")}),))
    people = [
        user("a", attributes={"employeetype": ("Staff", "CONTRACTOR")}),
        user("b", attributes={"employeetype": ("staff",)}),
        user("c"),
    ]
    assert set(desired(snapshot(people), select=select).users) == {"b", "c"}
    assert select.attributes == {"employeetype"}


def test_parts_of_one_rule_must_all_match() -> None:
    select = Select(users_include=(rules(email="*@example.org", username="re:^a"),))
    assert set(desired(snapshot([user("ana"), user("ben")]), select=select).users) == {"ana"}


def test_group_that_is_named_exactly_and_not_found_is_an_error() -> None:
    for select in (
        Select(users_include=(rules(group="Vault-Users"),)),
        Select(users_exclude=(rules(group="Vault-Users"),)),
        Select(groups_include=(GroupRule(name=Pattern("Vault-Users")),)),
    ):
        with pytest.raises(SelectionError, match="no group named 'Vault-Users'") as error:
            desired(snapshot([user("a")], [group("g")]), select=select)
        assert error.value.exit_code == 2


def test_pattern_that_matches_no_group_selects_nobody() -> None:
    made = desired(snapshot([user("a")]), select=Select(users_include=(rules(group="Vault-*"),)))
    assert made.users == {}
    assert [p.entry for p in made.problems] == ["select.users: {group: Vault-*}"], "and says so"
    assert made.selection.verdict(user("a", directory="hq")).reason == "not in any group of select.users.include"


def test_groups_have_selected_people_only_and_unselected_groups_still_nest() -> None:
    made = desired(
        snapshot(
            [user("a"), user("b")],
            [group("v", [], ["n"], name="Vault"), group("n", ["a", "b"], name="Nested")],
        ),
        select=Select(users_exclude=(rules(email="b@*"),), groups_include=(GroupRule(name=Pattern("Vault")),)),
    )
    assert {k: set(g.members) for k, g in made.groups.items()} == {"v": {"a"}}


@pytest.mark.parametrize("bad", ["", "  ", "re:", "re: ", "re:("])
def test_patterns_are_strict(bad: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|regular expression"):
        Pattern.parse(bad)


def test_globs_match_the_whole_value_and_ignore_case() -> None:
    assert Pattern.parse("Vault-*").matches("vault-users")
    assert not Pattern.parse("Vault-*").matches("old Vault-users")
    assert Pattern.parse("re:^svc-\\d+@").matches("SVC-12@x")
    assert Pattern.parse("a.c").exact
    assert not Pattern.parse("a.c").matches("abc")


# ------------------------------------------------------------------------------- what cannot be synced is still there


def test_a_key_that_a_person_and_a_group_share_is_still_unsyncable() -> None:
    merged = merge([snapshot([user("5", ""), user("6")], [group("5"), group("6", name="x" * 101)])], Accepts())
    assert set(merged.unsyncable) == {"5"}
    assert set(merged.unsyncable_groups) == {"6"}


def test_group_that_cannot_be_synced_still_nests_and_selects() -> None:
    long = "Vault-" + "x" * 100
    made = desired(
        snapshot([user("a"), user("b")], [group("v", ["b"], ["n"], name="Vault-All"), group("n", ["a"], name=long)]),
        select=Select(users_include=(rules(group="Vault-x*"),)),
    )
    assert set(made.users) == {"a"}
    assert {key: set(each.members) for key, each in made.groups.items()} == {"v": {"a"}}
    assert "the group's name has 106 characters" in made.problems[0].why


def test_lengths_are_those_of_dotnet() -> None:
    people = [user("😀" * 151, "a@example.org"), user("b", "😀" * 125 + "@example.org")]
    merged = merge([snapshot(people, [group("g", name="😀" * 51)])], Accepts())
    assert [p.why.partition(" has ")[2].partition(",")[0] for p in merged.problems] == [
        "302 characters",
        "262 characters",
        "102 characters",
    ]


@pytest.mark.parametrize("odd", ["a\u200bb@example.org", "a\ud800@example.org", "a\u202e@example.org"])
def test_addresses_with_characters_that_nobody_sees_are_refused(odd: str) -> None:
    assert emails.refused(odd, Accepts())


@pytest.mark.parametrize("key", ["", "  ", "\ud800"])
def test_keys_that_could_not_be_found_again_are_refused(key: str) -> None:
    merged = merge([snapshot([user(key, "a@example.org")], [group(key, name="G")])], Accepts())
    assert merged.users == {}
    assert len(merged.problems) == 2


def test_one_address_for_everybody_names_a_few_of_them() -> None:
    everybody = [user(f"u{n}", "noreply@example.org") for n in range(20_000)]
    merged = merge([snapshot(everybody)], Accepts())
    assert len(merged.problems) == 20_000
    assert merged.problems[-1].why == (
        "noreply@example.org is also the address of uid=u0, uid=u1, uid=u2 and 19996 more: none of them is synced, "
        "correct all but one"
    )


# ------------------------------------------------------------------------------------- one key in several directories


def test_employee_numbers_of_two_companies_are_not_one_person() -> None:
    line_2 = {"entry": "people.csv:2"}
    hq = snapshot([user("7", "ana@example.org", username="ana", **line_2)], [group("1", ["7"], name="Sales", **line_2)])
    branch = snapshot(
        [user("7", "bob@example.org", username="bob", **line_2), user("8", "cy@example.org")],
        [group("1", ["8"], name="Admins", **line_2), group("2", ["7", "8"], ["1"], name="All")],
        directory="branch",
    )
    merged = merge([hq, branch], Accepts())
    assert merged.users["7"].email == "ana@example.org"
    assert merged.groups["1"].members == {"7"}, "Admins are not Sales"
    assert merged.groups["2"].members == {"8"}, "Ana is in no group of Bob's"
    assert merged.groups["2"].subgroups == set()
    assert [(p.directory, "another" in p.why) for p in merged.problems] == [("branch", True), ("branch", True)]


def test_somebody_who_cannot_be_synced_keeps_the_key_too() -> None:
    hq = snapshot([user("7", "", username="ana"), user("x")])
    branch = snapshot([user("7", "bob@example.org", username="bob", entry="uid=7b")], directory="branch")
    merged = merge([hq, branch], Accepts())
    assert set(merged.users) == {"x"}
    assert set(merged.unsyncable) == {"7"}


def test_an_entry_read_twice_is_one_person_whatever_address_was_taken() -> None:
    hq = snapshot([user("7", "ana@example.org")], [group("g", ["7"])])
    again = snapshot([user("7", "ana@corp.local")], [group("g", name="Renamed"), group("h", ["7"])], directory="again")
    merged = merge([hq, again], Accepts())
    assert merged.users["7"].email == "ana@example.org"
    assert merged.groups["h"].members == {"7"}
    assert set(merged.groups) == {"g", "h"}
    assert merged.problems == ()


def test_a_key_seen_in_a_later_directory_stays_the_same_person_in_a_third() -> None:
    merged = merge(
        [
            snapshot([user("k1", "ana@example.org")]),
            snapshot([user("k2", "ana@example.org")], directory="b"),
            snapshot([user("k2", "ana.old@example.org")], [group("g", ["k2"])], directory="c"),
        ],
        Accepts(),
    )
    assert set(merged.users) == {"k1"}
    assert merged.aliases == {"k2": "k1"}
    assert merged.groups["g"].members == {"k1"}


def test_a_directory_without_evidence_is_not_hidden_by_another() -> None:
    silent = Snapshot(users={"a": user("a")}, groups={})
    assert not merge([snapshot([user("b")], directory="b"), silent], Accepts()).complete


def test_renamed_group_that_is_excluded_by_name_is_an_error_too() -> None:
    select = Select(groups_exclude=(GroupRule(name=Pattern("Secret")),))
    with pytest.raises(SelectionError, match="no group named 'Secret'"):
        desired(snapshot([user("a")], [group("g")]), select=select)
