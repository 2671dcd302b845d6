"""The one edge where Okta's package is used: GET requests, one page at a time. No exception of Okta's package and no
token gets past this module.

Only the request executor of the package is imported: it brings the official transport, OAuth and DPoP, and starts in
half a second. The generated models need six times as long, and reject a whole page for one unknown value; the
package's own pagination takes an error for the end of the data.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from okta.cache.no_op_cache import NoOpCache
from okta.constants import LOGGER_NAME
from okta.http_client import HTTPClient
from okta.request_executor import RequestExecutor

from dirconnector import __version__
from dirconnector.errors import ConfigError
from dirconnector.readers.okta.pace import Pace, date_of, limit_of
from dirconnector.readers.okta.settings import OktaSettings
from dirconnector.settings import Tls

TRIES = 5
"""So often a call is made that gets no answer, or one that says that the service is in trouble."""
LIMIT_TRIES = 20
"""So often a call is made that is refused for a limit."""
TROUBLE = frozenset({500, 502, 503, 504})
SMALLEST_PAGE = 25
CONNECT_SECONDS = 15.0
RENEW_MINUTES = 5
"""An access token is renewed so long before it expires."""
_NEXT = re.compile(r'<([^<>]*)>[^,]*;\s*rel="?next"?', re.IGNORECASE)
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


class _Connector(aiohttp.TCPConnector):
    """Can end its connections at once. aiohttp leaves those of calls that were cancelled waiting for the other side's
    goodbye (TLS close_notify), beyond the end of the loop.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: list[Any] = []

    async def _wrap_create_connection(self, *args: Any, **options: Any) -> Any:
        made = await super()._wrap_create_connection(*args, **options)
        self._made.append(made[0])
        return made

    async def abort(self) -> None:
        """End all connections that were ever made."""
        for transport in self._made:
            transport.abort()
        for _ in range(3):  # turns of the loop in which they are given up
            await asyncio.sleep(0)


class Client:
    """One organization's management API, as an asynchronous context manager. Raises :class:`ConfigError` when a secret,
    a key or a file of the TLS settings cannot be used.
    """

    def __init__(self, directory: str, settings: OktaSettings, pace: Pace) -> None:
        self._directory, self._settings, self._pace = directory, settings, pace
        self.earliest: float | None = None
        """The earliest Date of all answers: the service's clock when this began."""
        # at level DEBUG the package logs every request with its Authorization header, and errors with theirs
        logging.getLogger(LOGGER_NAME).disabled = True

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._context = _tls_context(self._directory, settings.tls)
        self._executor = _executor(self._directory, settings)
        self._connector = _Connector(ssl=self._context, limit=settings.concurrency)
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
        lasting = lasting or (isinstance(error, aiohttp.ClientConnectionError) and self.earliest is None)
        return _Reply(status=0, headers={}, told=told, lasting=lasting)


def url_of(path: str, **options: object) -> str:
    """A path with its options; those that are None are left out."""
    given = {name: str(value) for name, value in options.items() if value is not None}
    return f"{path}?{urlencode(given, quote_via=quote)}" if given else path


def smaller(path: str) -> str:
    """The same page with half as many entries: large pages time out (500) where entries are large."""
    parts = urlsplit(path)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not options.get("limit", "").isdecimal():
        return path
    return url_of(parts.path, **options | {"limit": max(SMALLEST_PAGE, int(options["limit"]) // 2)})


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


def next_of(links: tuple[str, ...]) -> str:
    """The path of the next page (RFC 8288), from all Link lines in whatever order; empty when there is none.

    Only path and query are taken: the token goes to no other host than the one in the config, and organizations with a
    custom domain may answer with their first name.
    """
    for line in links:
        found = _NEXT.search(line)
        if found:
            parts = urlsplit(found[1])
            return f"{parts.path}?{parts.query}" if parts.query else parts.path
    return ""


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


def _tls_context(directory: str, tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if tls.ca_file is None else str(tls.ca_file))
        if tls.ca_file is None:
            # where the computer has no list of its own, or an old one
            context.load_verify_locations(cafile=certifi.where())
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_cert is not None:
            context.load_cert_chain(tls.client_cert, tls.client_key)
    except (OSError, ssl.SSLError) as error:
        words = getattr(error, "strerror", None) or str(error)
        named = ", ".join(str(path) for path in (tls.ca_file, tls.client_cert, tls.client_key) if path is not None)
        raise ConfigError(f"{directory}: tls: {named or 'the default authorities'}: cannot be used ({words})") from None
    return context


def _executor(directory: str, settings: OktaSettings) -> Any:
    """The package's request executor. Its own repetitions are off: they wait without saying so, not at all for a 503,
    and give up where a header is missing.
    """
    config: dict[str, Any] = {
        "orgUrl": settings.url,
        "userAgent": f"dirsync/{__version__}",
        "requestTimeout": 0,
        "rateLimit": {"maxRetries": 0},
    }
    if settings.token is not None:
        config |= {"authorizationMode": "SSWS", "token": settings.token.reveal().strip()}
    else:
        assert settings.private_key is not None
        config |= {
            "authorizationMode": "PrivateKey",
            "clientId": settings.client_id,
            "scopes": list(settings.scopes),
            "privateKey": _private_key(directory, settings.private_key.reveal()),
            "oauthTokenRenewalOffset": RENEW_MINUTES,
            "dpopEnabled": settings.dpop,
        }
        if settings.key_id:
            config["kid"] = settings.key_id
    proxy = settings.proxy_url or _proxy_of_environment(settings.url)

    class Transport(HTTPClient):
        """The package takes HTTP_PROXY for https:// too, and does not know NO_PROXY."""

        def _setup_proxy(self, _: Any) -> str | None:
            return proxy or None

    # the package's functions have no types
    make: Any = RequestExecutor
    cache: Any = NoOpCache
    return make({"client": config}, cache(), http_client=Transport)


def _proxy_of_environment(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return "" if proxy_bypass(host) else getproxies().get("https", "")


def _private_key(directory: str, text: str) -> str | dict[str, str]:
    """The key as the package takes it: PEM, or a JWK of nothing but texts. Raises :class:`ConfigError`."""
    text = text.strip()
    if text.startswith("{"):
        try:
            read = json.loads(text)
        except ValueError:
            read = {}
        key: str | dict[str, str] = {name: value for name, value in read.items() if isinstance(value, str)}
    else:
        key = text
    if not _usable(key):
        raise ConfigError(
            f"{directory}: private_key is not an RSA private key without a passphrase, in PEM or as a JWK: take what "
            "the admin console showed under Public keys, Generate new key"
        )
    return key


def _usable(key: str | dict[str, str]) -> bool:
    from okta.jwt import JWT

    read: Any = JWT.get_PEM_JWK
    try:
        read(key)
    except Exception:  # the package raises what its three libraries for keys raise
        return False
    return True
