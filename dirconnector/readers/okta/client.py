"""The one edge where Okta's package is used: GET requests, one page at a time. No exception of Okta's package and no
token gets past this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from dirconnector.readers.okta.pace import Pace, date_of, limit_of
from dirconnector.readers.okta.paging import next_of, smaller
from dirconnector.readers.okta.settings import OktaSettings
from dirconnector.readers.okta.transport import Connector, make_executor, silence, tls_context

TRIES = 5
"""So often a call is made that gets no answer, or one that says that the service is in trouble."""
LIMIT_TRIES = 20
"""So often a call is made that is refused for a limit."""
TROUBLE = frozenset({500, 502, 503, 504})
CONNECT_SECONDS = 15.0
_SCOPE = re.compile(r'scope="([\w. ]+)"')


class Broken(Exception):
    """No answer, or none that is worth anything. The message says why and what to do."""


class Refused(Exception):
    """Okta said no. ``code`` is its errorCode, or the ``error`` of the token endpoint; ``told`` is its own sentence;
    ``scope`` is the scope that an access token lacks.
    """

    def __init__(self, status: int, code: str, told: str, scope: str = "") -> None:
        self.status, self.code, self.told, self.scope = status, code, told, scope
        super().__init__(f"{status} {code}: {told}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer. ``next`` is the path of the next page, empty on the last one; ``date`` is the service's clock."""

    body: Any
    next: str
    date: float | None
    remaining: int | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """An answer of any status, or (status 0) why there is none; ``lasting`` when trying again cannot help."""

    status: int
    headers: Mapping[str, str]
    links: tuple[str, ...] = ()
    body: str = ""
    code: str = ""
    told: str = ""
    lasting: bool = False


class Client:
    """One organization's management API, as an asynchronous context manager. Raises :class:`ConfigError` when a secret,
    a key or a file of the TLS settings cannot be used.
    """

    def __init__(self, directory: str, settings: OktaSettings, pace: Pace) -> None:
        self._directory, self._settings, self._pace = directory, settings, pace
        self.earliest: float | None = None
        """The earliest Date of all answers: the service's clock when this began."""
        silence()

    async def __aenter__(self) -> Self:
        settings = self._settings
        context = tls_context(self._directory, settings.tls)
        self._executor = make_executor(self._directory, settings)
        self._connector = Connector(ssl=context, limit=settings.concurrency)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=settings.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._executor.set_session(self._session)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._connector.abort()

    async def get(self, path: str, bucket: str) -> Page:
        """One page. ``bucket`` names the limit that the call counts against. Raises :class:`Refused` and
        :class:`Broken`.
        """
        failures = refusals = renewals = 0
        while True:
            async with self._pace.turn(bucket):
                reply = await self._ask(path)
            date = date_of(reply.headers)
            if date is not None:
                self.earliest = date if self.earliest is None else min(date, self.earliest)
            limit = limit_of(reply.headers)
            if reply.status == 429:
                refusals += 1
                self._pace.refused(bucket, limit, refusals)
                if refusals >= LIMIT_TRIES:
                    raise Broken(
                        f"{self._where}: refused {refusals} times because of the rate limit. Other programs use up the "
                        "limit of this organization: see Reports, Rate limits in the admin console"
                    )
                continue
            if reply.status:
                self._pace.answered(bucket, limit)
            if 200 <= reply.status < 300:
                return _page(self._where, reply)
            if reply.status == 401 and reply.code == "E0000011" and not self._settings.token and not renewals:
                renewals += 1
                self._executor._oauth.clear_access_token()
            elif (reply.status == 0 and not reply.lasting) or reply.status in TROUBLE:
                failures += 1
                if failures >= TRIES:
                    raise Broken(f"{self._where}: {_trouble(reply)} ({failures} tries)")
                if failures > 1 and reply.status in (500, 504):
                    path = smaller(path)
                await self._pace.pause(2.0 ** (failures - 1))
            elif reply.status == 0:
                raise Broken(f"{self._where}: {reply.told}")
            else:
                raise _refused(reply)

    @property
    def _where(self) -> str:
        return self._settings.url

    async def _ask(self, path: str) -> _Reply:
        """One request, once. Nothing is raised where an exception of the package was caught: it would stay in the
        context, with the request and its secrets.
        """
        try:
            request, error = await self._executor.create_request("GET", f"{self._settings.url}{path}")
            response, body = None, None
            if error is None:
                _, response, body, error = await self._executor.fire_request(request)
        except Exception as raised:  # whatever the package, aiohttp or a broken answer may come up with
            response, error = None, raised
        if response is None:
            return self._of_error(error)
        code, told = _told(body)
        return _Reply(
            status=response.status,
            headers=response.headers,
            links=tuple(response.headers.getall("Link", ())),
            body=body or "",
            code=code,
            told=told,
        )

    def _of_error(self, error: object) -> _Reply:
        """What an error of the package means: one that the token endpoint sent, or no answer at all."""
        status = getattr(error, "status", None)
        if isinstance(status, int) and status:
            headers = getattr(error, "headers", None) or getattr(error, "response_headers", None) or {}
            code, told = str(getattr(error, "error_code", "")), str(getattr(error, "error_summary", ""))
            return _Reply(status=status, headers=headers, code=_clean(code), told=_clean(told))
        told, lasting = _no_answer(error, self._settings)
        # a server that has never answered is more likely not there than out of reach for a moment
        lasting = lasting or (isinstance(error, aiohttp.ClientConnectorError) and self.earliest is None)
        return _Reply(status=0, headers={}, told=told, lasting=lasting)


def _page(where: str, reply: _Reply) -> Page:
    try:
        body, readable = json.loads(reply.body), True
    except ValueError:
        body, readable = None, False
    if not readable:
        raise Broken(f"{where}: the answer is not JSON. Is url the address of an Okta organization?")
    limit = limit_of(reply.headers)
    return Page(
        body=body,
        next=next_of(reply.links),
        date=date_of(reply.headers),
        remaining=limit.remaining,
        limit=limit.limit,
    )


def _refused(reply: _Reply) -> Refused:
    challenge = reply.headers.get("WWW-Authenticate", "")
    scope = _SCOPE.search(challenge) if "insufficient_scope" in challenge else None
    return Refused(reply.status, reply.code, reply.told or "no reason given", scope[1] if scope else "")


def _told(body: str | None) -> tuple[str, str]:
    """errorCode and errorSummary of an error body, with its causes."""
    if not body or not body.lstrip().startswith("{"):
        return "", ""
    try:
        told = json.loads(body)
    except ValueError:
        return "", ""
    causes = told.get("errorCauses")
    more = [c.get("errorSummary", "") for c in causes if isinstance(c, dict)] if isinstance(causes, list) else []
    summary = told.get("errorSummary") or told.get("error_description") or ""
    return _clean(str(told.get("errorCode") or told.get("error") or "")), _clean("; ".join([str(summary), *more]))


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300].strip()


def _trouble(reply: _Reply) -> str:
    if reply.status == 0:
        return reply.told
    return f"Okta is in trouble: {reply.status} {reply.code} {reply.told}".rstrip() + "; see https://status.okta.com"


def _no_answer(error: object, settings: OktaSettings) -> tuple[str, bool]:
    """Why there is no answer, in words, and whether that lasts."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        reason = getattr(inner, "verify_message", "") or "it is not trusted"
        return (
            f"the certificate of the server is refused ({reason}). If it comes from your own authority, name that in "
            "tls.ca_file; if the name is another, correct the URL",
            True,
        )
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return "the proxy does not let us through. Look at the proxy setting, HTTPS_PROXY and NO_PROXY", False
    if isinstance(error, aiohttp.ClientConnectorError):
        words = getattr(error.os_error, "strerror", None) or type(error.os_error).__name__
        return f"no connection ({words}). Is the URL right, and does this machine need a proxy to reach it?", False
    if isinstance(error, TimeoutError):
        return f"no answer within {settings.timeout} s", False
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return f"the connection broke before the answer was complete ({type(error).__name__})", False
    return f"the request failed in this program ({type(error).__name__})", True
