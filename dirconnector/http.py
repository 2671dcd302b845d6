"""HTTP for everything that speaks it: one session, TLS and proxy of the config, and one way to say "no answer".

Nothing here repeats a request, follows a redirect, or knows what a status means: only the caller can know what is
safe. Neither headers nor bodies are ever logged or put into a message: they hold secrets.
"""

from __future__ import annotations

import json
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning, MaxRetryError, NewConnectionError

from dirconnector import __version__
from dirconnector.errors import ConfigError
from dirconnector.settings import Tls

USER_AGENT = f"dirsync/{__version__}"


class NoAnswer(Exception):
    """There is no answer, or no whole one. The message says why, and what to do.

    ``sent`` is False when the request certainly never reached the server, so that it may be repeated whatever it
    does. ``lasting`` is True when repeating cannot help.
    """

    def __init__(self, why: str, *, sent: bool, lasting: bool = False) -> None:
        self.sent = sent
        self.lasting = lasting
        super().__init__(why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer, whatever its status. ``headers`` find names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, **options: Any) -> Any:
        """The body as JSON. Raises ValueError when it is none. ``options`` are those of :func:`json.loads`."""
        return json.loads(self.body, **options)

    @property
    def retry_after(self) -> float | None:
        """Seconds of the Retry-After header (RFC 9110 section 10.2.3); None without one, or when it is a date."""
        value = self.headers.get("Retry-After", "").strip()
        return float(value) if value.isdecimal() else None


class _Adapter(HTTPAdapter):
    """An adapter with a TLS context of its own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As the base, with the context."""
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        """As the base, with the context."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options, ssl_context=self._context)
        return manager


class _Session(requests.Session):
    """A session whose ``verify`` holds: requests lets REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE win over it."""

    def merge_environment_settings(self, *args: Any, **options: Any) -> Any:
        merged = super().merge_environment_settings(*args, **options)
        merged["verify"] = self.verify
        return merged


class Http:
    """A connection to one server, opened when it is first needed.

    ``proxy`` is the URL of a proxy; without it HTTPS_PROXY and NO_PROXY of the environment decide. ``timeout`` is
    how many seconds to wait for a sign of life.
    """

    def __init__(self, tls: Tls, *, proxy: str = "", timeout: float = 60.0) -> None:
        self._tls = tls
        self._proxies = {"http": proxy, "https": proxy} if proxy else None
        self._timeout = timeout
        self._session: requests.Session | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send one request, once. Raises :class:`NoAnswer`, and :class:`ConfigError` when a file of the TLS settings
        cannot be used.
        """
        if self._session is None:
            self._session = _session(self._tls)
        answer, failure = self._answer_or_failure(
            self._session, method, url, headers, body, max(timeout or 0.0, self._timeout)
        )
        # not raised where it was noticed: what was caught there holds the request, with its secrets
        if failure is not None:
            raise failure
        assert answer is not None
        return answer

    def _answer_or_failure(
        self,
        session: requests.Session,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> tuple[Answer | None, NoAnswer | None]:
        try:
            with warnings.catch_warnings():
                # whoever switched verification off did so by name, and `check` says so
                warnings.simplefilter("ignore", InsecureRequestWarning)
                response = session.request(
                    method,
                    url,
                    headers=dict(headers),
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                    proxies=self._proxies,
                    # without one, an entry of ~/.netrc would replace the Authorization header
                    auth=_as_it_is,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return None, _no_answer(error, url, timeout)
        return Answer(status=response.status_code, headers=response.headers, body=response.content), None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _session(tls: Tls) -> requests.Session:
    """A session that trusts ``ca_file`` alone, or the computer's authorities, or (``verify: false``) anybody."""
    session = _Session()
    session.headers["User-Agent"] = USER_AGENT
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
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
        raise ConfigError(f"organization.tls: {named or 'the default authorities'}: cannot be used ({words})") from None
    session.verify = str(tls.ca_file) if tls.ca_file is not None and tls.verify else tls.verify
    session.mount("https://", _Adapter(context))
    return session


def _no_answer(error: Exception, url: str, timeout: float) -> NoAnswer:
    where = urlsplit(url)
    host = f"{where.scheme}://{where.netloc.rpartition('@')[2]}"
    cause = _cause(error)
    words = str(getattr(cause, "strerror", None) or cause)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        reason = getattr(cause, "verify_message", "") or "it is not trusted"
        return NoAnswer(
            f"{host}: the certificate of the server is refused ({reason}). If it comes from your own authority, name "
            "that in tls.ca_file; if the name is another, correct the URL",
            sent=False,
            lasting=True,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return NoAnswer(f"{host}: the proxy does not let us through ({words}). Look at the proxy setting", sent=False)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NoAnswer(f"{host}: no connection within {timeout:g} s. {_CURE}", sent=False)
    if isinstance(error, requests.exceptions.Timeout):
        return NoAnswer(f"{host}: no answer within {timeout:g} s", sent=True)
    if _not_connected(error):
        return NoAnswer(f"{host}: no connection ({words}). {_CURE}", sent=False)
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return NoAnswer(f"{host}: this is no URL that can be asked", sent=False, lasting=True)
    return NoAnswer(f"{host}: the connection broke before the answer was complete ({type(cause).__name__})", sent=True)


_CURE = "Is the URL right, does the server run, and does this machine need a proxy to reach it?"


def _not_connected(error: Exception) -> bool:
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    return isinstance(reason, NewConnectionError)


def _cause(error: BaseException) -> BaseException:
    """The innermost exception: the one with words of its own."""
    inner: BaseException | None = error
    while inner is not None:
        error = inner
        inner = inner.__cause__ or inner.__context__
    return error
