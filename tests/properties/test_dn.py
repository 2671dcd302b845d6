"""DNs that nobody thought of."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from dirconnector.dn import normalise

ANY = st.text()
TRICKY = st.text(alphabet='ab =,+;"\\#<>\n0cDé\u0308ﬀß\udcff')
TYPES = st.sampled_from(["cn", "OU", "dc", "2.5.4.3", "x-own", "userid"])
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text('a ,+"\\#=', max_size=4)
NAMES = st.lists(st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=3), min_size=1, max_size=4)


def backslashed(value: str) -> str:
    return "".join(f"\\{c}" if c in ' "#+,;<=>\\' else c for c in value)


def hexed(value: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in value.encode())


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(name: list[list[tuple[str, str]]], value: object, comma: str = ",", plus: str = "+") -> str:
    assert callable(value)
    return comma.join(plus.join(f"{kind}={value(text)}" for kind, text in rdn) for rdn in name)


@given(ANY | TRICKY)
@example("\ud800=\ud800")
@example("ﬀ=<")
@example("cn=a\\\nb")
def test_never_raises_and_is_stable(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(NAMES)
def test_every_way_to_escape_is_the_same_name(name: list[list[tuple[str, str]]]) -> None:
    plain = normalise(written(name, backslashed))
    assert normalise(written(name, hexed)) == plain
    assert normalise(written(name, quoted)) == plain
    assert normalise(written(name, hexed, comma=" ; ", plus=" + ")) == plain
    assert normalise(written([rdn[::-1] for rdn in name], backslashed)) == plain


@given(NAMES)
def test_values_never_change_the_number_of_rdns(name: list[list[tuple[str, str]]]) -> None:
    alone = [normalise(written([rdn], backslashed)) for rdn in name]
    assert normalise(written(name, backslashed)) == ",".join(alone)


@given(NAMES, st.sampled_from(["cn", "ou"]), st.text("ab C", max_size=6))
def test_the_fast_path_agrees_with_the_slow_one(name: object, kind: str, value: str) -> None:
    # the useless + forces the slow path for the same RDN
    fast = normalise(f"{kind}={value},dc=x")
    slow = normalise(f"{kind}={value}+{kind}={value},dc=x")
    assert slow == "+".join([fast.removesuffix(",dc=x")] * 2) + ",dc=x"
