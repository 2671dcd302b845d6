"""Okta's own request executor, set up as the config says: credentials, TLS, proxy.

Only this part of the package is imported: it brings the official transport, OAuth and DPoP, and starts in half a
second. The generated models need six times as long, and reject a whole page for one unknown value; the package's own
pagination takes an error for the end of the data.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from okta.cache.no_op_cache import NoOpCache
from okta.constants import LOGGER_NAME
from okta.http_client import HTTPClient
from okta.jwt import JWT
from okta.request_executor import RequestExecutor

from dirconnector import __version__
from dirconnector.errors import ConfigError
from dirconnector.readers.okta.settings import OktaSettings
from dirconnector.settings import Tls

RENEW_MINUTES = 5
"""An access token is renewed so long before it expires."""


UNDER_WAY_SECONDS = 2.0
"""How long to wait for connections that are being made when nobody needs them any more."""


def silence() -> None:
    """At level DEBUG the package logs every request with its Authorization header, and errors with theirs."""
    logging.getLogger(LOGGER_NAME).disabled = True


class Connector(aiohttp.TCPConnector):
    """Can end its connections at once. aiohttp leaves those of calls that were cancelled waiting for the other side's
    goodbye (TLS close_notify), beyond the end of the loop; and asyncio loses a connection whose making is cancelled in
    the middle of its TLS handshake, so none is.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: list[Any] = []
        self._under_way: set[asyncio.Task[Any]] = set()

    async def _wrap_create_connection(self, *args: Any, **options: Any) -> Any:
        task = asyncio.ensure_future(self._make(*args, **options))
        self._under_way.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def _make(self, *args: Any, **options: Any) -> Any:
        made = await super()._wrap_create_connection(*args, **options)
        self._made.append(made[0])
        return made

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it gets it; nobody may be waiting any more

    async def abort(self) -> None:
        """End all connections that were ever made, and wait a moment for those that are being made."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=UNDER_WAY_SECONDS)
        for transport in self._made:
            transport.abort()
        for _ in range(3):  # turns of the loop in which they are given up
            await asyncio.sleep(0)


def tls_context(directory: str, tls: Tls) -> ssl.SSLContext:
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


class _LoadedKey:
    """A key of the package that is exported once. The package writes it as PEM and reads it again for each proof of
    possession, which takes a tenth of a second for each call to Okta.
    """

    def __init__(self, key: Any) -> None:
        self._loaded = load_pem_private_key(key.export_key(), None)

    def export_key(self) -> Any:
        """The key, in the form of the library that signs with it."""
        return self._loaded


def make_executor(directory: str, settings: OktaSettings) -> Any:
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
    executor = make({"client": config}, cache(), http_client=Transport)
    if settings.dpop:
        generator = executor._oauth.get_dpop_generator()
        generator._rsa_key = _LoadedKey(generator._rsa_key)
    return executor


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
    read: Any = JWT.get_PEM_JWK
    try:
        read(key)
    except Exception:  # the package raises what its three libraries for keys raise
        return False
    return True
