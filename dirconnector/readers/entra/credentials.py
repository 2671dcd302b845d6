"""Tokens, by Microsoft's own library: client secret or certificate (OAuth 2.0 client credentials)."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from dirconnector.errors import ConfigError, DirectoryRefused, DirectoryUnreachable
from dirconnector.http import Answer
from dirconnector.readers.entra.calls import Calls, GaveUp, Stopped
from dirconnector.readers.entra.refusals import token_refusal
from dirconnector.readers.entra.settings import Certificate, EntraSettings

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class Tokens:
    """The access token of one application. It stays in this process, and msal renews it in time."""

    def __init__(self, directory: str, settings: EntraSettings, calls: Calls) -> None:
        self._directory = directory
        self._settings = settings
        self._transport = _Transport(calls)
        self._lock = threading.Lock()
        self._app: Any = None

    def bearer(self) -> str:
        """The token. Raises :class:`DirectoryRefused`, :class:`DirectoryUnreachable`, and :class:`ConfigError` for a
        credential that cannot be used.
        """
        with self._lock:
            token, failure = self._token_or_failure()
        # not raised where it was noticed: what was caught there holds the secret
        if failure is not None:
            raise failure
        return token

    def renew(self) -> None:
        """The token was refused: the next one is a new one."""
        with self._lock:
            if self._app is not None:
                self._app.remove_tokens_for_client()

    def _token_or_failure(self) -> tuple[str, Exception | None]:
        try:
            if self._app is None:
                self._app = self._application()
            result = self._app.acquire_token_for_client(scopes=[self._settings.scope])
        except GaveUp as error:
            return "", DirectoryUnreachable(self._directory, f"login service: {error}")
        except Stopped:
            return "", Stopped()
        except ConfigError as error:
            return "", ConfigError(error.problems)
        except Exception:  # msal raises whatever the parsing of an unexpected answer meets; the answer says more
            return "", self._refused(self._transport.refused())
        if "access_token" not in result:
            return "", self._refused(result)
        return str(result["access_token"]), None

    def _refused(self, result: Mapping[str, Any]) -> DirectoryRefused:
        return DirectoryRefused(self._directory, token_refusal(result))

    def _application(self) -> Any:
        try:
            import msal  # type: ignore[import-untyped]  # it has no types
        except ImportError:
            raise ConfigError(
                f"directories.{self._directory}: the package msal is not installed (pip install 'dirconnector[entra]')"
            ) from None
        settings = self._settings
        credential: Any
        if settings.certificate is not None:
            credential = certificate_credential(settings.certificate, f"directories.{self._directory}.certificate")
        else:
            assert settings.client_secret is not None, "the settings have one of the two"
            credential = settings.client_secret.reveal()
        return msal.ConfidentialClientApplication(
            settings.client_id,
            client_credential=credential,
            authority=f"{settings.login}/{settings.tenant}",
            # the hosts are in the config: nobody else has to be asked whether they are Microsoft's
            instance_discovery=False,
            http_client=self._transport,
        )


def roles_of(token: str) -> frozenset[str] | None:
    """The application permissions in a token; None when it is not readable, which Microsoft reserves the right to."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    if not isinstance(claims, dict) or "aud" not in claims:
        return None
    roles = claims.get("roles", [])
    return frozenset(str(role) for role in roles) if isinstance(roles, list) else None


class _Reply:
    """An answer in the form that msal expects."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = dict(answer.headers)
        self.text = answer.body.decode("utf-8", "replace")

    def raise_for_status(self) -> None:
        """Never asked by msal for what this transport returns, and required of it."""
        if self.status_code >= 400:
            raise GaveUp(f"the login service answered {self.status_code}")


class _Transport:
    """The part of an HTTP session that msal uses, on our own connection: its TLS, proxy, and patience."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._last: Answer | None = None

    def get(self, url: str, *, params: Any = None, headers: Mapping[str, str] | None = None, **_: Any) -> _Reply:
        query = f"?{urlencode(params)}" if params else ""
        return self._reply(self._calls.send("GET", url + query, headers=headers or {}))

    def post(self, url: str, *, data: Any = None, headers: Mapping[str, str] | None = None, **_: Any) -> _Reply:
        body = data.encode() if isinstance(data, str) else urlencode(data or {}).encode()
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._reply(self._calls.send("POST", url, headers=sent, body=body))

    def close(self) -> None:
        """The connection belongs to somebody else."""

    def _reply(self, answer: Answer) -> _Reply:
        self._last = answer
        return _Reply(answer)

    def refused(self) -> Mapping[str, Any]:
        """The error in the last answer, empty when there is none."""
        try:
            found = self._last.json() if self._last is not None else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def certificate_credential(settings: Certificate, where: str) -> dict[str, str]:
    """The credential that msal makes a signed assertion of (RFC 7523). Raises :class:`ConfigError`."""
    password = settings.password.reveal().encode() if settings.password is not None else None
    credential, failure = _credential_or_failure(settings, password)
    if failure:
        raise ConfigError(f"{where}: {settings.file}: {failure}")
    return credential


def _credential_or_failure(settings: Certificate, password: bytes | None) -> tuple[dict[str, str], str]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    try:
        raw = settings.file.read_bytes()
        key, certificate = _key_and_certificate(raw, password)
        if key is None or certificate is None:
            return {}, "it must hold both the certificate and its private key"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = certificate.public_bytes(Encoding.PEM).decode()
    except OSError as error:
        return {}, f"cannot be read ({error.strerror or type(error).__name__})"
    except (ValueError, TypeError):
        given = "with this password" if password is not None else "without a password (give certificate.password)"
        return {}, f"is no PFX or PEM file that can be opened {given}"
    return {"private_key": private, "public_certificate": public}, ""


def _key_and_certificate(raw: bytes, password: bytes | None) -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
    from cryptography.x509 import load_pem_x509_certificate

    blocks = {match[1]: match[0] for match in reversed(list(_PEM.finditer(raw)))}
    if not blocks:
        key, certificate, _ = pkcs12.load_key_and_certificates(raw, password)
        return key, certificate
    private = next((block for name, block in blocks.items() if name.endswith(b"PRIVATE KEY")), None)
    public = blocks.get(b"CERTIFICATE")
    if private is None or public is None:
        return None, None
    encrypted = b"ENCRYPTED" in private
    return load_pem_private_key(private, password if encrypted else None), load_pem_x509_certificate(public)
