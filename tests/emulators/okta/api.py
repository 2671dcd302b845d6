"""The endpoints of the management API that read, as far as a directory reader, Okta's SDKs and connectors go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.emulators.okta import expressions
from tests.emulators.okta.auth import LOG_ROLES, SEES_ALL, Caller
from tests.emulators.okta.expressions import ExpressionError, Predicate
from tests.emulators.okta.replies import Refused, options, page, page_size
from tests.emulators.okta.state import GONE, State

if TYPE_CHECKING:
    from tests.emulators.okta.emulator import OktaEmulator

Documents = Callable[[str], Iterable[str]]


class Api:
    """The endpoints of one emulator."""

    def __init__(self, emulator: OktaEmulator) -> None:
        self.emulator = emulator

    @property
    def state(self) -> State:
        return self.emulator.state

    def caller(self, request: Request, scope: str) -> Caller:
        """Who calls. Raises 401, and 403 without the scope or without any administrator role."""
        caller = self.emulator.door.caller(request)
        if caller.lacks(scope):
            base = self.emulator.url
            told = (
                f'Bearer authorization_uri="{base}/oauth2/v1/authorize", realm="{base}", scope="{scope}", '
                'error="insufficient_scope", '
                'error_description="The access token provided does not contain the required scopes.", '
                f'resource="{request.url.path}"'
            )
            raise Refused(403, "E0000006", WWW_Authenticate=told)
        if not caller.role:
            raise Refused(403, "E0000006")
        return caller

    # ----------------------------------------------------------------------------------------------------- users

    async def users(self, request: Request) -> Response:
        caller = self.caller(request, "okta.users.read")
        given = options(request, ("q", "after", "limit", "filter", "search", "sortBy", "sortOrder", "fields", "expand"))
        size = page_size(given, 200, 200)
        chosen = [name for name in ("q", "filter", "search") if given.get(name)]
        if len(chosen) > 1:
            raise Refused(400, "E0000001", f"Api validation failed: {chosen[1]}", "use one of q, filter and search")
        visible = self._visible_users(caller)
        state = self.state
        if given.get("search"):
            wanted = _parsed(given["search"])
            known = state.as_searched

            def matching(key: str) -> bool:
                document = known(key)
                return document is not None and wanted(document)

        elif given.get("filter"):
            wanted = _parsed(given["filter"], expressions.USER_FILTER)

            def matching(key: str) -> bool:
                return wanted(state.users[key])

        else:
            start = given.get("q", "").casefold()

            def matching(key: str) -> bool:
                user = state.users[key]
                words = (user["profile"].get(name, "") for name in ("firstName", "lastName", "email"))
                return user["status"] != GONE and any(word.casefold().startswith(start) for word in words)

        if given.get("sortBy") and given.get("search"):
            return self._sorted_users(request, given, size, visible, matching)

        def ids(start: str) -> Iterator[str]:
            return (key for key in state.after(start) if visible(key) and matching(key))

        return page(request, given, size, ids, state.user_body)

    def _sorted_users(
        self,
        request: Request,
        given: dict[str, str],
        size: int,
        visible: Callable[[str], bool],
        matching: Callable[[str], bool],
    ) -> Response:
        state, path = self.state, given["sortBy"].lower().split(".")

        def rank(key: str) -> tuple[str, str]:
            return next((str(value) for value in expressions._values(state.users[key], path)), ""), key

        found = [key for key in state.order if visible(key) and matching(key)]
        found.sort(key=rank, reverse=given.get("sortOrder", "asc").lower().startswith("desc"))

        def ids(start: str) -> list[str]:
            return found[found.index(start) + 1 :] if start in found else found

        return page(request, given, size, ids, state.user_body)

    async def user(self, request: Request) -> Response:
        sent = request.path_params["id"]
        caller = self.caller(request, "okta.users.read")
        options(request, ("expand", "fields"))
        return Response(self.state.user_body(self._user(caller, sent)), media_type="application/json")

    async def user_groups(self, request: Request) -> Response:
        caller = self.caller(request, "okta.groups.read")
        given = options(request, ("limit", "after"))
        key = self._user(caller, request.path_params["id"])
        state = self.state
        of_user = sorted(group for group in state.groups if key in state.members_of(group))

        def ids(start: str) -> list[str]:
            return [group for group in of_user if group > start]

        return page(request, given, page_size(given, 200, 200), ids, lambda group: self._group_body(group, ""))

    async def user_roles(self, request: Request) -> Response:
        caller = self.caller(request, "okta.roles.read")
        options(request, ("expand",))
        if caller.role not in LOG_ROLES:
            raise Refused(403, "E0000006")
        key = self._user(caller, request.path_params["id"])
        roles = {token.role for token in self.emulator.door.tokens.values() if token.owner == key and token.role}
        return JSONResponse(
            [{"id": f"ra1{role}", "label": role.title(), "type": role, "status": "ACTIVE"} for role in sorted(roles)]
        )

    def _user(self, caller: Caller, sent: str) -> str:
        state = self.state
        if sent == "me" and caller.owner:
            return caller.owner
        if sent in state.users and self._visible_users(caller)(sent):
            return sent
        for key, user in state.users.items():
            if user["profile"].get("login") == sent and self._visible_users(caller)(key):
                return key
        raise Refused(404, "E0000007", f"Not found: Resource not found: {sent} (User)")

    def _visible_users(self, caller: Caller) -> Callable[[str], bool]:
        if caller.role in SEES_ALL:
            return lambda key: True
        state = self.state
        seen = {user for group in caller.targets for user in state.members[group]}
        return seen.__contains__

    # ---------------------------------------------------------------------------------------------------- groups

    async def groups(self, request: Request) -> Response:
        caller = self.caller(request, "okta.groups.read")
        given = options(request, ("q", "after", "limit", "filter", "search", "sortBy", "sortOrder", "expand"))
        size = page_size(given, 300 if given.get("q") else 10000, 10000)
        if given.get("expand") not in (None, "", "stats", "app"):
            raise Refused(400, "E0000001", "Api validation failed: expand", "expand: stats or app")
        state = self.state
        predicates: list[Predicate] = []
        if given.get("filter"):
            predicates.append(_parsed(given["filter"], expressions.GROUP_FILTER))
        if given.get("search"):
            predicates.append(_parsed(given["search"]))
        if given.get("q"):
            start = given["q"].casefold()
            predicates.append(lambda group: group["profile"]["name"].casefold().startswith(start))
            size = min(size, 300)
        found = sorted(
            key
            for key, group in state.groups.items()
            if (caller.role in SEES_ALL or key in caller.targets) and all(p(group) for p in predicates)
        )
        if given.get("q"):
            found = found[:size]  # it does not page

        def ids(start: str) -> list[str]:
            return [key for key in found if key > start]

        stale = "stale-stats" in request.scope.get("emulator.faults", frozenset())
        return page(request, given, size, ids, lambda key: self._group_body(key, given.get("expand", ""), stale=stale))

    async def group(self, request: Request) -> Response:
        key = self._group(self.caller(request, "okta.groups.read"), request.path_params["id"])
        given = options(request, ("expand",))
        return Response(self._group_body(key, given.get("expand", "")), media_type="application/json")

    async def group_users(self, request: Request) -> Response:
        caller = self.caller(request, "okta.groups.read")
        key = self._group(caller, request.path_params["id"])
        given = options(request, ("after", "limit"))
        size = page_size(given, 1000, 1000)
        if size > self.emulator.largest_page:
            raise Refused(500, "E0000009")
        members = self.state.members_of(key)

        def ids(start: str) -> list[str]:
            return [user for user in members if user > start]

        return page(request, given, size, ids, self.state.user_body)

    def _group(self, caller: Caller, key: str) -> str:
        if key not in self.state.groups or not (caller.role in SEES_ALL or key in caller.targets):
            raise Refused(404, "E0000007", f"Not found: Resource not found: {key} (UserGroup)")
        return key

    def _group_body(self, key: str, expand: str, *, stale: bool = False) -> bytes:
        group = dict(self.state.groups[key])
        if expand == "stats":
            count = 0 if stale and key != self.state.everyone else self.state.count_of(key)
            stats: dict[str, Any] = {"usersCount": count, "appsCount": 0, "groupPushMappingsCount": 0}
            group["_embedded"] = {"stats": stats}
        return json.dumps(group).encode()

    # ------------------------------------------------------------------------------------------------------ apps

    async def apps(self, request: Request) -> Response:
        self.caller(request, "okta.apps.read")
        given = options(request, ("q", "after", "limit", "filter", "expand", "includeNonDeleted", "useOptimization"))
        wanted = _parsed(given["filter"], expressions.APP_FILTER) if given.get("filter") else None
        apps = self.state.apps

        def ids(start: str) -> list[str]:
            return [key for key in sorted(apps) if key > start and (wanted is None or wanted(apps[key]))]

        return page(request, given, page_size(given, 20, 200), ids, lambda key: json.dumps(apps[key]).encode())

    async def app(self, request: Request) -> Response:
        return JSONResponse(self.state.apps[self._app(request, ("expand",))])

    async def app_users(self, request: Request) -> Response:
        key = self._app(request, ("q", "after", "limit", "filter", "expand"))
        given = dict(request.query_params)
        size = page_size(given, 50, 500)
        if given.get("expand") not in (None, "", "user"):
            raise Refused(400, "E0000001", "Api validation failed: expand", "expand: user")
        state, assigned = self.state, sorted(self.state.assigned[key])

        def body(user: str) -> bytes:
            profile = state.users[user]["profile"]
            document: dict[str, Any] = {
                "id": user,
                "externalId": None,
                "created": state.assigned[key][user],
                "lastUpdated": state.assigned[key][user],
                "scope": "USER",
                "status": "ACTIVE",
                "syncState": "DISABLED",
                "credentials": {"userName": profile.get("login")},
                "profile": {"name": profile.get("displayName")},
            }
            if given.get("expand") == "user":
                document["_embedded"] = {"user": json.loads(state.user_body(user))}
            return json.dumps(document).encode()

        return page(request, given, size, lambda start: [user for user in assigned if user > start], body)

    async def app_groups(self, request: Request) -> Response:
        key = self._app(request, ("q", "after", "limit", "expand"))
        given = dict(request.query_params)
        assigned = self.state.app_groups[key]

        def body(group: str) -> bytes:
            document: dict[str, Any] = {"id": group, "lastUpdated": assigned[group], "priority": 0, "profile": {}}
            if given.get("expand") == "group":
                document["_embedded"] = {"group": json.loads(self._group_body(group, ""))}
            return json.dumps(document).encode()

        def ids(start: str) -> list[str]:
            return [group for group in sorted(assigned) if group > start]

        return page(request, given, page_size(given, 20, 200), ids, body)

    def _app(self, request: Request, known: tuple[str, ...]) -> str:
        caller = self.caller(request, "okta.apps.read")
        options(request, known)
        key: str = request.path_params["id"]
        if caller.role not in SEES_ALL:
            raise Refused(403, "E0000006")
        if key not in self.state.apps:
            raise Refused(404, "E0000007", f"Not found: Resource not found: {key} (AppInstance)")
        return key

    # ------------------------------------------------------------------------------------------------------ logs

    async def logs(self, request: Request) -> Response:
        caller = self.caller(request, "okta.logs.read")
        if caller.role not in LOG_ROLES:
            raise Refused(403, "E0000006")
        given = options(request, ("since", "until", "after", "filter", "q", "limit", "sortOrder"))
        wanted = _parsed(given["filter"], expressions.LOG_FILTER) if given.get("filter") else None
        now = self.state.now()
        since = _instant(given.get("since"), now - 7 * 86400)
        until = _instant(given.get("until"), now + 1)
        events = self.state.events
        found = [
            str(number).zfill(12)
            for number, event in enumerate(events)
            if since <= expressions.instant(event["published"]) < until and (wanted is None or wanted(event))
        ]

        def ids(start: str) -> list[str]:
            return [number for number in found if number > start]

        if "until" not in given:  # polling: there is always a next link
            request.scope["emulator.faults"] = request.scope.get("emulator.faults", frozenset()) | {"always-next"}
        return page(
            request, given, page_size(given, 100, 1000), ids, lambda number: json.dumps(events[int(number)]).encode()
        )


def _instant(text: str | None, otherwise: float) -> float:
    if text is None:
        return otherwise
    try:
        return expressions.instant(text)
    except ValueError:
        raise Refused(400, "E0000001", "Api validation failed: since", "Invalid date format") from None


def _parsed(text: str, allowed: frozenset[str] | None = None) -> Predicate:
    try:
        return expressions.parse(text, allowed)
    except ExpressionError:
        raise Refused(400, "E0000031") from None
