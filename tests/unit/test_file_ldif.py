"""LDIF as programs write it, and as accidents leave it."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirconnector.readers.file.ldif import Entry, Remark, records


class RefusedError(Exception):
    def __init__(self, line: int, why: str) -> None:
        self.line = line
        super().__init__(f"{line}: {why}")


def parse(text: str | bytes) -> list[Entry | Remark]:
    return list(records(io.BytesIO(text.encode() if isinstance(text, str) else text), RefusedError))


def entries(text: str | bytes) -> list[tuple[int, str, dict[str, list[bytes]]]]:
    found = parse(text)
    assert all(isinstance(record, Entry) for record in found), found
    return [(e.line, e.dn, dict(e.attributes)) for e in found if isinstance(e, Entry)]


ANA = "dn: uid=ana,dc=x\nobjectClass: person\nuid: ana\n"


@pytest.mark.parametrize(
    "text",
    [
        ANA,
        ANA + "\n\n",
        "\n\n# a comment\n" + ANA,
        ANA.replace("\n", "\r\n"),
        "version: 1\n\n" + ANA,
        "version: 1\n" + ANA,
        "dn: uid=ana,d\n c=x\nobjectClass: per\n son\nuid:  ana\n",
        "dn: uid=ana,dc=x\n# within\n#  an\n  entry\nobjectClass: person\nuid: ana\n",
        "dn:: " + base64.b64encode(b"uid=ana,dc=x").decode() + "\nobjectClass: person\nUID:: YW5h\n",
        "dn: uid=ana,dc=x\nchangetype: add\nobjectClass: person\nuid: ana\n",
        "dn: uid=ana,dc=x\ncontrol: 1.2.3 true\nchangetype: Add\nobjectClass: person\nuid: ana\n",
    ],
)
def test_ways_to_write_one_entry(text: str) -> None:
    assert [(dn, attributes) for _, dn, attributes in entries(text)] == [
        ("uid=ana,dc=x", {"objectclass": [b"person"], "uid": [b"ana"]})
    ]


def test_entries_know_their_lines() -> None:
    text = "version: 1\n\n# first\ndn: cn=a\ncn: a\n\n\ndn: cn=b\ncn: long\n er\ncn: c\n"
    assert entries(text) == [(4, "cn=a", {"cn": [b"a"]}), (8, "cn=b", {"cn": [b"longer", b"c"]})]


def test_values_keep_what_matters() -> None:
    text = "dn: cn=a\nempty:\ncolon: a:b\ntail: x \nutf: Žoë\nmember;range=0-1499: cn=b\nbin:: AP8=\n"
    assert entries(text)[0][2] == {
        "empty": [b""],
        "colon": [b"a:b"],
        "tail": [b"x "],
        "utf": ["Žoë".encode()],
        "member;range=0-1499": [b"cn=b"],
        "bin": [b"\x00\xff"],
    }


def test_files_put_together() -> None:
    assert len(entries("version: 1\n\n" + ANA + "\nversion: 1\n\n" + ANA.replace("ana", "bo"))) == 2


def test_attributes_that_are_not_wanted_are_not_even_decoded() -> None:
    text = b"dn: cn=a\ncn: a\njpegPhoto:: !!!\n"
    assert list(records(io.BytesIO(text), RefusedError, {"cn"}.__contains__)) == [Entry(1, "cn=a", {"cn": [b"a"]})]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (" folded\n", 1, "continues"),
        (ANA + "\n folded\n", 5, "continues"),
        ("dn: cn=a\ncn a\n", 2, "not a line of LDIF"),
        ("dn: cn=a\ncn: a\n-\n", 3, "not a line of LDIF"),
        ("cn: a\n", 1, "starts with 'dn:'"),
        (ANA + "\nuid: b\n", 5, "starts with 'dn:'"),
        ("dn: cn=a\n", 1, "no attributes"),
        (ANA + "dn: cn=b\ncn: b\n", 4, "second 'dn:'"),
        ("version: 2\n\n" + ANA, 1, "version 1"),
        ("dn: cn=a\ncn:: YQ\n", 2, "not base64"),
        ("dn: cn=a\ncn:: YW!5h\n", 2, "not base64"),
        ("dn:: /w==\ncn: a\n", 1, "not UTF-8"),
        (b"dn: cn=\xe9\ncn: a\n", 1, "not UTF-8"),
        ("dn: cn=a\nphoto:< file:///etc/passwd\n", 2, "another file"),
        ("dn: cn=a\nchangetype: delete\n", 2, "changetype"),
        ("dn: cn=a\nchangetype: modify\nreplace: cn\ncn: b\n-\n", 5, "not a line of LDIF"),
        ("dn: cn=a\nchangetype: modify\nreplace: cn\ncn: b\n", 2, "changetype"),
        ("dn: cn=a\ncontrol: 1.2.3\nchangetype: delete\n", 3, "changetype"),
        (b"dn: cn=a\ncn: a\x00\x00\n", 2, "NUL"),
        ("dn: cn=a\ncn: a\n\nsearch: 2\n", 4, "without 'result:'"),
        ("dn: cn=a\ncn: a\n\nsearch: 2\nresult: 0 Success\nPress [size] Enter\n", 6, "not a line of LDIF"),
    ],
)
def test_damage_is_refused_with_its_line(text: str | bytes, line: int, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as raised:
        parse(text)
    assert raised.value.line == line


def test_messages_do_not_quote_values() -> None:
    for damaged in ("userPassword:: s3cr3t!", "userPassword s3cr3t!", "s3cr3t!", "userPassword:< s3cr3t"):
        with pytest.raises(RefusedError) as raised:
            parse(f"dn: cn=a\n{damaged}\n")
        assert "s3cr3t" not in str(raised.value)


HEADER = "# extended LDIF\n#\n# LDAPv3\n\n"
RESULT = "\n# search result\nsearch: 2\nresult: {}\n\n# numResponses: 2\n"
PAGE = "\nsearch: 2\nresult: 0 Success\ncontrol: 1.2.840.113556.1.4.319 false MA0=\npagedresults: cookie={}\n"


@pytest.mark.parametrize(
    ("text", "doubts"),
    [
        (ANA, []),
        (ANA.rstrip("\n"), ["no line end"]),
        (ANA + "\n# cut in a comm", ["no line end"]),
        (HEADER + ANA + RESULT.format("0 Success"), []),
        (HEADER + ANA, ["cut off"]),
        (HEADER + ANA + RESULT.format("4 Size limit exceeded"), ["result 4 Size limit exceeded"]),
        (HEADER + ANA + RESULT.format("3") + HEADER + ANA + RESULT.format("0 Success"), ["result 3;"]),
        (HEADER + ANA + PAGE.format("AgAA=") + HEADER + ANA + PAGE.format(""), []),
        (HEADER + ANA + PAGE.format("AgAA="), ["there are more"]),
        (HEADER + ANA + PAGE.format("AgAA=") + HEADER + ANA, ["cut off", "there are more"]),
        (ANA + "\n# pagedresults: cookie=AgAA=\n" + ANA + "\n# pagedresults: cookie=\n", []),
        (ANA + "\n# pagedresults: cookie=AgAA=\n", ["there are more"]),
    ],
)
def test_what_tells_that_entries_are_missing(text: str, doubts: list[str]) -> None:
    found = [r.why for r in parse(text) if isinstance(r, Remark) and r.kind == "doubt"]
    assert len(found) == len(doubts)
    for why, words in zip(found, doubts, strict=True):
        assert words in why


def test_a_referral_is_a_problem_but_no_doubt() -> None:
    found = parse(HEADER + ANA + "\n# search reference\nref: ldap://other/dc=x??sub\n" + RESULT.format("0 Success"))
    assert [(r.line, r.kind) for r in found if isinstance(r, Remark)] == [(10, "problem"), (14, "end")]


NAMES = st.sampled_from(["cn", "mail", "description", "x-own", "cn;lang-cs"])
VALUES = st.binary(max_size=120) | st.text(max_size=60).map(str.encode)
ENTRY = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map("cn={}".format),
    st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=5),
)


def line_of(name: str, value: bytes, width: int) -> bytes:
    """One attribute line by RFC 2849: base64 unless it is a SAFE-STRING, folded at ``width``."""
    safe = all(0 < b < 128 and b not in b"\r\n" for b in value) and value[:1] not in (b" ", b":", b"<")
    text = f"{name}: ".encode() + value if safe else f"{name}:: ".encode() + base64.b64encode(value)
    return b"\n ".join(text[i : i + width] for i in range(0, len(text), width)) + b"\n"


@given(st.lists(ENTRY, max_size=4), st.integers(20, 80), st.sampled_from([b"\n", b"\r\n"]))
def test_what_was_written_is_read(tree: list[tuple[str, list[tuple[str, bytes]]]], width: int, line_end: bytes) -> None:
    text = b"version: 1\n\n"
    for dn, attributes in tree:
        text += line_of("dn", dn.encode(), width)
        text += b"".join(line_of(name, value, width) for name, value in attributes) + b"\n"
    found = entries(text.replace(b"\n", line_end))
    assert [dn for _, dn, _ in found] == [dn for dn, _ in tree]
    for (_, _, read), (_, written) in zip(found, tree, strict=True):
        assert sorted((n, v) for n, vs in read.items() for v in vs) == sorted(written)


@given(st.integers(0, 400), st.sampled_from(["plain", "extended"]))
def test_a_file_cut_anywhere_is_never_taken_for_the_whole_when_that_can_be_seen(cut: int, kind: str) -> None:
    body = "\n".join(ANA.replace("ana", name) for name in ("ana", "bo", "cee"))
    whole = (body if kind == "plain" else HEADER + body + RESULT.format("0 Success")).encode()
    part = whole[: min(cut, len(whole) - 1)]
    try:
        found = parse(part)
    except RefusedError:
        return
    if any(isinstance(r, Remark) and r.kind == "doubt" for r in found):
        return
    if kind == "extended" and len(part) > len(HEADER):
        assert sum(isinstance(r, Entry) for r in found) == 3
        assert b"result: 0" in part
    else:
        # a plain file that ends with a whole line cannot be told from a shorter whole file
        assert not part or part.endswith(b"\n")
