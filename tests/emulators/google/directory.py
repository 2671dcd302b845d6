"""The Directory API v1: users, groups, members, organizational units (developers.google.com/workspace/admin/directory).

Parameters, maxima and scopes are those of the API's own description (``admin.directory_v1``).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.emulators.google import fields, search
from tests.emulators.google.parameters import (
    COMMON,
    GROUP_LIST,
    GROUP_NAMES,
    MEMBER_LIST,
    MEMBER_NAMES,
    ORGUNIT_LIST,
    USER_GET,
    USER_LIST,
    USER_NAMES,
    Params,
    checked,
    page_size,
)
from tests.emulators.google.quota import Quota
from tests.emulators.google.replies import JsonObject, RefusedError, Reply, bad_request, error, not_found, of_reason
from tests.emulators.google.state import (
    GROUP_READ,
    GROUP_WRITE,
    MEMBER_READ,
    MEMBER_WRITE,
    ORGUNIT_READ,
    ORGUNIT_WRITE,
    USER_READ,
    USER_WRITE,
    State,
)
from tests.emulators.google.token import Token, Tokens

ROOT = "/admin/directory/v1"
TEMPLATES = (
    f"{ROOT}/users",
    f"{ROOT}/users/{{userKey}}",
    f"{ROOT}/groups",
    f"{ROOT}/groups/{{groupKey}}",
    f"{ROOT}/groups/{{groupKey}}/members",
    f"{ROOT}/groups/{{groupKey}}/members/{{memberKey}}",
    f"{ROOT}/groups/{{groupKey}}/hasMember/{{memberKey}}",
    f"{ROOT}/customer/{{customerId}}/orgunits",
)

PUBLIC = ("kind", "id", "etag", "primaryEmail", "name", "emails", "phones", "organizations")
TOKEN_LIFE = 3 * 86400.0
"""Seconds for which a page token is good: three days."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that may be answered: who asks, for what, and which faults hit it."""

    token: Token
    params: Params
    faults: frozenset[str]


class Directory:
    """Answers requests. ``now`` is the service's clock in seconds since the epoch."""

    def __init__(self, state: State, tokens: Tokens, quota: Quota, now: Callable[[], float]) -> None:
        self.state = state
        self.tokens = tokens
        self.quota = quota
        self._now = now

    def answer(
        self,
        method: str,
        path: str,
        pairs: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        faults: frozenset[str] = frozenset(),
    ) -> Reply:
        """One request. ``path`` is as it was sent, percent-encoded; ``headers`` have names in lower case."""
        try:
            return self._answer(method, path, pairs, headers, faults)
        except RefusedError as refused:
            return refused.reply

    def _answer(
        self,
        method: str,
        path: str,
        pairs: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        faults: frozenset[str],
    ) -> Reply:
        words = [unquote(word) for word in path.removeprefix(ROOT).strip("/").split("/")]
        if not path.startswith(f"{ROOT}/"):
            raise not_found("Not Found")
        token = self._authenticated(headers)
        if method != "GET":
            raise RefusedError(error(403, "The emulator is read-only.", "forbidden"))
        if not self.state.api_enabled:
            raise RefusedError(of_reason("accessNotConfigured"))
        for fault in faults:
            if fault.startswith("reason:"):
                raise RefusedError(of_reason(fault.partition(":")[2]))
        if not self.quota.allows(token.subject or token.client_id):
            raise RefusedError(of_reason(self.quota.reason))
        return self._route(words, token, pairs, faults)

    def _authenticated(self, headers: Mapping[str, str]) -> Token:
        scheme, _, word = headers.get("authorization", "").partition(" ")
        if not word:
            raise RefusedError(error(401, "Login Required.", "required", location="Authorization"))
        token = self.tokens.find(word.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise RefusedError(of_reason("authError"))
        return token

    def _route(self, words: list[str], token: Token, pairs: Sequence[tuple[str, str]], faults: frozenset[str]) -> Reply:
        def call(known: frozenset[str], *scopes: str) -> Call:
            if not token.scopes.intersection(scopes):
                raise RefusedError(
                    error(403, "Request had insufficient authentication scopes.", "insufficientPermissions")
                )
            return Call(token=token, params=checked(pairs, known), faults=faults)

        members = (GROUP_READ, GROUP_WRITE, MEMBER_READ, MEMBER_WRITE)
        match words:
            case ["users"]:
                return self._users(call(USER_LIST, USER_READ, USER_WRITE))
            case ["users", key]:
                return self._user(call(USER_GET, USER_READ, USER_WRITE), key)
            case ["groups"]:
                return self._groups(call(GROUP_LIST, GROUP_READ, GROUP_WRITE))
            case ["groups", key]:
                return self._group(call(frozenset(), GROUP_READ, GROUP_WRITE), key)
            case ["groups", key, "members"]:
                return self._members(call(MEMBER_LIST, *members), key)
            case ["groups", key, "members", member]:
                return self._member(call(frozenset(), *members), key, member)
            case ["groups", key, "hasMember", member]:
                return self._has_member(call(frozenset(), *members), key, member)
            case ["customer", customer, "orgunits"]:
                return self._org_units(call(ORGUNIT_LIST, ORGUNIT_READ, ORGUNIT_WRITE), customer)
        raise not_found("Not Found")

    # --------------------------------------------------------------------------------------------------- rights

    def _org_unit_of(self, call: Call, what: str) -> str:
        """The part of the account that the caller may see; a 403 when it is none."""
        user = self.state.users.get(call.token.subject)
        if user is not None and user.get("isAdmin"):
            return "/"
        role = self.state.roles.get(call.token.subject)
        if user is None or role is None or not getattr(role, what):
            raise RefusedError(of_reason("forbidden"))
        return role.org_unit

    def _customer(self, params: Params) -> None:
        if params.get("customer", "my_customer") not in ("my_customer", self.state.customer):
            raise bad_request("Invalid Input: customer")
        if "domain" in params and params["domain"].lower() not in self.state.domains:
            raise not_found("Domain not found.")

    # ---------------------------------------------------------------------------------------------------- users

    def _users(self, call: Call) -> Reply:
        params = call.params
        if ("customer" in params) == ("domain" in params):
            raise bad_request("Bad Request", "badRequest")
        self._customer(params)
        if params.get("viewType") == "domain_public":
            unit = "/"
        else:
            unit = self._org_unit_of(call, "users")
        deleted = params.get("showDeleted") == "true"
        if deleted and "no-deleted" in call.faults:
            raise RefusedError(of_reason("forbidden"))
        found: Iterable[JsonObject] = self.state.deleted.values() if deleted else self.state.users.values()
        if unit != "/" and not deleted:
            found = [u for u in found if (u.get("orgUnitPath", "/") + "/").startswith(unit.rstrip("/") + "/")]
        if "domain" in params:
            ending = "@" + params["domain"].lower()
            found = [user for user in found if user.get("primaryEmail", "").lower().endswith(ending)]
        if params.get("query"):
            matches = search.parse(params["query"], search.USER_FIELDS)
            found = [user for user in found if matches(user)]
        if self.state.invisible:
            found = [user for user in found if user["id"] not in self.state.invisible]
        page, following = self._page(call, list(found), _by_user(params), maximum=500, default=100)
        shown = [_projected(user, params) for user in page]
        return _listed("users", shown, following, USER_NAMES, call)

    def _user(self, call: Call, key: str) -> Reply:
        unit = self._org_unit_of(call, "users")
        user = self.state.user(key)
        domain = key.rpartition("@")[2].lower()
        if user is None and "@" in key and domain not in self.state.domains:
            raise RefusedError(of_reason("forbidden"))
        if user is None:
            raise not_found("Resource Not Found: userKey")
        if not (user.get("orgUnitPath", "/") + "/").startswith(unit.rstrip("/") + "/"):
            raise RefusedError(of_reason("forbidden"))
        return _single(_projected(user, call.params), USER_NAMES, call)

    # --------------------------------------------------------------------------------------------------- groups

    def _groups(self, call: Call) -> Reply:
        params = call.params
        self._org_unit_of(call, "groups")
        if not params.keys() & {"customer", "domain", "userKey"} or {"customer", "userKey"} <= params.keys():
            raise bad_request("Bad Request", "badRequest")
        self._customer(params)
        found = list(self.state.groups.values())
        if "domain" in params:
            ending = "@" + params["domain"].lower()
            found = [group for group in found if group["email"].lower().endswith(ending)]
        if "userKey" in params:
            user = self.state.user(params["userKey"])
            key = user["id"] if user else params["userKey"]
            found = [g for g in found if any(key in (m.get("id"), m.get("email")) for m in g["members"])]
        if params.get("query"):
            matches = search.parse(params["query"], search.GROUP_FIELDS)
            found = [group for group in found if matches(group)]
        page, following = self._page(call, found, lambda g: [g["email"].lower(), g["id"]], maximum=200, default=200)
        return _listed("groups", [_shown(group) for group in page], following, GROUP_NAMES, call)

    def _found(self, call: Call, key: str) -> JsonObject:
        self._org_unit_of(call, "groups")
        if key in self.state.foreign_groups or key in self.state.foreign_groups.values():
            raise RefusedError(of_reason("forbidden"))
        group = self.state.group(key)
        if group is None:
            raise not_found("Resource Not Found: groupKey")
        return group

    def _group(self, call: Call, key: str) -> Reply:
        return _single(_shown(self._found(call, key)), GROUP_NAMES, call)

    # -------------------------------------------------------------------------------------------------- members

    def _members(self, call: Call, key: str) -> Reply:
        group = self._found(call, key)
        members = self._derived(group) if call.params.get("includeDerivedMembership") == "true" else group["members"]
        if "roles" in call.params:
            roles = call.params["roles"].split(",")
            if not set(roles) <= {"OWNER", "MANAGER", "MEMBER"}:
                raise bad_request("Invalid Input: roles")
            members = [member for member in members if member.get("role") in roles]
        page, following = self._page(
            call, members, lambda m: [m.get("email", "").lower(), m.get("id", "")], maximum=200, default=200
        )
        return _listed("members", page, following, MEMBER_NAMES, call)

    def _derived(self, group: JsonObject) -> list[JsonObject]:
        found: dict[str, JsonObject] = {}
        seen, left = set(), [group]
        while left:
            current = left.pop()
            if current["id"] in seen:
                continue
            seen.add(current["id"])
            for member in current["members"]:
                found.setdefault(member.get("id") or member["email"], member)
                if member["type"] == "GROUP" and member["id"] in self.state.groups:
                    left.append(self.state.groups[member["id"]])
        return list(found.values())

    def _member(self, call: Call, key: str, member_key: str) -> Reply:
        group = self._found(call, key)
        found = next((m for m in group["members"] if member_key in (m.get("id"), m.get("email"))), None)
        if found is None:
            raise not_found("Resource Not Found: memberKey")
        return _single(found, MEMBER_NAMES, call)

    def _has_member(self, call: Call, key: str, member_key: str) -> Reply:
        group = self._found(call, key)
        user = self.state.user(member_key)
        if user is None and self.state.group(member_key) is None:
            raise bad_request("Invalid Input: memberKey")
        wanted = user["id"] if user else member_key
        return Reply(body={"isMember": any(wanted in (m.get("id"), m.get("email")) for m in self._derived(group))})

    def _org_units(self, call: Call, customer: str) -> Reply:
        self._org_unit_of(call, "users")
        if customer not in ("my_customer", self.state.customer):
            raise bad_request("Invalid Input: customerId")
        paths = {user.get("orgUnitPath", "/") for user in self.state.users.values()} - {"/"}
        whole = {"/" + "/".join(p.split("/")[1 : n + 1]) for p in paths for n in range(1, p.count("/") + 1)}
        units = [
            {
                "kind": "admin#directory#orgUnit",
                "name": path.rpartition("/")[2],
                "orgUnitPath": path,
                "orgUnitId": f"id:{path}",
                "parentOrgUnitPath": path.rpartition("/")[0] or "/",
            }
            for path in sorted(whole)
            if call.params.get("type") == "all" or path.count("/") == 1
        ]
        body: JsonObject = {"kind": "admin#directory#orgUnits", "etag": '"etag-orgunits"'}
        return Reply(body=body | ({"organizationUnits": units} if units else {}))

    def _page(
        self,
        call: Call,
        entries: list[JsonObject],
        key: Callable[[JsonObject], list[str]],
        *,
        maximum: int,
        default: int,
    ) -> tuple[list[JsonObject], str]:
        """One page, and the token of the next one, which is bound to everything that was asked but the page size."""
        size = page_size(call.params, maximum, default)
        asked = json.dumps(
            sorted((k, v) for k, v in call.params.items() if k not in {"pageToken", "maxResults", *COMMON})
        )
        down = call.params.get("sortOrder") == "DESCENDING"
        ordered = sorted(entries, key=key, reverse=down)
        start = 0
        if "pageToken" in call.params:
            last = self._position(call.params["pageToken"], asked)
            start = sum((key(entry) >= last) if down else (key(entry) <= last) for entry in ordered)
        if "empty-page" in call.faults:
            return [], self._token(["", ""] if start == 0 else key(ordered[start - 1]), asked)
        page = ordered[start : start + size]
        more = len(ordered) > start + size
        return page, self._token(key(page[-1]), asked) if more else ""

    def _token(self, position: list[str], asked: str) -> str:
        content = json.dumps([position, asked, self._now()]).encode()
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    def _position(self, token: str, asked: str) -> list[str]:
        try:
            position, of, when = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (binascii.Error, ValueError, TypeError):
            raise bad_request("Invalid Input: pageToken") from None
        if of != asked or self._now() - when > TOKEN_LIFE:
            raise bad_request("Invalid Input: pageToken")
        return list(position)


def _by_user(params: Params) -> Callable[[JsonObject], list[str]]:
    if "orderBy" in params and params["orderBy"] != "email":
        name = params["orderBy"]
        return lambda user: [user.get("name", {}).get(name, "").lower(), user["id"]]
    return lambda user: [user.get("primaryEmail", "").lower(), user["id"]]


def _projected(user: JsonObject, params: Params) -> JsonObject:
    if params.get("viewType") == "domain_public":
        return {name: user[name] for name in PUBLIC if name in user}
    projection = params.get("projection", "basic")
    if projection == "full" or "customSchemas" not in user:
        return user
    shown = {name: value for name, value in user.items() if name != "customSchemas"}
    schemas = params.get("customFieldMask", "").split(",") if projection == "custom" else []
    custom = {name: value for name, value in user["customSchemas"].items() if name in schemas}
    return shown | ({"customSchemas": custom} if custom else {})


def _shown(group: JsonObject) -> JsonObject:
    """A group as the API shows it: without members, with the number of its users as text."""
    direct = sum(1 for member in group["members"] if member.get("type") != "GROUP")
    shown = {name: value for name, value in group.items() if name != "members"}
    return {"directMembersCount": str(direct)} | shown


def _listed(name: str, entries: list[Any], following: str, known: frozenset[str], call: Call) -> Reply:
    """A page: without the key when it is empty, without a token when it is the last."""
    body: JsonObject = {"kind": f"admin#directory#{name}", "etag": f'"etag-{name}"'}
    if entries:
        body[name] = entries
    if following and "no-token" not in call.faults:
        body["nextPageToken"] = following
    if "other-kind" in call.faults:
        return Reply(body={"message": "signed out"})
    if call.params.get("fields"):
        mask = fields.parse(call.params["fields"])
        fields.check(mask, frozenset({"kind", "etag", "nextPageToken", "trigger_event", name}), call.params["fields"])
        fields.check(mask.get(name, {}), known, call.params["fields"])
        body = fields.apply(mask, body)
    return Reply(body=body)


def _single(entry: JsonObject, known: frozenset[str], call: Call) -> Reply:
    if call.params.get("fields"):
        mask = fields.parse(call.params["fields"])
        fields.check(mask, known, call.params["fields"])
        return Reply(body=fields.apply(mask, entry))
    return Reply(body=entry)
