"""Connecting and binding. The one edge where ldap3 is used for I/O: no exception of ldap3 and no password gets past
this module.
"""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

with warnings.catch_warnings():  # ldap3 2.9.1, the last release, imports names that pyasn1 0.6 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3
    from ldap3.core.exceptions import LDAPExceptionError

from dirconnector.errors import ConfigError, DirectoryRefused, DirectoryUnreachable
from dirconnector.readers.ldap.ber import Result
from dirconnector.readers.ldap.search import Wire, describe
from dirconnector.readers.ldap.settings import LdapSettings, as_tuple
from dirconnector.settings import Tls

CONNECT_SECONDS = 15
"""The longest wait for a TCP connection; ``timeout`` when that is shorter."""

BIND_DATA = {
    "525": "there is no such user",
    "52e": "the password is wrong (or the user name)",
    "530": "the account may not sign in at this hour",
    "531": "the account may not sign in from this machine",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed before the next sign-in",
    "775": "the account is locked",
}
"""``data XXX`` in Active Directory's answer to a failed bind (Win32 error codes in hexadecimal, [MS-ERREF])."""


class _StartTls(ldap3.Tls):
    """StartTLS with a context of the ssl module, which also checks the host name and sends it (ldap3's own does
    neither).
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__()
        self._context = context
        self._host = host
        self.failure: Exception | None = None

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        try:
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._host)
        except (OSError, ValueError) as error:
            self.failure = error
            raise


NOT_NOW = frozenset({51, 52})
"""busy and unavailable (RFC 4511 appendix A.2): another server of the directory may do better."""


class _NotNow(Exception):
    """This server did not finish the bind; says why. Nothing about the account is known."""


class _NotUpgraded(Exception):
    """StartTLS ended without TLS. Names the exception of ldap3."""


def _hand_over(connection: ldap3.Connection, connected: socket.socket) -> None:
    """Makes ldap3 use a socket that is connected already: then errors of sockets and TLS arrive as they are, and no
    socket leaks.
    """

    def take(address: Any, use_ssl: bool = False, unix_socket: bool = False) -> None:
        connection.socket = connected
        connection.closed = False

    connection.strategy._open_socket = take


class Session:
    """A bound connection to one of the servers of a directory. Used for one read, by one thread."""

    def __init__(self, directory: str, settings: LdapSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._urls = as_tuple(settings.url)
        self._next = 0
        self._connection: ldap3.Connection | None = None
        self._secret: str | None = None
        self.url = ""

    def open(self) -> Wire:
        """Connects to the first URL that answers, starting after the one that was used last, and binds. A server that
        breaks off the bind, or says that it is busy or unavailable, is passed over as well.

        Raises :class:`DirectoryUnreachable` with what each URL said, and :class:`DirectoryRefused` as soon as one
        server refuses the bind: the same password is not tried on the others, which would lock the account.
        """
        self.close()
        credentials = self._credentials()
        failures, first = [], self._next
        for turn in range(len(self._urls)):
            url = self._urls[(first + turn) % len(self._urls)]
            try:
                self._connect(url, credentials)
            except (OSError, ValueError, LDAPExceptionError, _NotUpgraded) as error:
                self.close()
                failures.append(f"{url}: {_why_not_connected(error, self._settings.tls)}")
                continue
            self.url, self._next = url, (first + turn + 1) % len(self._urls)
            try:
                return self._bind()
            except _NotNow as error:
                failures.append(f"{url}: {error}")
        raise DirectoryUnreachable(self._directory, "; ".join(failures))

    def close(self) -> None:
        """Hangs up. Never raises."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(Exception):  # a farewell; the connection may be in any state
            connection.unbind()
        if connection.socket is not None:
            connection.socket.close()

    @property
    def tls_version(self) -> str:
        """Like ``TLSv1.3``; empty when the connection is not encrypted."""
        connected = self._connection.socket if self._connection else None
        return (connected.version() or "") if isinstance(connected, ssl.SSLSocket) else ""

    def _password(self) -> str:
        """Read before anything is sent; an empty one never reaches the wire, where it would count as anonymous (RFC
        4513 section 5.1.2).
        """
        if self._settings.password is None:
            return ""
        if self._secret is not None:
            return self._secret
        try:
            self._secret = self._settings.password.reveal()
        except ConfigError as error:
            raise ConfigError([f"{self._directory}: password: {problem}" for problem in error.problems]) from None
        return self._secret

    def _connect(self, url: str, credentials: dict[str, Any]) -> None:
        parts = urlsplit(url)
        settings = self._settings
        connected = _socket(parts, min(CONNECT_SECONDS, settings.timeout))
        try:
            connected.settimeout(settings.timeout)
            host = _host(parts)
            # loading the system's CAs takes longer than many a search: only when they will be used
            context = tls_context(self._directory, settings.tls) if self._encrypted(parts) else None
            if context is not None and parts.scheme == "ldaps":
                connected = context.wrap_socket(connected, server_hostname=host)
            tls = None if context is None else _StartTls(context, host)
            server = ldap3.Server(host, port=parts.port or 389, tls=tls, get_info=ldap3.NONE)
            connection = ldap3.Connection(server, receive_timeout=settings.timeout, **credentials)
        except BaseException:
            connected.close()
            raise
        _hand_over(connection, connected)
        self._connection = connection
        connection.open(read_server_info=False)
        if tls is not None and settings.tls.start_tls:
            try:
                connection.start_tls(read_server_info=False)
            except Exception as error:  # whatever ldap3 makes of an answer that is not LDAP
                raise tls.failure or _NotUpgraded(type(error).__name__) from None

    def _encrypted(self, parts: SplitResult) -> bool:
        return parts.scheme == "ldaps" or self._settings.tls.start_tls

    def _credentials(self) -> dict[str, Any]:
        settings = self._settings
        if settings.bind == "anonymous":
            return {"authentication": ldap3.ANONYMOUS}
        if settings.bind == "sasl-external":
            return {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.EXTERNAL, "sasl_credentials": ""}
        if settings.bind == "sasl-gssapi":
            return {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.KERBEROS, "user": settings.bind_dn}
        kind = ldap3.NTLM if settings.bind == "ntlm" else ldap3.SIMPLE
        return {"authentication": kind, "user": settings.bind_dn, "password": self._password()}

    def _bind(self) -> Wire:
        connection = self._connection
        assert connection is not None
        with self._ldap3_errors():
            connection.bind(read_server_info=False)
        outcome = connection.result or {}
        result = Result(
            code=int(outcome.get("result", 80)),
            diagnostic=str(outcome.get("message") or "").rstrip("\0"),
            referrals=tuple(outcome.get("referrals") or ()),
        )
        if result.code in NOT_NOW:
            self.close()
            raise _NotNow(f"{describe(result)}; run again later, or add another server to url")
        if result.code != 0 or not connection.bound:
            self.close()
            raise DirectoryRefused(self._directory, f"{self.url}: {bind_refusal(result, self.who)}")
        return Wire(connection.socket, connection.server.next_message_id)

    @property
    def who(self) -> str:
        """Whom we bind as, in words."""
        return self._settings.bind_dn or {"anonymous": "anonymous"}.get(self._settings.bind, self._settings.bind)

    @contextmanager
    def _ldap3_errors(self) -> Iterator[None]:
        """What ldap3 raises during a bind, as our own errors. Its texts are not passed on: they may quote what was
        sent.
        """
        try:
            yield
        except (ImportError, ValueError) as error:
            self.close()
            why = _MISSING.get(self._settings.bind, f"failed in this program ({type(error).__name__})")
            raise DirectoryRefused(self._directory, f"bind: {self._settings.bind} {why}") from None
        except Exception as error:  # of ldap3, of gssapi, or whatever ldap3 makes of an answer that is not LDAP
            self.close()
            if self._settings.bind == "sasl-gssapi":
                cure = "is there a Kerberos ticket (klist), and does the URL name the host as in its service principal?"
            else:
                cure = "does the server speak LDAP on this port, and does it allow this kind of bind?"
            raise _NotNow(f"the bind did not finish ({type(error).__name__}); {cure}") from None


_MISSING = {
    "sasl-gssapi": "needs the package gssapi: pip install 'dirconnector[kerberos]'",
    "ntlm": "needs the MD4 hash, which this OpenSSL no longer has: pip install "
    "'dirconnector[ntlm]', or bind: simple over ldaps://",
}


def _host(parts: SplitResult) -> str:
    """The host of a URL; the path of a Unix socket is not one."""
    return "localhost" if parts.scheme == "ldapi" else parts.hostname or "localhost"


def _socket(parts: SplitResult, seconds: int) -> socket.socket:
    if parts.scheme == "ldapi":
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(seconds)
            connected.connect(unquote(parts.netloc))
        except OSError:
            connected.close()
            raise
        return connected
    port = parts.port or (636 if parts.scheme == "ldaps" else 389)
    connected = socket.create_connection((_host(parts), port), timeout=seconds)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def tls_context(directory: str, tls: Tls) -> ssl.SSLContext:
    """The ssl module's defaults (verification, host name, TLS 1.2 or newer) with this connection's files.

    Raises :class:`ConfigError` naming the file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=None if tls.ca_file is None else str(tls.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{directory}: tls.ca_file {tls.ca_file}: {_reason(error)}; it must be a PEM file of CA certificates"
        ) from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert is not None:
        try:
            # an encrypted key would ask on the terminal; an empty password makes it an error instead
            context.load_cert_chain(
                str(tls.client_cert), None if tls.client_key is None else str(tls.client_key), password=""
            )
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"{directory}: tls.client_cert {tls.client_cert}: {_reason(error)}; "
                "certificate and unencrypted key must be PEM files that belong together"
            ) from None
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _why_not_connected(error: Exception, tls: Tls) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        if error.verify_code in (62, 63, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_, _IP_ADDRESS_MISMATCH
            return f"the certificate is for another name: {why}; write in url a name that the certificate has"
        if error.verify_code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
            return f"the certificate is not valid now: {why}; renew it on the server, or set this machine's clock"
        where = "the CA in tls.ca_file did not issue it" if tls.ca_file else "give the server's CA as tls.ca_file"
        return f"the certificate is not trusted: {why}; {where}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'the server hung up'}); is this a TLS port, and does it offer TLS 1.2?"
    if isinstance(error, socket.gaierror):
        return f"the host name is not known ({error.strerror}); check url and DNS"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; check host and port"
    if isinstance(error, TimeoutError):
        return "no answer within the timeout; check host, port and firewalls"
    if isinstance(error, _NotUpgraded):
        return f"StartTLS did not succeed ({error}); use an ldaps:// URL, or enable TLS on the server"
    return _reason(error) if isinstance(error, OSError) else str(error)


def bind_refusal(result: Result, who: str) -> str:
    """A failed bind in words, with its cure. Pure."""
    _, found, rest = result.diagnostic.partition(" data ")
    data = rest.partition(",")[0].strip().lower() if found else ""
    if data in BIND_DATA:
        return f"bind as {who}: {BIND_DATA[data]} (data {data}); mend the account or bind_dn and password"
    cures = {
        8: "the server wants an encrypted connection: use an ldaps:// URL, or tls: {start_tls: true}",
        13: "the server wants an encrypted connection: use an ldaps:// URL, or tls: {start_tls: true}",
        48: "the server does not allow this kind of bind: give bind_dn and password, or another bind",
        49: "bind_dn or password is wrong",
        32: "there is no entry with the name in bind_dn",
        34: "bind_dn is not a DN, and this server wants one",
        53: "the server does not allow this bind (is it anonymous?): give bind_dn and password",
        7: "the server does not offer this SASL mechanism: choose another bind",
        10: f"the server sends us to {', '.join(result.referrals) or 'another server'}: write that in url",
    }
    cure = cures.get(result.code, "see the server's log for the reason")
    return f"bind as {who}: {describe(result)}; {cure}"
