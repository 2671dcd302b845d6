"""Text for people: 80 columns, nothing that controls the terminal, nothing that is taken for markup."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirconnector.model import Evidence, Finding, Problem
from dirconnector.output.sections import Row, Section, View, sections, shares
from dirconnector.output.text import Screen
from dirconnector.plan.model import (
    Action,
    Change,
    Exceeded,
    Failure,
    Forecast,
    Held,
    Outcome,
    Plan,
    Seats,
    Unmanaged,
)
from dirconnector.plan.report import Report

NASTY = "x\x1b[31mred\x07 [bold]b[/bold] \u202egnp.exe\u2069 \x9b2J :smile: 漢字" + "y" * 100 + "@example.org"


def change(action: Action, email: str, group: str = "", reason: str = "in hq") -> Change:
    return Change(action, f"key of {email}{group}", email, group, reason, group_key=group)


def plan(*changes: Change, **more: Any) -> Plan:
    given: dict[str, Any] = {"plan_id": "0123456789ab", "organization": "acme", "complete": True, **more}
    return Plan(changes=changes, **given)


def shown(report: Report, view: View | None = None, width: int = 80) -> str:
    return Screen(StringIO(), width=width).render(report, view or View())


def everything(text: str) -> Report:
    """A report in which ``text`` stands wherever a text can stand."""
    changes = [change(action, text, text, text) for action in Action]
    return Report(
        plan=plan(
            *changes,
            complete=False,
            held=tuple(Held(c, text, text) for c in changes),
            exceeded=(Exceeded(text, text),),
            unmanaged=(Unmanaged(kind="member", id=text, name=text, why=text),),
            problems=(Problem(directory=text, entry=text, why=text),),
            evidence=(Evidence(directory=text, query=text, complete=False, pages=1, entries=1, why=text),),
            forecast=Forecast(requests={text: 3}, seconds=200, seats=Seats(needed=1, free=3), mails=2),
            organization=text,
        ),
        dry_run=False,
        outcome=Outcome(applied=1, skipped=1, failures=(Failure(changes[0], text),)),
    )


def _plan_of(text: str) -> Report:
    report = everything(text)
    return Report(plan=report.plan, dry_run=True)


@pytest.mark.parametrize("view", [View(), View(details=True), View(limit=None, gather=None), View(limit=3)])
@pytest.mark.parametrize("text", [NASTY, "a" * 300, "many words " * 30])
def test_no_line_is_longer_than_80_columns(view: View, text: str) -> None:
    from rich.cells import cell_len

    for report in (everything(text), _plan_of(text)):
        for line in shown(report, view).splitlines():
            # the command is one line whatever its length, to be copied
            assert cell_len(line) <= 80 or "--approve" in line


def test_nothing_controls_the_terminal_and_nothing_is_markup() -> None:
    text = shown(everything(NASTY), View(limit=None, gather=None))
    assert not {c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) <= 0x9F or c in "\u202e\u2069"}
    assert "\\x1b[31mred" in text
    assert "[bold]b[/bold]" in text
    assert ":smile:" in text


def test_text_is_folded_and_never_lost() -> None:
    text = shown(everything("a" * 300))
    assert "a" * 300 in "".join(line.strip() for line in text.splitlines())


def test_the_first_line_is_what_matters() -> None:
    changes = (change(Action.REVOKE, "a@x"), *(change(Action.INVITE, f"{n}@x") for n in range(3)))
    assert shown(Report(plan=plan(*changes), dry_run=True)).startswith(
        "Would invite 3 people and revoke 1 person. Nothing is held.\n"
    )
    done = Report(plan=plan(*changes), dry_run=False, outcome=Outcome(applied=4))
    assert shown(done).startswith("Invited 3 people and revoked 1 person. Nothing is held.\n")
    held = Report(plan=plan(held=(Held(changes[0], "limits.removals", "too many"),)), dry_run=False, outcome=Outcome())
    assert shown(held).startswith("Nothing is applied. 1 change held back: see below.\n")
    assert shown(Report(plan=plan(), dry_run=False, outcome=Outcome())).startswith("Nothing to do.\n")


def test_failures_come_before_everything_else() -> None:
    one = change(Action.INVITE, "a@x")
    report = Report(plan=plan(one), dry_run=False, outcome=Outcome(failures=(Failure(one, "no seat"),)))
    text = shown(report)
    assert text.startswith("0 changes applied, 1 failed.")
    assert text.index("no seat") < text.index("Invite 1 person")


def test_what_is_not_shown_is_said_in_the_right_number() -> None:
    screen, one = Screen(StringIO(), width=80), Row("a@x", "in hq")
    assert "  ... and 2 more; --all shows them\n" in screen.render_sections(
        "", [Section(title="T", rows=(one,), hidden=2)]
    )
    assert "  ... and 1 more; --all shows it\n" in screen.render_sections(
        "", [Section(title="T", rows=(one,), hidden=1)]
    )
    assert "  ... not shown; --all shows it\n" in screen.render_sections("", [Section(title="T", hidden=1)])


def test_a_row_that_goes_on_leaves_no_empty_line() -> None:
    rows = (Row("a-very-long-address@example.org", "invited"), Row("", "groups: none"))
    text = Screen(StringIO(), width=40).render_sections("x", [Section(title="T", rows=rows)])
    assert text == "x\n\nT\n  a-very-long-address@example.org\n      invited\n      groups: none\n"


def test_a_finding_names_its_subject_once() -> None:
    subjects = ("state", "state", "lock")
    text = Screen(StringIO(), width=80).render_findings([Finding(ok=True, subject=s, detail="d") for s in subjects], "")
    assert [line.split() for line in text.splitlines()[:3]] == [["ok", "state", "d"], ["ok", "d"], ["ok", "lock", "d"]]


def _sections(report: Report, view: View | None = None) -> list[Section]:
    return list(sections(report, view or View()))


def test_memberships_beyond_a_few_are_gathered_by_group() -> None:
    few = plan(*(change(Action.ADD_MEMBERSHIP, f"{n}@x", "Staff") for n in range(10)))
    many = plan(*(change(Action.ADD_MEMBERSHIP, f"{n:02}@x", f"G{n // 10}") for n in range(20)))
    (section,) = _sections(Report(plan=few, dry_run=True))
    assert len(section.rows) == 10
    (section,) = _sections(Report(plan=many, dry_run=True))
    assert [tuple(row) for row in section.rows] == [
        ("G0", "10 people: 00@x, 01@x, 02@x and 7 more"),
        ("G1", "10 people: 10@x, 11@x, 12@x and 7 more"),
    ]
    (section,) = _sections(Report(plan=many, dry_run=True), View(limit=None, gather=None))
    assert len(section.rows) == 20


def test_people_with_the_same_reason_are_gathered_unless_everything_is_shown() -> None:
    changes = [*(change(Action.REVOKE, f"{n:02}@x") for n in range(50)), change(Action.REVOKE, "z@x", "", "left")]
    report = Report(plan=plan(*changes), dry_run=True)
    (section,) = _sections(report)
    assert section.rows[0].what == "in hq (50):"
    assert section.rows[0].why.endswith("38@x, 39@x and 10 more (--all shows them)")
    assert tuple(section.rows[1]) == ("z@x", "left")
    (section,) = _sections(report, View(limit=None, gather=None))
    assert len(section.rows) == 51
    held = Report(plan=plan(held=tuple(Held(c, "limits.removals", "too many") for c in changes)), dry_run=True)
    assert _sections(held)[0].rows[0].what == "revoke: in hq (50):"


def test_what_is_hidden_is_counted() -> None:
    report = Report(plan=plan(*(change(Action.INVITE, f"{n}@x", "", f"why {n}") for n in range(52))), dry_run=True)
    assert "... and 12 more; --all shows them" in shown(report)
    assert "--all" not in shown(report, View(limit=None))


def test_the_command_that_approves_is_shown_only_where_it_helps() -> None:
    revoke = change(Action.REVOKE, "a@x")
    held = Report(plan=plan(held=(Held(revoke, "limits.removals", "10 of 12"),)), dry_run=True)
    view = View(again="dirsync run -c x.yaml")
    assert "  dirsync run -c x.yaml --approve 0123456789ab\n" in shown(held, view)
    hopeless = Report(plan=plan(held=(Held(revoke, "seats", "none left", approvable=False),)), dry_run=True)
    assert "--approve" not in shown(hopeless, view)
    nothing_yet = Report(plan=plan(exceeded=(Exceeded("limits.shrink", "hq shrank"),)), dry_run=True)
    assert "--approve 0123456789ab" in shown(nothing_yet, view)
    assert "hq shrank" in shown(nothing_yet, view)


@given(st.lists(st.integers(0, 200), max_size=12), st.integers(1, 100))
def test_shares_never_exceed_the_limit_nor_hide_what_fits(sizes: list[int], limit: int) -> None:
    shown = shares(sizes, limit)
    assert all(0 <= part <= size for part, size in zip(shown, sizes, strict=True))
    assert sum(shown) == min(sum(sizes), limit)
    # nobody is cut while somebody else gets more
    cut = [part for part, size in zip(shown, sizes, strict=True) if part < size]
    assert not cut or max(shown) - min(cut) <= 1


def test_shares_of_an_example() -> None:
    assert shares([2, 50, 3], 11) == [2, 6, 3]
    assert shares([2, 50, 3], None) == [2, 50, 3]
