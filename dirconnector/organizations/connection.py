"""Speaking to a server of Bitwarden's API: the token, the pace, and what may be repeated.

What is repeated here is what cannot do harm: a request that was never sent, one that was refused before anything was
done (401 once, with a new token; 429 after the time that the server names), and one that the caller calls repeatable.
Everything else whose end is not known ends as :class:`Unclear`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from dirconnector.errors import OrganizationRefused, OrganizationUnreachable
from dirconnector.http import Answer, Http, NoAnswer
from dirconnector.model import Progress, no_progress
from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.pace import WAITING, Pacer
from dirconnector.organizations.refusals import refused
from dirconnector.organizations.server import ServerSettings, Urls, host_of

ATTEMPTS = 4
"""How often a request is made before it counts as failed."""

BACKOFF = 0.5
"""Seconds before the first repetition; each further one waits twice as long."""

LIMITED_ATTEMPTS = 8
"""How often a request may meet the server's limit."""

LONGEST_RETRY_AFTER = 900.0
NO_RETRY_AFTER = 60.0
"""Seconds to wait after a 429 that does not say how long (Vaultwarden's login limiter: one login a minute)."""

TOKEN_MARGIN = 60.0
"""Seconds before its end at which a token is not used any more."""

RATE_LIMIT_HEADER = "X-Rate-Limit-Limit"
"""The library behind the limits of Bitwarden's cloud sends it with every allowed answer (AspNetCoreRateLimit)."""

GATEWAY = frozenset({502, 503, 504})

Refusal = Callable[[ApiRefused], bool]


class Unclear(OrganizationUnreachable):
    """The request was sent and nobody knows what became of it: it may have been, or still be, carried out.

    ``seconds`` is how long it took until the answer failed to come.
    """

    def __init__(self, why: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(why)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The clock (seconds, the same for all processes of this machine) and how to wait; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


REAL = Timing()
"""The machine's own."""


class Token:
    """The access token, kept in this process for its hour. It is never written to a disk: whoever has it is an owner
    of the organization.
    """

    def __init__(self, settings: ServerSettings, extra: Mapping[str, str]) -> None:
        self._settings = settings
        self._extra = extra
        self._value = ""
        self._until = 0.0

    def __repr__(self) -> str:
        return "Token(***)"

    def usable(self, now: float) -> str:
        """The token, empty when a new one is needed."""
        return self._value if now < self._until else ""

    def drop(self) -> None:
        """It was refused."""
        self._until = 0.0

    def form(self) -> bytes:
        """The request for a new one (OAuth 2.0 client credentials, RFC 6749 section 4.4). Reads the secret."""
        settings = self._settings
        fields = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.reveal(),
            "scope": "api.organization",
            **self._extra,
        }
        return urlencode(fields).encode()

    def take(self, answer: Answer, now: float) -> None:
        """Keep the token of an answer. Raises :class:`OrganizationRefused` when there is none in it."""
        try:
            body = answer.json()
            value, seconds = str(body["access_token"]), float(body.get("expires_in", 3600))
        except (ValueError, LookupError, TypeError, AttributeError):
            value, seconds = "", 0.0
        if not value:
            raise OrganizationRefused("the answer of the identity service holds no token: is the URL right?")
        self._value = value
        self._until = now + max(seconds - TOKEN_MARGIN, seconds / 2)


class Connection:
    """Requests to one server, one after the other.

    ``explain`` makes an error of what the token endpoint refuses. ``limited`` is called when an answer shows that the
    server counts requests. ``progress`` is told of every wait.
    """

    def __init__(
        self,
        urls: Urls,
        http: Http,
        token: Token,
        *,
        pacer: Pacer,
        identity_pacer: Pacer,
        timing: Timing = REAL,
        explain: Callable[[ApiRefused], OrganizationRefused] = lambda error: error,
        limited: Callable[[], None] = lambda: None,
        progress: Progress = no_progress,
    ) -> None:
        self.urls = urls
        self.timing = timing
        self.progress = progress
        self._http = http
        self._token = token
        self._pacer = pacer
        self._identity_pacer = identity_pacer
        self._explain = explain
        self._limited = limited

    def get(self, path: str) -> Answer:
        """Read something. Raises :class:`ApiRefused` and :class:`OrganizationUnreachable`."""
        return self._call("GET", path, None, repeatable=True)

    def write(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        repeatable: bool,
        done: Refusal = lambda error: False,
        timeout: float | None = None,
    ) -> Answer:
        """Change something. ``repeatable`` says that making it twice is the same as once.

        ``done`` recognises the refusal that says so when an attempt of before was carried out after all; the answer
        then has no body. Raises :class:`ApiRefused`, :class:`OrganizationUnreachable`, and of these
        :class:`Unclear` when the request may have been carried out.
        """
        data = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return self._call(method, path, data, repeatable=repeatable, done=done, timeout=timeout)

    def authenticate(self) -> None:
        """Get a token, if there is none. Raises what the explanation makes of a refusal, and
        :class:`OrganizationUnreachable`.
        """
        if self._token.usable(self.timing.clock()):
            return
        form = self._token.form()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        attempt = _Attempts(self, self._identity_pacer, "token")
        while True:
            try:
                answer = attempt.send("POST", f"{self.urls.identity}/connect/token", headers, form, repeatable=True)
            except ApiRefused as error:
                raise self._explain(error) from None
            except Unclear as error:
                # about the token alone: what it was wanted for was not sent
                raise OrganizationUnreachable(str(error)) from None
            if answer is not None:
                self._token.take(answer, self.timing.clock())
                return

    def _call(
        self,
        method: str,
        path: str,
        data: bytes | None,
        *,
        repeatable: bool,
        done: Refusal = lambda error: False,
        timeout: float | None = None,
    ) -> Answer:
        attempt = _Attempts(self, self._pacer, "read" if method == "GET" else "write")
        renewed = False
        while True:
            self.authenticate()
            headers = {
                "Authorization": f"Bearer {self._token.usable(self.timing.clock())}",
                "Accept": "application/json",
            }
            if data is not None:
                headers["Content-Type"] = "application/json"
            try:
                answer = attempt.send(
                    method, f"{self.urls.api}{path}", headers, data, repeatable=repeatable, timeout=timeout
                )
            except ApiRefused as error:
                if error.status == 401 and not renewed:
                    # a 401 is a bad or expired token: one new one, once
                    renewed = True
                    self._token.drop()
                    continue
                if attempt.unclear and done(error):
                    return Answer(status=200, headers={}, body=b"")
                raise
            if answer is not None:
                return answer


class _Attempts:
    """The attempts at one request. :meth:`send` returns None when it has waited and the request is to be sent again."""

    def __init__(self, connection: Connection, pacer: Pacer, kind: str) -> None:
        self._connection = connection
        self._pacer = pacer
        self._kind = kind
        self._failed = 0
        self._limited = 0
        self.unclear = False
        """True when an earlier attempt may have been carried out."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        repeatable: bool,
        timeout: float | None = None,
    ) -> Answer | None:
        """One attempt. Raises :class:`ApiRefused` for a refusal, :class:`OrganizationUnreachable` when it is time
        to give up.
        """
        connection = self._connection
        with self._pacer.turn(self._kind, connection.progress):
            begun = connection.timing.clock()
            try:
                answer = connection._http.send(method, url, headers=headers, body=body, timeout=timeout)
            except NoAnswer as error:
                answer, silence = None, error
        seconds = connection.timing.clock() - begun
        if answer is None:
            self._silent(silence, seconds, repeatable=repeatable)
            return None
        if RATE_LIMIT_HEADER in answer.headers:
            connection._limited()
        if answer.status < 300:
            return answer
        if answer.status == 429:
            self._slow_down(answer)
            return None
        if answer.status in GATEWAY:
            gateway = (
                f"{host_of(url)}: what is in front of the server answered {answer.status}: the server was not there"
            )
            self._silent(NoAnswer(gateway, sent=True), seconds, repeatable=repeatable)
            return None
        if answer.status >= 500:
            self.unclear = True
            if repeatable and self._again():
                return None
        raise refused(answer)

    def _silent(self, silence: NoAnswer, seconds: float, *, repeatable: bool) -> None:
        self.unclear = self.unclear or silence.sent
        may = repeatable or not silence.sent
        if may and not silence.lasting and self._again():
            return
        if silence.sent:
            raise Unclear(str(silence), seconds)
        raise OrganizationUnreachable(str(silence))

    def _again(self) -> bool:
        self._failed += 1
        if self._failed >= ATTEMPTS:
            return False
        self._connection.timing.sleep(BACKOFF * 2 ** (self._failed - 1))
        return True

    def _slow_down(self, answer: Answer) -> None:
        """The limiter refuses before anything is done, so every request may be repeated."""
        seconds = NO_RETRY_AFTER if answer.retry_after is None else max(answer.retry_after, 1.0)
        self._limited += 1
        if self._limited >= LIMITED_ATTEMPTS or seconds > LONGEST_RETRY_AFTER:
            raise refused(answer)
        self._pacer.pause(self._kind, seconds)
        wait(seconds, self._connection.timing, self._connection.progress)


def wait(seconds: float, timing: Timing, progress: Progress, phase: str = WAITING) -> None:
    """Wait, and say each second how long still."""
    until = timing.clock() + seconds
    while (left := until - timing.clock()) > 0:
        progress(phase, int(left) + 1, None)
        timing.sleep(min(left, 1.0))
