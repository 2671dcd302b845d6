"""Text from directories, made harmless for terminals, tickets and logs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_DANGEROUS = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences, line ends, bells (ECMA-48)
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls: text that reads as another (UTS #55)
    "\u2028\u2029\ufeff"  # line ends of Unicode, byte order mark
    "\ud800-\udfff"  # halves of surrogate pairs: no encoding takes them
    "\U000e0000-\U000e007f"  # tags: invisible
    "]"
)


def clean(text: str) -> str:
    """``text`` with every character that controls the display instead of being displayed written as its escape."""
    return _DANGEROUS.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def json_text(document: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """One JSON document, indented, with a line end. What could control a display is escaped as JSON escapes it."""
    text = json.dumps(document, indent=2, ensure_ascii=ascii_only)
    # json escapes C0 itself; the line ends that are left are its own, and all else stands inside of strings
    return _DANGEROUS.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text) + "\n"
