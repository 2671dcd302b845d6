"""Speaking to OneLogin: the token, the pace, and what is repeated. All calls but the one for the token only read, so
that each may be repeated.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from dirconnector.errors import ConfigError, DirectoryRefused, DirectoryUnreachable
from dirconnector.http import Answer, Http, NoAnswer
from dirconnector.model import Progress
from dirconnector.readers.onelogin.refusal import CREDENTIALS, ApiRefused, words_of
from dirconnector.readers.onelogin.settings import OneLoginSettings
from dirconnector.readers.onelogin.throttle import LONGEST_WAIT, Throttle, Timing

TOKEN_PATH = "/auth/oauth2/v2/token"  # noqa: S105  (an address)
ATTEMPTS = 4
"""How often a call is made before it counts as failed."""

BACKOFF = 0.5
"""Seconds before the first repetition; each further one waits twice as long."""

LIMITED_ATTEMPTS = 6
"""How often one call may meet the limit."""


class Api:
    """One account, for one read. ``get`` may be used by several threads at once."""

    def __init__(self, directory: str, settings: OneLoginSettings, timing: Timing, progress: Progress) -> None:
        self.directory = directory
        self.base = settings.base
        self.throttle = Throttle(timing, progress, settings.concurrency)
        self._settings = settings
        self._timing = timing
        self._http = Http(settings.tls, proxy=settings.proxy_url, timeout=settings.timeout)
        self._token = ""
        self._token_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Api({self.base})"

    def close(self) -> None:
        """Close the connections; whoever waits gives up."""
        self.throttle.stop()
        self._http.close()

    def authenticate(self) -> None:
        """Get a token, if there is none. Raises :class:`DirectoryRefused` and :class:`DirectoryUnreachable`."""
        self._bearer()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """A call that succeeds; ``path`` begins with a slash, and may bring its own query.

        Raises :class:`ApiRefused` for any other status, :class:`DirectoryRefused` when the token or the quota does not
        last, :class:`DirectoryUnreachable` when there is no answer.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        renewed = False
        while True:
            token = self._bearer()
            answer = self._repeated("GET", target, {"Authorization": f"bearer {token}", "Accept": "application/json"})
            if answer.status == 401 and not renewed:
                # it may have expired; nobody can compute when, as the same pair gets the same token again and again
                renewed = True
                self._drop(token)
                continue
            if answer.status == 200:
                return answer
            raise self._refused(path, answer)

    # ----------------------------------------------------------------------------------------------------- the token

    def _bearer(self) -> str:
        with self._token_lock:
            if not self._token:
                self._token = self._new_token()
            return self._token

    def _drop(self, token: str) -> None:
        with self._token_lock:
            if self._token == token:
                self._token = ""

    def _new_token(self) -> str:
        """Client credentials (RFC 6749 section 4.4), sent as OneLogin documents it."""
        pair = f"client_id:{self._settings.client_id}, client_secret:{self._settings.client_secret.reveal()}"
        headers = {"Authorization": pair, "Content-Type": "application/json", "Accept": "application/json"}
        answer = self._repeated("POST", TOKEN_PATH, headers, b'{"grant_type":"client_credentials"}')
        if answer.status != 200:
            raise DirectoryRefused(self.directory, self._no_token(answer))
        token = _token_in(parsed(answer))
        if not token:
            raise DirectoryRefused(self.directory, f"{self._host}: {_STRANGE}")
        return token

    def _no_token(self, answer: Answer) -> str:
        words = words_of(parsed(answer))
        told = f"{self._host}: no token: {answer.status} {self._without_secrets(words)}".rstrip()
        if answer.status in (400, 401, 403):
            return (
                f"{told}: client_id and client_secret are not accepted. In OneLogin, under {CREDENTIALS}, look at the "
                "pair, or make a new one with the scope Read Users"
            )
        if answer.status >= 500:
            return (
                f"{told}: OneLogin fails, now or for good. It answers so for a pair whose owner was deleted: if it "
                f"goes on, make a new pair under {CREDENTIALS}"
            )
        return f"{told}: is that the address of your OneLogin account?"

    # --------------------------------------------------------------------------------------------------- the attempts

    def _repeated(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The answer to a call that was made as often as it takes: again after a 429, a 5xx and no answer."""
        failed = limited = 0
        while True:
            with self.throttle.turn():
                answer, silence = self._sent(method, target, headers, body)
            if answer is not None and answer.status == 429:
                seconds = self.throttle.note(429, answer.headers, limited)
                limited += 1
                if limited >= LIMITED_ATTEMPTS or seconds > LONGEST_WAIT:
                    raise DirectoryRefused(self.directory, self._used_up(seconds))
                continue
            if answer is not None:
                self.throttle.note(answer.status, answer.headers, limited)
            failed += 1
            if answer is not None and (answer.status < 500 or failed >= ATTEMPTS):
                return answer
            if answer is None and (failed >= ATTEMPTS or silence is None or silence.lasting):
                raise DirectoryUnreachable(self.directory, str(silence))
            self._timing.sleep(BACKOFF * 2 ** (failed - 1))

    def _sent(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Answer | None, NoAnswer | None]:
        try:
            return self._http.send(method, f"{self.base}{target}", headers=headers, body=body), None
        except NoAnswer as error:
            return None, error
        except ConfigError as error:
            problem = str(error).replace("organization.tls", f"directories.{self.directory}.tls", 1)
        raise ConfigError(problem)

    def _used_up(self, seconds: float) -> str:
        return (
            f"{self._host}: the account's limit of calls is used up for another {math.ceil(seconds)} s: run again "
            "later, or find out who else uses it (OneLogin counts per account)"
        )

    def _refused(self, path: str, answer: Answer) -> Exception:
        if 300 <= answer.status < 400:
            to = urlsplit(answer.headers.get("Location", "")).netloc or "another page"
            return DirectoryRefused(
                self.directory, f"{self._host} sends us to {to}: is that the address of your OneLogin account?"
            )
        if answer.status >= 500:
            return DirectoryUnreachable(self.directory, f"{self._host}: GET {path}: {answer.status}, {ATTEMPTS} times")
        return ApiRefused(path, answer.status, self._without_secrets(words_of(parsed(answer))))

    def _without_secrets(self, words: str) -> str:
        """A service that repeats what it was sent does not get it into our messages."""
        for secret in (self._settings.client_secret.reveal(), self._token):
            words = words.replace(secret, "***") if secret else words
        return words

    @property
    def _host(self) -> str:
        return urlsplit(self.base).netloc


_STRANGE = (
    "the answer is not what OneLogin's API answers: is the address right, and is nothing between that answers in its "
    "place?"
)


def strange(directory: str, path: str) -> DirectoryRefused:
    """Something else answered, with a success."""
    return DirectoryRefused(directory, f"GET {path}: {_STRANGE}")


def parsed(answer: Answer) -> Any:
    """The JSON of an answer, None when it is none: the parser's own error would hold the text, and with it a token."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _token_in(body: Any) -> str:
    """The token of a flat answer (v2), or of one that is wrapped as v1 does it."""
    if not isinstance(body, dict):
        return ""
    data = body.get("data")
    inner = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else body
    token = inner.get("access_token")
    return token if isinstance(token, str) else ""
