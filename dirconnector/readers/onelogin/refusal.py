"""What OneLogin says when it says no. Pure."""

from __future__ import annotations

from typing import Any

CREDENTIALS = "Developers > API Credentials"
"""Where an administrator of OneLogin finds them."""


class ApiRefused(Exception):
    """A call was answered with a status that is no success; ``words`` are the service's own."""

    def __init__(self, path: str, status: int, words: str) -> None:
        self.path = path
        self.status = status
        self.words = words
        super().__init__(f"GET {path}: {status} {words}".rstrip())


def words_of(body: Any) -> str:
    """The message of an error body, of v1 (``status.message``), of v2 (``message``), or of v2's paging
    (``description``); empty when there is none.
    """
    if not isinstance(body, dict):
        return ""
    status = body.get("status")
    inner = status.get("message") if isinstance(status, dict) else None
    for text in (body.get("description"), body.get("message"), inner):
        if isinstance(text, str) and text:
            return text[:200]
    return ""


def scope_cure(scope: str) -> str:
    """How to give the credential pair more rights: they are chosen when it is made."""
    return f"in OneLogin, under {CREDENTIALS}, make a credential pair with the scope {scope} and use that"


def explained(error: ApiRefused, scope: str) -> str:
    """A refusal in a sentence, with what to do about it."""
    if error.status in (401, 403):
        return f"{error}: this needs the scope {scope}: {scope_cure(scope)}"
    if error.status == 404:
        return f"{error}: is the address that of your OneLogin account?"
    return f"{error}: see OneLogin's status page and run again"
