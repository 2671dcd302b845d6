"""Which path leads to which endpoint, and ``$batch``, which goes the same ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.emulators.entra.graph import Graph
from tests.emulators.entra.query import Query, query_of_url
from tests.emulators.entra.schema import Refused, bad, error_body

BATCH = 20
Endpoint = Callable[[Query, frozenset[str], Any, dict[str, str]], Any]

TEMPLATES = (
    "/v1.0/users",
    "/v1.0/users/$count",
    "/v1.0/users/delta",
    "/v1.0/users/{id}",
    "/v1.0/users/{id}/memberOf",
    "/v1.0/users/{id}/transitiveMemberOf",
    "/v1.0/users/{id}/getMemberGroups",
    "/v1.0/users/{id}/checkMemberGroups",
    "/v1.0/groups",
    "/v1.0/groups/$count",
    "/v1.0/groups/delta",
    "/v1.0/groups/{id}",
    "/v1.0/groups/{id}/members",
    "/v1.0/groups/{id}/members/{cast}",
    "/v1.0/groups/{id}/transitiveMembers",
    "/v1.0/groups/{id}/transitiveMembers/{cast}",
    "/v1.0/groups/{id}/memberOf",
    "/v1.0/groups/{id}/transitiveMemberOf",
    "/v1.0/directory/deletedItems/microsoft.graph.user",
    "/v1.0/directory/deletedItems/microsoft.graph.group",
    "/v1.0/directory/administrativeUnits",
    "/v1.0/directory/administrativeUnits/{id}",
    "/v1.0/directory/administrativeUnits/{id}/members",
    "/v1.0/directory/administrativeUnits/{id}/members/{cast}",
    "/v1.0/directoryObjects/getByIds",
    "/v1.0/organization",
    "/v1.0/$batch",
    "/{tenant}/oauth2/v2.0/token",
    "/{tenant}/oauth2/token",
    "/{tenant}/v2.0/.well-known/openid-configuration",
    "/common/discovery/instance",
)

_KIND = {"users": "user", "groups": "group", "directory/administrativeUnits": "administrativeUnit"}
_WHAT = r"(?P<what>users|groups|directory/administrativeUnits)"
_RELATION = r"(?P<relation>members|transitiveMembers|memberOf|transitiveMemberOf)"


class Routes:
    """The paths below ``/v1.0``."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._table: list[tuple[str, str, Endpoint]] = [
            ("GET", r"(?P<what>users|groups)/(?:microsoft\.graph\.)?delta(?:\(\))?", self._delta),
            ("GET", rf"{_WHAT}", self._list),
            ("GET", r"(?P<what>users|groups)/\$count", self._count),
            ("POST", r"(?P<what>users|groups)/(?P<id>[^/]+)/(?:microsoft\.graph\.)?getMemberGroups", self._ids),
            ("POST", r"(?P<what>users|groups)/(?P<id>[^/]+)/(?:microsoft\.graph\.)?checkMemberGroups", self._check),
            ("GET", rf"{_WHAT}/(?P<id>[^/]+)", self._one),
            ("GET", rf"{_WHAT}/(?P<id>[^/]+)/{_RELATION}(?:/(?P<cast>microsoft\.graph\.\w+))?", self._related),
            ("GET", r"directory/deletedItems(?:/(?P<cast>microsoft\.graph\.\w+))?", self._deleted),
            ("POST", r"directoryObjects/(?:microsoft\.graph\.)?getByIds", self._by_ids),
            ("GET", r"organization", lambda query, roles, _, __: graph.organization(query, roles)),
        ]

    def answer(self, method: str, query: Query, roles: frozenset[str], posted: Any) -> Any:
        """The body of an answer. Raises :class:`Refused`."""
        path = query.path.removeprefix("/v1.0/").rstrip("/")
        known = False
        for verb, pattern, endpoint in self._table:
            match = re.fullmatch(pattern, path)
            if match is not None:
                known = True
                if verb == method:
                    return endpoint(query, roles, posted, {k: v or "" for k, v in match.groupdict().items()})
        if known:
            raise Refused(405, "Request_BadRequest", f"The method {method} is not supported here.")
        segment = path.partition("/")[0]
        raise bad(f"Resource not found for the segment '{segment}'.")

    def batch(self, query: Query, roles: frozenset[str], posted: Any, charge: Callable[[str, Query], object]) -> Any:
        """``POST /$batch``: 200 whatever became of the parts, in any order. ``charge`` is called for each."""
        parts = posted.get("requests") if isinstance(posted, dict) else None
        if not isinstance(parts, list) or not 1 <= len(parts) <= BATCH:
            raise bad(f"Number of batch request steps must be between 1 and {BATCH}.")
        if len({part.get("id") for part in parts}) != len(parts):
            raise bad("The ids of batch request steps must be unique.")
        answers = [self._part(query, roles, part, charge) for part in parts]
        Random(len(parts)).shuffle(answers)
        return {"responses": answers}

    def _part(
        self, query: Query, roles: frozenset[str], part: dict[str, Any], charge: Callable[[str, Query], object]
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        try:
            inner = query_of_url(f"/v1.0/{str(part['url']).lstrip('/')}", query.base, part.get("headers", {}))
            charge(str(part["method"]), inner)
            body = self.answer(str(part["method"]).upper(), inner, roles, part.get("body"))
            return {"id": part["id"], "status": 200, "headers": headers, "body": body}
        except Refused as error:
            told = error_body(error.code, error.message)
            return {"id": part["id"], "status": error.status, "headers": headers | error.headers, "body": told}

    # ---------------------------------------------------------------------------------------------------- endpoints

    def _delta(self, query: Query, roles: frozenset[str], _: Any, found: dict[str, str]) -> Any:
        return self._graph.changes(_KIND[found["what"]], query, roles)

    def _list(self, query: Query, roles: frozenset[str], _: Any, found: dict[str, str]) -> Any:
        return self._graph.collection(_KIND[found["what"]], query, roles)

    def _count(self, query: Query, roles: frozenset[str], _: Any, found: dict[str, str]) -> Any:
        return self._graph.count(_KIND[found["what"]], query, roles)

    def _one(self, query: Query, roles: frozenset[str], _: Any, found: dict[str, str]) -> Any:
        return self._graph.one(_KIND[found["what"]], found["id"], query, roles)

    def _related(self, query: Query, roles: frozenset[str], _: Any, found: dict[str, str]) -> Any:
        kind = _KIND[found["what"]]
        return self._graph.related(kind, found["id"], found["relation"], found["cast"], query, roles)

    def _ids(self, _: Query, roles: frozenset[str], posted: Any, found: dict[str, str]) -> Any:
        return self._graph.member_ids(_KIND[found["what"]], found["id"], posted, roles, check=False)

    def _check(self, _: Query, roles: frozenset[str], posted: Any, found: dict[str, str]) -> Any:
        return self._graph.member_ids(_KIND[found["what"]], found["id"], posted, roles, check=True)

    def _deleted(self, query: Query, roles: frozenset[str], _: Any, found: dict[str, str]) -> Any:
        return self._graph.deleted(found["cast"], query, roles)

    def _by_ids(self, _: Query, roles: frozenset[str], posted: Any, __: dict[str, str]) -> Any:
        return self._graph.by_ids(posted, roles)
