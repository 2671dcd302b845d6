"""``dirsync check`` of ``kind: bitwarden``: what is there, and what works there. Never writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from dirconnector.errors import OrganizationError
from dirconnector.model import Finding, Member, MemberType, OrgGroup, Status
from dirconnector.organizations.bitwarden.client import Client
from dirconnector.organizations.bitwarden.explaining import explain_api
from dirconnector.organizations.bitwarden.settings import BitwardenSettings
from dirconnector.organizations.endpoints import group_from, member_from
from dirconnector.organizations.routes import Pace
from dirconnector.organizations.server import host_of

NAMED = 3


def findings(client: Client, settings: BitwardenSettings, speed: Callable[[], Pace]) -> Iterator[Finding]:
    """One finding after the other; the first failure is the last, because everything after it would fail too."""
    api = settings.urls.api
    try:
        with explain_api(settings):
            client.authenticate()
            answers = client.members()
            yield _server(settings, speed())
            members = [member_from(answer) for answer in answers]
            yield Finding(ok=True, subject="members", detail=_counted(members))
            groups = [group_from(answer, frozenset()) for answer in client.groups()]
            yield Finding(ok=True, subject="groups", detail=_readable(client, groups))
            seats, most = client.seats()
    except OrganizationError as error:
        yield Finding(
            ok=False, subject=host_of(api), detail=str(error), cure="do what the message says and check again"
        )
        return
    yield from _twins("members", ((m.key, m.email) for m in members))
    yield from _twins("groups", ((g.key, g.name) for g in groups))
    yield _owners(members)
    yield Finding(ok=True, subject="seats", detail=_seats(members, seats, most))
    yield Finding(
        ok=True,
        subject="plan",
        detail="the API works, so the plan has it; whether it has groups and directory import cannot be asked, the "
        "first run that needs them says so",
    )


def _server(settings: BitwardenSettings, speed: Pace) -> Finding:
    where = "Bitwarden's cloud" if settings.cloud else "a self-hosted Bitwarden server"
    if not settings.cloud and settings.pace is None and speed.writes_per_minute:
        where = "a Bitwarden server with the limits of the cloud"
    detail = f"{where}, {settings.urls.api}: the API key is good"
    if speed.writes_per_minute:
        detail += f"; at most {speed.writes_per_minute} writes a minute"
    if not settings.tls.verify:
        detail += "; its certificate is NOT verified (tls.verify: false)"
    return Finding(ok=True, subject="server", detail=detail)


def _counted(members: Sequence[Member]) -> str:
    statuses = Counter(member.status for member in members)
    words = ", ".join(f"{statuses[status]} {status.name.lower()}" for status in Status if statuses[status])
    managed = sum(1 for member in members if member.managed)
    return f"{len(members)} ({words}), {managed} of them with an externalId"


def _readable(client: Client, groups: Sequence[OrgGroup]) -> str:
    """Groups, and that their members can be read, tried with one of them."""
    if not groups:
        return "0"
    ids = client.group_member_ids(groups[0].id)
    managed = sum(1 for group in groups if group.managed)
    return f"{len(groups)}, {managed} of them with an externalId; {groups[0].name} has {len(ids)} members"


def _twins(what: str, entries: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Two with one externalId: the server then fails every import
    (``ImportOrganizationUsersAndGroupsCommand.cs``).
    """
    named: dict[str, list[str]] = {}
    for key, name in entries:
        if key:
            named.setdefault(key, []).append(name)
    twins = {key: names for key, names in named.items() if len(names) > 1}
    if twins:
        shown = "; ".join(f"{key}: {', '.join(names)}" for key, names in list(twins.items())[:NAMED])
        yield Finding(
            ok=False,
            subject=what,
            detail=f"{len(twins)} external IDs belong to more than one ({shown}): every import would fail",
            cure="remove the external ID of the wrong one in the web vault",
        )


def _owners(members: Sequence[Member]) -> Finding:
    owners = [m for m in members if m.type is MemberType.OWNER and m.status is Status.CONFIRMED]
    if owners:
        return Finding(
            ok=True, subject="owners", detail=f"{len(owners)} confirmed; never touched unless the config says so"
        )
    return Finding(
        ok=True,
        subject="owners",
        detail="nobody is a confirmed owner: unless a provider manages this organization, it refuses invitations",
    )


def _seats(members: Sequence[Member], seats: int | None, most: int | None) -> str:
    taken = sum(1 for member in members if member.status.takes_seat)
    if seats is None:
        return f"{taken} taken; how many were bought is not told"
    grows = f", and up to {most} are bought as needed" if most is not None else ""
    return f"{taken} of {seats} taken{grows}"
