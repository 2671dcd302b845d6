"""E-mail addresses: one spelling, and whether the organization takes it."""

from __future__ import annotations

import re

from dirconnector.model import Accepts

_FORM = re.compile(r"[^\s@\x00-\x1f\x7f,;<>()\"\\]+@[^\s@\x00-\x1f\x7f,;<>()\"\\]+")


def normalise(address: str) -> str:
    """The one spelling of an address: trimmed and lower case.

    Bitwarden lower-cases imported addresses and compares them exactly, so two spellings would be two people.
    """
    return address.strip().lower()


def refused(address: str, accepts: Accepts) -> str:
    """Why the organization would refuse a normalised address, empty when it takes it.

    One address that is refused rejects the import of everybody, so the check comes before it. The form is the one
    of the import (one @, neither first nor last); control characters, white space and list separators are refused
    as well.
    """
    if not address:
        return "has no e-mail address"
    if len(address) > accepts.email_max:
        return f"the e-mail address has {len(address)} characters, the organization takes {accepts.email_max}"
    if not _FORM.fullmatch(address):
        return f"{address!r} is not an e-mail address"
    return ""
