"""E-mail addresses: one spelling, and whether the organization takes it."""

from __future__ import annotations

import re

from dirconnector.model import Accepts, utf16_length

# white space, control and invisible characters (Unicode's Cf in the general punctuation block), half surrogate pairs
_NEVER = r"\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
_PART = rf"[^{_NEVER}@,;<>()\"\\]+"
_FORM = re.compile(f"{_PART}@{_PART}")


def normalise(address: str) -> str:
    """The one spelling of an address: trimmed and lower case.

    Bitwarden lower-cases imported addresses and compares them exactly, so two spellings would be two people.
    """
    return address.strip().lower()


def refused(address: str, accepts: Accepts) -> str:
    """Why the organization would refuse a normalised address, empty when it takes it.

    One address that is refused rejects the import of everybody, so the check comes before it. The form is the one
    of the import (one @, neither first nor last); white space, list separators and characters that nobody sees are
    refused as well.
    """
    if not address:
        return "has no e-mail address"
    if utf16_length(address) > accepts.email_max:
        return f"the e-mail address has {utf16_length(address)} characters, the organization takes {accepts.email_max}"
    if not _FORM.fullmatch(address):
        return f"{address!r} is not an e-mail address"
    return ""
