"""How a query ended, in words: what was proven, or what cut the answer short and what cures it. Pure."""

from __future__ import annotations

from dirconnector.model import Evidence
from dirconnector.readers.ldap.presets import Preset
from dirconnector.readers.ldap.search import Ending, Query, describe

REFERRAL, NO_SUCH_OBJECT, INVALID_DN, NO_RIGHTS = 10, 32, 34, 50
REFUSALS = frozenset({8, 13, NO_SUCH_OBJECT, INVALID_DN, 48, 49, NO_RIGHTS})
"""Result codes of a search that mean no, rather than not all."""


def refusal(ending: Ending, query: Query, who: str) -> str:
    """Why the server refused a query and what to do; empty when it did not refuse."""
    code = ending.result.code
    referred = code == REFERRAL and not ending.entries
    if code not in REFUSALS and not referred:
        return ""
    told = describe(ending.result)
    matched = ending.result.matched_dn
    nearest = f"; the nearest entry that exists is {matched!r}" if matched else ""
    cures = {
        NO_SUCH_OBJECT: f"the base {query.base!r} does not exist{nearest}; mend it, or let {who} see it",
        INVALID_DN: f"the base {query.base!r} is not a DN; mend it",
        NO_RIGHTS: f"give {who} the right to search and read below {query.base!r}",
        REFERRAL: f"the base {query.base!r} is on {_targets(ending)}; read that as a directory of its own",
        8: "use an ldaps:// URL, or tls: {start_tls: true}",
        13: "use an ldaps:// URL, or tls: {start_tls: true}",
        48: "give bind_dn and password",
        49: "mend bind_dn and password",
    }
    return f"{query.name}: {told}; {cures[code]}"


def _targets(ending: Ending) -> str:
    return ", ".join(ending.result.referrals) or "another server"


def limit_cure(code: int, preset: Preset, who: str) -> str:
    """What lifts the limit behind a result code, in the terms of the kind of server."""
    if code == 51:
        return "the server is too busy: run again later, or read another server"
    if code == 52:
        return "the server is shutting down or not ready: run again later, or read another server"
    if code == REFERRAL:
        return "part of the data is on another server: read that one as a directory of its own"
    if code not in (3, 4, 11):
        return "see the server's log for the reason"
    if preset.name == "openldap":
        kind = "time" if code == 3 else "size"
        extra = " size.prtotal=unlimited" if kind == "size" else ""
        return f'lift the limit on the server: limits dn.exact="{who}" {kind}=unlimited{extra}'
    if preset.name in ("389ds", "freeipa"):
        return (
            f"lift the limits on the server: in the entry {who} set nsSizeLimit, nsLookThroughLimit, nsIDListScanLimit "
            "and nsTimeLimit (and nsPagedSizeLimit, nsPagedLookThroughLimit) to -1"
        )
    if preset.name == "active-directory":
        what = "MaxQueryDuration" if code == 3 else "MaxPageSize (or set page_size to no more than it)"
        return f"raise {what} in the LDAP policies of the domain controllers (ntdsutil), or narrow base and filter"
    return f"ask for the limit on {who} to be lifted on the server, or narrow base and filter"


def evidence(
    directory: str, query: Query, ending: Ending, preset: Preset, who: str, *, gaps: list[str], notes: list[str]
) -> Evidence:
    """The evidence of one query. ``gaps`` are reasons why the data is not complete although the server said success;
    ``notes`` are not.
    """
    reasons = list(gaps)
    if ending.broken:
        reasons.insert(0, f"{ending.broken}: run again, or set page_size to another number")
    elif ending.result.code != 0:
        cut = describe(ending.result)
        reasons.insert(0, f"{cut} after {ending.entries} entries; {limit_cure(ending.result.code, preset, who)}")
    complete = ending.complete and not reasons
    end = [
        "the server marked the end of the paged results" if ending.paged else "the server said success, without paging"
    ]
    if ending.referrals:
        notes = [*notes, f"references to other servers that were not followed: {ending.referrals}"]
    why = "; ".join((end if complete else reasons) + notes)
    return Evidence(
        directory=directory, query=query.name, complete=complete, pages=ending.pages, entries=ending.entries, why=why
    )


def missing_key(entries: list[str], attribute: str, who: str) -> list[str]:
    """The gap that entries without a key leave; none when there are no such entries."""
    if not entries:
        return []
    first = f"{len(entries)} entries have no readable {attribute}, the first is {entries[0]}"
    return [f"{first}: give {who} the right to read it"]
