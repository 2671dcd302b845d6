"""Delta queries: rounds of pages, and links that say where the next round begins (Graph: delta query overview)."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.emulators.entra.query import Query, decode, encode, selected
from tests.emulators.entra.schema import KNOWN, Refused, bad, unsupported
from tests.emulators.entra.state import CREATED, MEMBERS, Object, Tenant

WEEK = 7 * 24 * 3600.0
ROUNDS = 256
"""So many unfinished rounds are remembered."""


@dataclass(slots=True, kw_only=True)
class Sizes:
    """How the service cuts: objects and references to members on a page, references in one appearance of a group."""

    users: int = 200
    groups: int = 100
    members: int = 4000
    chunk: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a round is about; it travels inside the tokens."""

    kind: str
    select: list[str] | None
    minimal: bool
    ids: list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    asked: _Asked
    pages: list[list[Object]]
    number: int


class Delta:
    """The delta functions of one tenant. ``seconds`` is how long a delta token is good for."""

    def __init__(self, tenant: Tenant, *, seconds: float = WEEK) -> None:
        self.tenant = tenant
        self.seconds = seconds
        self.sizes = Sizes()
        self._rounds: OrderedDict[str, _Round] = OrderedDict()
        self._count = 0

    def answer(self, kind: str, query: Query) -> dict[str, Any]:
        """One page of a round.

        The faults: ``gone`` and ``resync:CODE`` lose the token, ``lag`` holds the last change back for a later round,
        ``empty`` is a page without items, ``replay`` repeats the page before, ``bare`` leaves the properties out where
        a group appears again, ``nolink`` is a page without any link, ``loop`` and ``foreign`` as in lists.
        """
        if "gone" in query.faults:
            raise self._resync(kind, query)
        if code := next((f.partition(":")[2] for f in query.faults if f.startswith("resync:")), ""):
            raise Refused(400, code, "Resync required.")
        if (token := query.options.get("$skiptoken")) is not None:
            return self._page(kind, query, *self._known_round(kind, query, token))
        if (token := query.options.get("$deltatoken")) is not None and token != "latest":
            asked, since = self._known_token(kind, query, token)
        else:
            asked, since = self._initial(kind, query), None
        until = self.tenant.number
        if token == "latest":
            return self._envelope(query, asked) | {"value": [], "@odata.deltaLink": self._link(query, asked, until)}
        if "lag" in query.faults:
            until = max(since or 0, until - 1)
        items = list(self._everything(asked) if since is None else self._changes(asked, since, until))
        self._count += 1
        name = f"r{self._count}"
        pages = list(_cut(items, self.sizes, kind))
        self._rounds[name] = _Round(asked=asked, pages=pages, number=until)
        if len(self._rounds) > ROUNDS:
            self._rounds.popitem(last=False)
        return self._page(kind, query, name, 0)

    # ------------------------------------------------------------------------------------------------------- tokens

    def _initial(self, kind: str, query: Query) -> _Asked:
        query.allow("$select", "$filter", "$deltatoken")
        names = selected(query, kind, also=("members", "owners") if kind == "group" else ())
        return _Asked(kind=kind, select=names, minimal=query.minimal, ids=_ids(query.options.get("$filter")))

    def _known_token(self, kind: str, query: Query, token: str) -> tuple[_Asked, int | None]:
        try:
            found = decode(token)
            asked = _Asked(kind=found["k"], select=found["s"], minimal=query.minimal or found["m"], ids=found["i"])
            since, made = int(found["n"]), float(found["t"])
        except (ValueError, LookupError, TypeError):
            raise bad("Badly formed token.") from None
        if asked.kind != kind:
            raise bad("The token is of another resource.")
        if time.time() - made > self.seconds or since > self.tenant.number:
            raise self._resync(kind, query)
        return asked, since

    def _known_round(self, kind: str, query: Query, token: str) -> tuple[str, int]:
        try:
            found = decode(token)
            name, at = str(found["r"]), int(found["p"])
        except (ValueError, LookupError, TypeError):
            raise bad("Badly formed token.") from None
        if name not in self._rounds or self._rounds[name].asked.kind != kind:
            raise self._resync(kind, query)
        return name, at

    def _resync(self, kind: str, query: Query) -> Refused:
        location = f"{query.base}/v1.0/{kind}s/delta?$deltatoken="
        return Refused(
            410,
            "syncStateNotFound",
            "The sync state generation is not found. A full resync is required.",
            {"Location": location},
        )

    def _link(self, query: Query, asked: _Asked, number: int) -> str:
        token = {"k": asked.kind, "s": asked.select, "m": asked.minimal, "i": asked.ids, "n": number, "t": time.time()}
        return f"{query.base}{query.path}?$deltatoken={encode(token)}"

    # -------------------------------------------------------------------------------------------------------- pages

    def _envelope(self, query: Query, asked: _Asked) -> dict[str, Any]:
        columns = f"({','.join(asked.select)})" if asked.select else ""
        return {"@odata.context": f"{query.base}/v1.0/$metadata#{asked.kind}s{columns}/$delta"}

    def _page(self, kind: str, query: Query, name: str, at: int) -> dict[str, Any]:
        found = self._rounds[name]
        body = self._envelope(query, found.asked)
        value = [] if "empty" in query.faults else list(found.pages[at])
        if "replay" in query.faults and at:
            value = found.pages[at - 1] + value
        if "bare" in query.faults:
            value = [_bare(item) if item.get("@again") else item for item in value]
        body["value"] = [{k: v for k, v in item.items() if k != "@again"} for item in value]
        if "nolink" in query.faults:
            return body
        following = at if {"empty", "loop"} & query.faults else at + 1
        # an empty page is not the same page again
        empty = int(decode(query.options["$skiptoken"]).get("e", 0)) if "$skiptoken" in query.options else 0
        again = {"e": empty + ("empty" in query.faults)} if following == at else {}
        if following < len(found.pages):
            link = f"{query.base}{query.path}?$skiptoken={encode({'r': name, 'p': following} | again)}"
            body["@odata.nextLink"] = (
                link.replace(query.base, "https://127.0.0.2:1") if "foreign" in query.faults else link
            )
        else:
            body["@odata.deltaLink"] = self._link(query, found.asked, found.number)
        return body

    # -------------------------------------------------------------------------------------------------------- items

    def _everything(self, asked: _Asked) -> Iterator[Object]:
        tenant = self.tenant
        for found in tenant.of_kind(asked.kind):
            if asked.ids is None or found["id"] in asked.ids:
                present = list(tenant.members.get(found["id"], ())) if asked.kind == "group" else []
                yield from self._appearances(asked, found, None, present, [])
        for found in tenant.deleted_of(asked.kind):
            if asked.ids is None or found["id"] in asked.ids:
                yield {"id": found["id"], "@removed": {"reason": "changed"}}

    def _changes(self, asked: _Asked, since: int, until: int) -> Iterator[Object]:
        aspects: dict[str, set[str]] = {}
        touched: dict[str, dict[str, None]] = {}
        for change in self.tenant.log[since:until]:
            if change.kind == asked.kind and (asked.ids is None or change.id in asked.ids):
                aspects.setdefault(change.id, set()).update(change.aspects)
                if change.member:
                    touched.setdefault(change.id, {})[change.member] = None
        for id_, changed in aspects.items():
            if id_ in self.tenant.objects:
                if not self._tracked(asked, changed):
                    continue
                now = self.tenant.members.get(id_, {})
                present = [m for m in touched.get(id_, ()) if m in now]
                absent = [m for m in touched.get(id_, ()) if m not in now]
                yield from self._appearances(asked, self.tenant.objects[id_], changed, present, absent)
            else:
                reason = "changed" if id_ in self.tenant.deleted else "deleted"
                yield {"id": id_, "@removed": {"reason": reason}}

    def _tracked(self, asked: _Asked, changed: set[str]) -> bool:
        return asked.select is None or CREATED in changed or bool(changed.intersection(asked.select))

    def _appearances(
        self, asked: _Asked, found: Object, changed: set[str] | None, present: list[str], absent: list[str]
    ) -> Iterator[Object]:
        """A group with many members appears several times. What was never set is left out."""
        names = asked.select if asked.select is not None else sorted(KNOWN[asked.kind] & found.keys())
        whole = not asked.minimal or changed is None or CREATED in changed
        item = {
            name: found[name]
            for name in names
            if name in found
            and (whole or name in (changed or ()))
            and (found[name] is not None or name in (changed or ()))
        }
        item["id"] = found["id"]
        with_members = asked.kind == "group" and (asked.select is None or MEMBERS in asked.select)
        references = [self._reference(m) for m in present]
        references += [self._reference(m) | {"@removed": {"reason": "deleted"}} for m in absent]
        if not with_members or not references:
            yield item
            return
        for start in range(0, len(references), self.sizes.chunk):
            again = {"@again": True} if start else {}
            yield item | {"members@delta": references[start : start + self.sizes.chunk]} | again

    def _reference(self, id_: str) -> Object:
        return {"@odata.type": f"#microsoft.graph.{self.tenant.kinds[id_]}", "id": id_}


def _cut(items: Iterable[Object], sizes: Sizes, kind: str) -> Iterator[list[Object]]:
    """Items in pages; appearances of one group are on different pages where that is possible."""
    most = sizes.groups if kind == "group" else sizes.users
    page: list[Object] = []
    references = 0
    for item in items:
        weight = len(item.get("members@delta", ()))
        if page and (len(page) >= most or references + weight > sizes.members):
            yield page
            page, references = [], 0
        page.append(item)
        references += weight
    yield page


def _bare(item: Object) -> Object:
    return {name: value for name, value in item.items() if name in ("id", "members@delta", "@again")}


def _ids(text: str | None) -> list[str] | None:
    """``$filter`` of a delta query knows ids and nothing else."""
    if text is None:
        return None
    parts: Sequence[str] = text.split(" or ")
    found = [match[1] for part in parts if (match := re.fullmatch(r"\s*id eq '([^']+)'\s*", part))]
    if len(found) != len(parts) or len(found) > 50:
        raise unsupported("The filter clause is not supported by delta query: only 'id eq' of at most 50 objects.")
    return found
