"""The search language of ``query`` ("Search for users", "Search for groups"): clauses that must all match."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.emulators.google.replies import bad_request

CLAUSE = re.compile(r"""\s*([A-Za-z_][\w.]*)(=|:)('(?:[^'\\]|\\.)*'|"[^"]*"|\S+)""")
Test = Callable[[dict[str, Any]], bool]

USER_FIELDS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "email": lambda u: [u.get("primaryEmail", ""), *u.get("aliases", []), *u.get("nonEditableAliases", [])],
    "givenName": lambda u: [u.get("name", {}).get("givenName", "")],
    "familyName": lambda u: [u.get("name", {}).get("familyName", "")],
    "name": lambda u: [u.get("name", {}).get("fullName", "")],
    "isAdmin": lambda u: [str(u.get("isAdmin", False)).lower()],
    "isDelegatedAdmin": lambda u: [str(u.get("isDelegatedAdmin", False)).lower()],
    "isSuspended": lambda u: [str(u.get("suspended", False)).lower()],
    "isArchived": lambda u: [str(u.get("archived", False)).lower()],
    "orgUnitPath": lambda u: [u.get("orgUnitPath", "/")],
    "orgName": lambda u: [o.get("name", "") for o in u.get("organizations", [])],
    "orgTitle": lambda u: [o.get("title", "") for o in u.get("organizations", [])],
    "orgDepartment": lambda u: [o.get("department", "") for o in u.get("organizations", [])],
    "orgCostCenter": lambda u: [o.get("costCenter", "") for o in u.get("organizations", [])],
    "externalId": lambda u: [e.get("value", "") for e in u.get("externalIds", [])],
}
GROUP_FIELDS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "email": lambda g: [g.get("email", ""), *g.get("aliases", [])],
    "name": lambda g: [g.get("name", "")],
    "memberKey": lambda g: [k for m in g.get("members", []) for k in (m.get("id"), m.get("email")) if k],
}


def parse(query: str, fields: dict[str, Callable[[dict[str, Any]], list[str]]]) -> Test:
    """The test that a query makes; a 400 when it is none."""
    tests: list[Test] = []
    position = 0
    while position < len(query.rstrip()):
        found = CLAUSE.match(query, position)
        if not found or found[1] not in fields:
            raise bad_request("Invalid Input: query")
        tests.append(_clause(fields[found[1]], found[1], found[2], _unquoted(found[3])))
        position = found.end()
    if not tests:
        raise bad_request("Invalid Input: query")
    return lambda entry: all(test(entry) for test in tests)


def _unquoted(text: str) -> str:
    if text[0] in "'\"" and text[-1] == text[0] and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _clause(values: Callable[[dict[str, Any]], list[str]], name: str, operator: str, wanted: str) -> Test:
    wanted = wanted.casefold()
    if name == "orgUnitPath":
        below = wanted.rstrip("/") + "/"
        return lambda entry: any((v.casefold() + "/").startswith(below) for v in values(entry))
    if wanted.endswith("*"):
        return lambda entry: any(v.casefold().startswith(wanted[:-1]) for v in values(entry))
    if operator == "=":
        return lambda entry: any(v.casefold() == wanted for v in values(entry))
    return lambda entry: any(wanted in v.casefold() for v in values(entry))
