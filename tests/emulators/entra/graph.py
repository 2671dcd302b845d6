"""Graph v1.0: the endpoints for users, groups, administrative units and what is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.emulators.entra.delta import Delta
from tests.emulators.entra.query import EXPANDED, Query, filtered, ordered, page, selected, shaped
from tests.emulators.entra.schema import Refused, bad, forbidden, not_found, unsupported
from tests.emulators.entra.state import Object, Tenant

LIST = ("$select", "$top", "$filter", "$count", "$orderby", "$search", "$expand", "$skiptoken")
MEMBERS = ("$select", "$top", "$filter", "$count", "$orderby", "$search", "$skiptoken")
ONE = ("$select", "$expand")

DIRECTORY = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
USERS = DIRECTORY | {"User.Read.All", "User.ReadWrite.All"}
GROUPS = DIRECTORY | {"GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"}
DELETED_GROUPS = DIRECTORY | {"Group.Read.All", "Group.ReadWrite.All"}
UNITS = DIRECTORY | {"AdministrativeUnit.Read.All", "AdministrativeUnit.ReadWrite.All"}
ORGANIZATION = DIRECTORY | {"Organization.Read.All", "Organization.ReadWrite.All", "User.Read.All"}
READ = {"user": USERS, "group": GROUPS, "administrativeUnit": UNITS}
HIDDEN = "Member.Read.Hidden"


class Graph:
    """Answers requests whose token has been checked. Every method returns a body; :class:`Refused` is raised."""

    def __init__(self, tenant: Tenant, delta: Delta) -> None:
        self.tenant = tenant
        self.delta = delta
        self._listed: dict[str, tuple[int, list[Object]]] = {}

    # ----------------------------------------------------------------------------------------------------- collections

    def collection(self, kind: str, query: Query, roles: frozenset[str]) -> dict[str, Any]:
        """``/users``, ``/groups``, ``/directory/administrativeUnits``."""
        _need(roles, READ[kind])
        query.allow(*LIST)
        if "$expand" in query.options and kind == "administrativeUnit":
            raise unsupported("Expanding is not supported here.")
        items = self._all(kind)
        names = selected(query, kind)
        found = ordered(query, filtered(query, items, kind), kind)
        body, part = page(query, found, _context(f"{_plural(kind)}", names))
        body["value"] = [self._expanded(query, item, shaped(item, kind, names), roles) for item in part]
        return body

    def _all(self, kind: str) -> list[Object]:
        number, items = self._listed.get(kind, (-1, []))
        if number != self.tenant.number:
            items = self.tenant.of_kind(kind)
            self._listed[kind] = (self.tenant.number, items)
        return items

    def _expanded(self, query: Query, found: Object, shape: Object, roles: frozenset[str]) -> Object:
        """``$expand`` returns at most twenty, and does not say that there are more."""
        text = query.options.get("$expand")
        if text is None:
            return shape
        name, _, inner = text.partition("(")
        names = inner.rstrip(")").removeprefix("$select=").split(",") if inner else None
        kind = self.tenant.kinds[found["id"]]
        if kind == "group" and name == "members":
            related = self._visible_members(found, roles)
        elif name in ("memberOf", "transitiveMemberOf"):
            related = self.tenant.transitive_groups_of(found["id"]) if name[0] == "t" else self._groups_of(found["id"])
        else:
            raise bad(f"Parsing OData Select and Expand failed: Could not find a property named '{name}'.")
        return shape | {name: [self._typed(item, names, roles) for item in related[:EXPANDED]]}

    def count(self, kind: str, query: Query, roles: frozenset[str]) -> int:
        """``/users/$count``."""
        _need(roles, READ[kind])
        query.allow("$filter", "$search")
        if not query.eventual:
            raise Refused(400, "Request_BadRequest", "$count is not currently supported.")
        counted = Query(base=query.base, path=query.path, options={**query.options, "$count": "true"}, eventual=True)
        return sum(1 for _ in filtered(counted, self._all(kind), kind))

    def one(self, kind: str, id_: str, query: Query, roles: frozenset[str]) -> dict[str, Any]:
        """``/users/{id or userPrincipalName}`` and the like."""
        _need(roles, READ[kind])
        query.allow(*ONE)
        found = self._found(kind, id_)
        names = selected(query, kind)
        context = {"@odata.context": f"{query.base}/v1.0/$metadata#{_context(_plural(kind), names)}/$entity"}
        return context | self._expanded(query, found, shaped(found, kind, names), roles)

    def changes(self, kind: str, query: Query, roles: frozenset[str]) -> dict[str, Any]:
        """``/users/delta`` and ``/groups/delta``."""
        _need(roles, READ[kind])
        return self._without_hidden(self.delta.answer(kind, query), roles)

    def _without_hidden(self, body: dict[str, Any], roles: frozenset[str]) -> dict[str, Any]:
        """Hidden memberships are left out, without a word, where the permission is missing."""
        if HIDDEN in roles:
            return body
        objects = self.tenant.objects
        body["value"] = [
            {k: v for k, v in item.items() if k != "members@delta"}
            if "members@delta" in item and _hidden(objects.get(item["id"], {}))
            else item
            for item in body["value"]
        ]
        return body

    # --------------------------------------------------------------------------------------------------- relationships

    def related(
        self, kind: str, id_: str, relation: str, cast: str, query: Query, roles: frozenset[str]
    ) -> dict[str, Any]:
        """Members, and what something is a member of, direct or transitive, of all types or cast to one."""
        need = {"members": READ[kind], "transitiveMembers": READ[kind]}.get(relation, READ[kind] | GROUPS)
        _need(roles, need)
        query.allow(*MEMBERS)
        found = self._found(kind, id_)
        items = self._relation(kind, found, relation, roles)
        wanted = cast.removeprefix("microsoft.graph.")
        if wanted:
            if not query.advanced:
                raise unsupported(
                    "Request with OData casting is only supported with 'ConsistencyLevel: eventual' and '$count=true'."
                )
            items = [item for item in items if self.tenant.kinds[item["id"]] == wanted]
        if ("$filter" in query.options or "$search" in query.options) and not query.advanced:
            raise unsupported("The query requires ConsistencyLevel: eventual and $count=true.")
        names = selected(query, wanted or "directoryObject")
        items = sorted(filtered(query, items, wanted or "user"), key=lambda item: str(item["id"]))
        body, part = page(query, ordered(query, items, wanted), _context("directoryObjects", names))
        body["value"] = [self._typed(item, names, roles) for item in part]
        return body

    def _relation(self, kind: str, found: Object, relation: str, roles: frozenset[str]) -> list[Object]:
        id_ = found["id"]
        if kind == "administrativeUnit":
            return [self.tenant.objects[member] for member in self.tenant.units[id_]]
        if relation in ("members", "transitiveMembers"):
            if _hidden(found) and HIDDEN not in roles:
                return []
            direct = relation == "members"
            return self.tenant.members_of(id_) if direct else self.tenant.transitive_members_of(id_)
        return self._groups_of(id_) if relation == "memberOf" else self.tenant.transitive_groups_of(id_)

    def _visible_members(self, group: Object, roles: frozenset[str]) -> list[Object]:
        return [] if _hidden(group) and HIDDEN not in roles else self.tenant.members_of(group["id"])

    def _groups_of(self, id_: str) -> list[Object]:
        return [self.tenant.objects[group] for group in sorted(self.tenant.member_of.get(id_, ()))]

    def _typed(self, item: Object, names: list[str] | None, roles: frozenset[str]) -> Object:
        """An object in a mixed list. What the application may not read has only its type and id."""
        kind = self.tenant.kinds[item["id"]]
        head = {"@odata.type": f"#microsoft.graph.{kind}"}
        shape = shaped(item, kind, names)
        if not roles & READ.get(kind, DIRECTORY):
            shape = dict.fromkeys(shape) | {"id": item["id"]}
        return head | shape

    def member_ids(self, kind: str, id_: str, body: Any, roles: frozenset[str], *, check: bool) -> dict[str, Any]:
        """``POST .../getMemberGroups`` and ``checkMemberGroups``: ids of groups, transitive."""
        _need(roles, READ[kind] | GROUPS)
        found = self._found(kind, id_)
        groups = self.tenant.transitive_groups_of(found["id"])
        if check:
            asked = body.get("groupIds") if isinstance(body, dict) else None
            if not isinstance(asked, list) or not 1 <= len(asked) <= 20:
                raise bad("groupIds must hold between 1 and 20 ids.")
            return {"value": [g["id"] for g in groups if g["id"] in asked]}
        if not isinstance(body, dict) or not isinstance(body.get("securityEnabledOnly"), bool):
            raise bad("The parameter 'securityEnabledOnly' is required.")
        only = body["securityEnabledOnly"]
        return {"value": [g["id"] for g in groups if g["securityEnabled"] or not only]}

    # ------------------------------------------------------------------------------------------------------ directory

    def deleted(self, cast: str, query: Query, roles: frozenset[str]) -> dict[str, Any]:
        """``/directory/deletedItems/microsoft.graph.user``."""
        kind = cast.removeprefix("microsoft.graph.")
        if kind not in ("user", "group"):
            raise bad("The type cast is mandatory: microsoft.graph.user or microsoft.graph.group.")
        _need(roles, USERS if kind == "user" else DELETED_GROUPS)
        query.allow("$select", "$top", "$filter", "$count", "$orderby", "$search", "$skiptoken")
        names = selected(query, kind)
        found = list(filtered(query, self.tenant.deleted_of(kind), kind))
        body, part = page(query, found, _context("directoryObjects", names))
        body["value"] = [shaped(item, kind, names) for item in part]
        return body

    def by_ids(self, posted: Any, roles: frozenset[str]) -> dict[str, Any]:
        """``POST /directoryObjects/getByIds``."""
        _need(roles, USERS | GROUPS)
        ids = posted.get("ids") if isinstance(posted, dict) else None
        if not isinstance(ids, list) or not 1 <= len(ids) <= 1000:
            raise bad("The parameter 'ids' must hold between 1 and 1000 ids.")
        types = posted.get("types") or None
        found = [self.tenant.objects[id_] for id_ in dict.fromkeys(ids) if id_ in self.tenant.objects]
        wanted = [item for item in found if types is None or self.tenant.kinds[item["id"]] in types]
        return {"value": [self._typed(item, None, roles) for item in wanted]}

    def organization(self, query: Query, roles: frozenset[str]) -> dict[str, Any]:
        """``/organization``."""
        _need(roles, ORGANIZATION)
        query.allow("$select")
        domains = [{"name": self.tenant.domain, "isInitial": True, "isDefault": True, "type": "Managed"}]
        about = {"id": self.tenant.id, "displayName": "Contoso", "tenantType": "AAD", "verifiedDomains": domains}
        return {"@odata.context": f"{query.base}/v1.0/$metadata#organization", "value": [about]}

    def _found(self, kind: str, id_: str) -> Object:
        found = self.tenant.find(kind, id_)
        if found is None:
            raise not_found(id_)
        return found


def _hidden(group: Object) -> bool:
    return group.get("visibility") == "HiddenMembership"


def _need(roles: frozenset[str], sufficient: Iterable[str]) -> None:
    if roles.isdisjoint(sufficient):
        raise forbidden()


def _plural(kind: str) -> str:
    return "directory/administrativeUnits" if kind == "administrativeUnit" else f"{kind}s"


def _context(what: str, names: list[str] | None) -> str:
    return f"{what}({','.join(names)})" if names else what
