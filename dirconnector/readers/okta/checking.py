"""``dirsync check`` for Okta: the cheapest calls that prove the configuration, one finding each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from dirconnector.model import Finding
from dirconnector.readers.okta.client import Broken, Client, Page, Refused
from dirconnector.readers.okta.entries import People
from dirconnector.readers.okta.paging import url_of
from dirconnector.readers.okta.reading import USERS_PAGE, Queries
from dirconnector.readers.okta.refusals import ROLE, cure_of
from dirconnector.readers.okta.settings import OktaSettings

ENOUGH = "READ_ONLY_ADMIN"
RESTRICTED = "everything that the role does not show counts as not there, as restricted_role: true says"


async def findings(directory: str, settings: OktaSettings, client: Client, queries: Queries) -> list[Finding]:
    """Asks for one page of everything that a read asks for. Stops at the first thing that lets nothing else work."""
    check = _Check(directory, settings, client, queries)
    try:
        return await check.all()
    except Broken as broken:
        cure = "mend what the message names and check again"
        return [*check.found, Finding(ok=False, subject="connection", detail=str(broken), cure=cure)]


class _Check:
    def __init__(self, directory: str, settings: OktaSettings, client: Client, queries: Queries) -> None:
        self.found: list[Finding] = []
        self._settings, self._client, self._queries = settings, client, queries
        self._people = People(directory, settings, frozenset())

    async def all(self) -> list[Finding]:
        if not await self._users():
            return self.found
        if self._settings.app:
            await self._app()
        await self._groups()
        if self._settings.system_log:
            await self._try("system_log", url_of("/api/v1/logs", limit=1), "logs", _readable)
        await self._roles()
        return self.found

    def _say(self, ok: bool, subject: str, detail: str, cure: str = "") -> None:
        self.found.append(Finding(ok=ok, subject=subject, detail=detail, cure=cure))

    async def _try(self, subject: str, path: str, bucket: str, tell: Callable[[Page], str]) -> Page | None:
        """One call, and the finding about it; None when it was refused."""
        try:
            page = await self._client.get(path, bucket)
        except Refused as refused:
            self._say(False, subject, str(refused), cure_of(refused, self._settings))
            return None
        self._say(True, subject, tell(page))
        return page

    async def _users(self) -> bool:
        settings = self._settings
        if settings.users.scoped:
            subject = "users.filter" if settings.users.filter else "users.search"
        else:
            subject = "users"
        path = url_of("/api/v1/users", filter=settings.users.filter, search=settings.users.search, limit=USERS_PAGE)
        how = (
            "API token" if settings.token else f"service app {settings.client_id}" + (", DPoP" if settings.dpop else "")
        )

        def tell(page: Page) -> str:
            more = "more than " if page.next else ""
            limit = f"; Okta allows {page.limit} such calls a minute" if page.limit else ""
            return f"{settings.url} as {how}: {more}{len(page.body)} users{limit}"

        page = await self._try(subject, path, "users", tell)
        if page is None:
            return False
        if not settings.tls.verify:
            self._say(
                False, "tls", "the certificate is not checked", "remove verify: false; name your CA in tls.ca_file"
            )
        self._people.receive(page.body)
        self._addresses()
        return True

    def _addresses(self) -> None:
        users = self._people.users.values()
        names = ", ".join(self._settings.users.emails)
        if users:
            addressed = sum(1 for user in users if user.email)
            detail = f"{addressed} of {len(users)} users looked at have an address ({names})"
            cure = "" if addressed else f"mend users.email, or let the role see {names}"
            self._say(addressed > 0, "users.email", detail, cure)
        for why in sorted(set(self._people.unsyncable.values()))[:3]:
            self._say(False, "users", why, f"look at the user in the admin console; if all are like that: {ROLE}")

    async def _app(self) -> None:
        path = f"/api/v1/apps/{self._settings.app}"
        await self._try("app", path, "apps", lambda page: f"{page.body.get('label')}, {page.body.get('status')}")

    async def _groups(self) -> None:
        chosen = self._settings.groups
        if chosen:
            given = bool(chosen.filter or chosen.search)
            subject = "groups" if not given else "groups.filter" if chosen.filter else "groups.search"
            path = url_of("/api/v1/groups", filter=chosen.filter, search=chosen.search, limit=USERS_PAGE)
            if await self._try(subject, path, "groups", lambda page: f"{_number(page)} groups") is None:
                return
        await self._guarded("role", self._everyone)

    async def _everyone(self) -> None:
        counted = await self._queries.everyone()
        if self._settings.restricted_role:
            self._say(True, "role", RESTRICTED)
        elif counted is None:
            self._say(
                False,
                "role",
                "the group Everyone cannot be seen, so the administrator role is limited to some groups, and nobody's "
                "absence can be proven",
                f"{ROLE}; or set restricted_role: true if that is meant",
            )
        else:
            self._say(True, "role", f"sees the group Everyone, {counted} users")

    async def _roles(self) -> None:
        """Warns of more rights than reading needs, where the credentials may see their own."""
        if self._settings.token is None:
            return
        try:
            me = await self._client.get("/api/v1/users/me", "user")
            roles = await self._client.get(f"/api/v1/users/{me.body['id']}/roles", "roles")
        except Refused:
            return  # who may not see their roles has no wide ones
        wide = sorted({str(role.get("label") or role.get("type")) for role in roles.body if role.get("type") != ENOUGH})
        if wide:
            self._say(
                False,
                "role",
                f"the API token may do more than read: it has {', '.join(wide)} of the person who made it",
                "make the token as a person (best one for this alone) who has only Read-only Administrator, or use a "
                "service app with the scopes okta.users.read and okta.groups.read",
            )
        else:
            self._say(True, "role", "Read-only Administrator, and nothing more")

    async def _guarded(self, subject: str, ask: Callable[[], Awaitable[Any]]) -> None:
        try:
            await ask()
        except Refused as refused:
            self._say(False, subject, str(refused), cure_of(refused, self._settings))


def _number(page: Page) -> str:
    return f"more than {len(page.body)}" if page.next else str(len(page.body))


def _readable(_: Page) -> str:
    return "readable"
