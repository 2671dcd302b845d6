"""Markdown, JSON, words, redaction and logs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dirconnector.model import no_progress
from dirconnector.output import logs
from dirconnector.output.bars import Bars
from dirconnector.output.clean import clean, json_text
from dirconnector.output.logs import CHANGE, StderrHandler, redact_with, redacted, set_up
from dirconnector.output.markdown import escape, markdown
from dirconnector.output.progress import progress
from dirconnector.output.redact import MASK, Redaction, secrets_in
from dirconnector.output.sections import View
from dirconnector.output.words import count, duration, forecast_words, listing
from dirconnector.plan.model import Action, Forecast, Seats
from dirconnector.plan.report import Report
from dirconnector.settings import Secret, Settings
from tests.unit.test_output_text import NASTY, change, everything, plan

# ------------------------------------------------------------------------------------------------------------- markdown


def test_nothing_from_a_directory_is_markdown() -> None:
    assert escape("a|b `c` *d* <img src=x> [l](http://x) &amp;") == (
        r"a\|b \`c\` \*d\* &lt;img src=x&gt; \[l\](http://x) &amp;amp;"
    )
    assert escape("one\ntwo") == r"one\\x0atwo"


def test_every_row_of_a_table_has_two_cells() -> None:
    text = markdown(everything(NASTY + " | # ` \n"), View())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 20
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    assert "\x1b" not in text


def test_markdown_names_everybody_and_gathers_memberships() -> None:
    people = [change(Action.ADD_MEMBERSHIP, f"{n:02}@x", "Staff") for n in range(60)]
    text = markdown(Report(plan=plan(*people), dry_run=True), View(limit=5))
    (row,) = [line for line in text.splitlines() if line.startswith("| Staff")]
    assert all(f"{n:02}@x" in row for n in range(60))
    assert "`0123456789ab`" in text


# ----------------------------------------------------------------------------------------------------------------- json


@given(st.text(st.characters()))
def test_json_keeps_every_text_and_no_control_character(text: str) -> None:
    written = json_text({"text": text})
    assert json.loads(written) == {"text": text}
    assert written == "".join(line + "\n" for line in written.split("\n")[:-1])
    assert all(clean(line) == line for line in written.split("\n"))
    written.encode("utf-8")
    json_text({"text": text}, ascii_only=True).encode("ascii")


def test_clean_writes_escapes() -> None:
    assert clean("a\x1bb\u202ec\U000e0041d\n") == r"a\x1bb\u202ec\U000e0041d\x0a"
    assert clean("Zoë 漢字 👩‍🚀") == "Zoë 漢字 👩‍🚀"


# ---------------------------------------------------------------------------------------------------------------- words


def test_words() -> None:
    assert count(1, "person", "people") == "1 person"
    assert count(0, "request") == "0 requests"
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert [duration(s) for s in (0.2, 1, 75, 600, 9000)] == [
        "less than a second",
        "about 1 second",
        "about 75 seconds",
        "about 10 minutes",
        "about 2.5 hours",
    ]


def test_the_forecast_names_requests_time_mails_and_seats() -> None:
    forecast = Forecast(
        requests={"POST /x": 2, "GET /y": 1}, seconds=200, mails=3, seats=Seats(needed=3, freed=1, free=7)
    )
    assert forecast_words(forecast) == (
        "3 requests (POST /x: 2, GET /y: 1); about 3 minutes; 3 invitation mails; "
        "3 seats needed (7 free now, 1 become free)"
    )


# -------------------------------------------------------------------------------------------------- secrets and the log


class _Settings(Settings):
    password: Secret
    more: tuple[Secret, ...] = ()


def test_secrets_are_found_in_settings_without_running_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", "hunter22")
    (tmp_path / "pw").write_text("s3cret\n", encoding="utf-8")
    ran = tmp_path / "ran"
    settings = _Settings(
        password=Secret(env="PW"), more=(Secret(file=tmp_path / "pw"), Secret(command=["touch", str(ran)]))
    )
    assert list(secrets_in(settings)) == ["hunter22", "s3cret"]
    assert not ran.exists()


def test_what_looks_like_a_secret_is_masked_as_well() -> None:
    redaction = Redaction(["hunter22", "abc", ""])
    assert redaction("bind with hunter22 failed, abc") == f"bind with {MASK} failed, abc"
    assert redaction("Authorization: Bearer eyJhbGciOi") == f"Authorization: Bearer {MASK}"
    assert redaction("client_secret=longvalue&x=1") == f"client_secret={MASK}&x=1"
    assert redaction("postgresql://me:longvalue@db/x") == f"postgresql://me:{MASK}@db/x"


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was written to stderr since; the loggers are afterwards as they were."""
    levels = [logging.getLogger(name).level for name in ("", "dirconnector")]
    yield lambda: capsys.readouterr().err
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, StderrHandler)]:
        root.removeHandler(handler)
    for name, level in zip(("", "dirconnector"), levels, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    ("quiet", "verbose", "expected"),
    [(True, 0, "e"), (True, 2, "e"), (False, 0, "we"), (False, 1, "icwe"), (False, 2, "dicwe")],
)
def test_levels(stderr: Callable[[], str], quiet: bool, verbose: int, expected: str) -> None:
    set_up(quiet=quiet, verbose=verbose)
    logger = logging.getLogger("dirconnector.test")
    for level, word in ((10, "d"), (20, "i"), (CHANGE, "c"), (30, "w"), (40, "e")):
        logger.log(level, word)
    assert "".join(line[-1] for line in stderr().splitlines()) == expected


def test_collectors_get_the_changes_without_asking(stderr: Callable[[], str]) -> None:
    set_up(json_lines=True)
    logging.getLogger("dirconnector.test").log(CHANGE, "invite ana")
    assert '"level": "change"' in stderr()


def test_other_libraries_are_heard_from_warnings_on(stderr: Callable[[], str]) -> None:
    set_up(verbose=1)
    logging.getLogger("ldap3").info("chatter")
    logging.getLogger("ldap3").warning("trouble")
    assert stderr() == "dirsync: warning: trouble\n"


@pytest.mark.parametrize("json_lines", [False, True])
def test_secrets_and_control_characters_do_not_reach_the_log(stderr: Callable[[], str], json_lines: bool) -> None:
    set_up(json_lines=json_lines)
    redact_with(Redaction(['pass"wörd']))
    try:
        raise ValueError('pass"wörd')
    except ValueError:
        logging.getLogger("dirconnector.test").exception("%s\x1b[2J\n", 'pass"wörd')
    text = stderr()
    assert "wörd" not in text
    assert "w\\u00f6rd" not in text
    assert MASK in text
    assert "Traceback" in text
    assert "\x1b" not in text
    assert redacted('pass"wörd') == MASK


def test_setting_up_twice_says_everything_once(stderr: Callable[[], str]) -> None:
    set_up()
    set_up()
    logging.getLogger("dirconnector.test").warning("once")
    assert stderr().count("once") == 1
    assert logs.redacted("x") == "x"


def test_progress_costs_nothing_when_nobody_watches(stderr: Callable[[], str]) -> None:
    with progress(wanted=True) as watching:
        assert watching is no_progress
    assert stderr() == ""


def test_a_phase_is_shown_once_it_has_lasted_a_second() -> None:
    bars = Bars()
    try:
        bars("reading hq\x1b", 3, 10)
        (task,) = bars.display.tasks
        assert list(bars.display.get_renderables()) == []
        assert task.start_time is not None
        task.start_time -= 2
        (table,) = bars.display.get_renderables()
        written = StringIO()
        Console(file=written, width=80).print(table)
        line = written.getvalue()
        assert "reading hq\\x1b" in line
        assert "3/10" in line
        bars("planning", 0, None)
        assert [task.description for task in bars.display.tasks] == ["planning"]
    finally:
        bars.stop()
