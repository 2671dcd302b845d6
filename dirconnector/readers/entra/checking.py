"""``dirsync check`` for Entra ID: sign in, look at the permissions, try each query with its smallest page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from dirconnector.errors import ConfigError, DirectoryError, DirectoryUnreachable
from dirconnector.model import Finding
from dirconnector.readers.entra.calls import GaveUp
from dirconnector.readers.entra.graph import Graph
from dirconnector.readers.entra.people import Shape
from dirconnector.readers.entra.refusals import (
    GROUPS,
    HIDDEN,
    PERMISSIONS,
    UNITS,
    USERS,
    Need,
    Refusal,
    Resync,
)
from dirconnector.readers.entra.settings import EntraSettings
from dirconnector.readers.entra.stages import MEMBERS_OF_UNIT, Stages
from dirconnector.readers.entra.teams import SELECT

RUN_AGAIN = "run again later; if it stays so, look at what is between this computer and the service"


def findings(graph: Graph, settings: EntraSettings, shape: Shape) -> Iterator[Finding]:
    """One finding for each thing that can be wrong."""
    if not settings.tls.verify:
        detail = "certificates are not verified (tls.verify: false): somebody in between can read the secret and lie"
        yield Finding(ok=False, subject="connection", detail=detail, cure="name your authority in tls.ca_file instead")
    try:
        graph.sign_in()
    except (DirectoryError, ConfigError) as error:
        yield _failed("sign-in", error, graph.directory)
        return
    how = "certificate" if settings.certificate is not None else "client secret"
    detail = f"signed in at {settings.login} as application {settings.client_id} of {settings.tenant} ({how})"
    yield Finding(ok=True, subject="sign-in", detail=detail)
    missing = list(_missing(graph, settings))
    yield from missing
    if not missing:
        yield from _wider(graph, settings)
        yield from _queries(graph, settings, shape)
    if shape.unknown:
        names = ", ".join(shape.unknown)
        cure = "mend the attribute in select; directory extensions are written extension_APPID_NAME"
        yield Finding(ok=False, subject="attributes", detail=f"Entra ID has no attribute {names}", cure=cure)


def _failed(subject: str, error: Exception, directory: str) -> Finding:
    """Messages name what is wrong first; the cure is the next sentence when there is no answer at all, else what
    follows the last semicolon.
    """
    what = str(error).removeprefix(f"{directory}: ")
    silent = isinstance(error, (DirectoryUnreachable, GaveUp))
    cure = what.partition(". ")[2] if silent else what.rpartition("; ")[2]
    return Finding(ok=False, subject=subject, detail=what, cure=cure or RUN_AGAIN)


# ---------------------------------------------------------------------------------------------------------- permissions


def _needs(settings: EntraSettings) -> list[Need]:
    return [
        USERS,
        *([GROUPS] if settings.groups is not False else []),
        *([UNITS] if settings.administrative_units is not None else []),
    ]


def _missing(graph: Graph, settings: EntraSettings) -> Iterator[Finding]:
    """Application permissions that have no admin consent (they are in the token, where it can be read)."""
    if graph.roles is None:
        return
    for need in _needs(settings):
        if not need.met(graph.roles):
            detail = f"the application lacks the permission {need.permission}, without which no {need.what} can be read"
            yield Finding(ok=False, subject="permissions", detail=detail, cure=need.cure)


def _wider(graph: Graph, settings: EntraSettings) -> Iterator[Finding]:
    if graph.roles is None:
        yield Finding(ok=True, subject="permissions", detail="not told in the token; the queries show what is missing")
        return
    wanted = {need.permission for need in _needs(settings)} | {HIDDEN}
    wider = sorted(graph.roles - wanted)
    writes = [role for role in wider if not _reads(role)]
    if writes:
        detail = f"the application may do more than read: {', '.join(writes)}"
        cure = f"remove what nothing else needs ({PERMISSIONS}); needed are {', '.join(sorted(wanted - {HIDDEN}))}"
        yield Finding(ok=False, subject="permissions", detail=detail, cure=cure)
        return
    detail = ", ".join(sorted(graph.roles & wanted))
    if wider:
        more = f"{', '.join(wider)} (wider than needed: {', '.join(sorted(wanted - {HIDDEN}))} would do)"
        detail = f"{detail}, {more}" if detail else more
    yield Finding(ok=True, subject="permissions", detail=detail)


def _reads(role: str) -> bool:
    return ".Read." in f"{role}." and "ReadWrite" not in role


# -------------------------------------------------------------------------------------------------------------- queries


def _queries(graph: Graph, settings: EntraSettings, shape: Shape) -> Iterator[Finding]:
    stages = Stages(graph=graph, settings=settings, shape=shape)
    if settings.administrative_units is not None:
        try:
            stages.find_units()
        except DirectoryError as error:
            yield _failed("administrative units", error, graph.directory)
            return
        names = ", ".join(settings.administrative_units)
        yield Finding(ok=True, subject="administrative units", detail=f"found: {names}")
    yield from _users(graph, settings, shape, stages)
    if settings.groups is not False:
        yield from _groups(graph, settings, stages)
    yield _deleted(stages)


def _asked(graph: Graph, subject: str, query: Callable[[], str]) -> Finding:
    try:
        return Finding(ok=True, subject=subject, detail=query())
    except (Refusal, GaveUp, DirectoryError) as error:
        return _failed(subject, error, graph.directory)
    except Resync as error:
        return Finding(ok=False, subject=subject, detail=f"the service lost its place ({error})", cure=RUN_AGAIN)


def _users(graph: Graph, settings: EntraSettings, shape: Shape, stages: Stages) -> Iterator[Finding]:
    options = {"select": shape.select, "top": "5"}
    advanced = not stages.users_tracked
    if advanced:
        options["count"] = "true"
    if settings.users.filter is not None:
        options["filter"] = settings.users.filter
    need = Need(what="users", permission=USERS.permission, setting="users.filter" if settings.users.filter else "")
    for path in _paths(stages, "users", "user"):
        yield _asked(graph, "users", partial(_first, graph, graph.url(path, **options), need, advanced))


def _groups(graph: Graph, settings: EntraSettings, stages: Stages) -> Iterator[Finding]:
    def delta() -> str:
        graph.get(graph.url("groups/delta", deltatoken="latest", select=SELECT), GROUPS)
        return "memberships and their changes can be read"

    yield _asked(graph, "groups", delta)
    groups = settings.groups
    if groups is False or (groups.filter is None and stages.units is None):
        return
    options = {"select": "id", "top": "5", "count": "true"} | ({"filter": groups.filter} if groups.filter else {})
    need = Need(what="groups", permission=GROUPS.permission, setting="groups.filter" if groups.filter else "")
    for path in _paths(stages, "groups", "group"):
        yield _asked(graph, "groups", partial(_first, graph, graph.url(path, **options), need, True))


def _paths(stages: Stages, everything: str, kind: str) -> list[str]:
    if stages.units is None:
        return [everything]
    return [MEMBERS_OF_UNIT.format(unit=unit, kind=kind) for unit in stages.units]


def _first(graph: Graph, url: str, need: Need, advanced: bool) -> str:
    body = graph.get(url, need, advanced=advanced)
    value = body.get("value")
    if not isinstance(value, list):
        raise Refusal(f"{need.what}: the answer has no list of objects; is this Graph?")
    if need.what == "users" and value and not any(isinstance(u.get("accountEnabled"), bool) for u in value):
        raise Refusal(f"users: nobody's accountEnabled can be read; {USERS.cure}")
    count = body.get("@odata.count")
    return f"{count} {need.what}" if isinstance(count, int) else f"{need.what} can be read" if value else "none found"


def _deleted(stages: Stages) -> Finding:
    why = stages.deleted().evidence.why
    return Finding(ok=True, subject="deleted users", detail="can be read" if "nothing depends" not in why else why)
