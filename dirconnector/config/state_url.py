"""The URL of the state database: its form, no password in it, and the folder that a SQLite file lies in."""

from __future__ import annotations

import re
from pathlib import Path

DEFAULT_STATE_URL = "sqlite:///dirsync-state.db"

_FORM = re.compile(r"[a-z][a-z0-9_]*(\+[a-z0-9_]+)?://")
_PASSWORD = re.compile(r"^[^:]+://[^@]*:[^@]*@|[?&](?:password|passwd|pwd)=", re.IGNORECASE)
_SQLITE_FILE = re.compile(r"(sqlite(?:\+[a-z0-9_]+)?:///)([^?]+)(.*)", re.DOTALL)


def state_url_problem(url: str) -> str:
    """What is wrong with the form of a database URL, empty when nothing is. Does not repeat the URL."""
    if not _FORM.match(url):
        return f"must be a database URL, as in {DEFAULT_STATE_URL}"
    if url.startswith("sqlite") and not _SQLITE_FILE.fullmatch(url):
        return f"a SQLite file is written with three slashes before it, as in {DEFAULT_STATE_URL}"
    return ""


def inline_password_problem(url: str) -> str:
    """What to do instead, when a database URL holds a password; empty when it holds none."""
    if url.startswith("sqlite") or not _PASSWORD.search(url):
        return ""
    return (
        "the URL holds a password; keep the whole URL as a secret and refer to it, "
        "as in {env: DIRSYNC_STATE_URL} or {file: /run/secrets/state-url}"
    )


def state_url_in(folder: Path, url: str) -> str:
    """``url`` with the path of a SQLite file made absolute: relative ones start from ``folder``."""
    found = _SQLITE_FILE.fullmatch(url)
    if not found or found[2] == ":memory:" or found[2].startswith("file:"):
        return url
    return f"{found[1]}{folder / Path(found[2]).expanduser()}{found[3]}"
