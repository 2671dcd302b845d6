"""Calls of the Directory API through google-api-python-client. Nothing but answers and our own errors leaves here."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import google_auth_httplib2
from google.auth import exceptions as auth_errors
from google.oauth2 import service_account
from googleapiclient import errors as api_errors
from googleapiclient.discovery import build

from dirconnector.errors import ConfigError
from dirconnector.http import Http, NoAnswer
from dirconnector.readers.google.attributes import JsonObject
from dirconnector.readers.google.pace import Pace
from dirconnector.readers.google.refusals import ApiError, TokenError, Who
from dirconnector.readers.google.settings import GoogleSettings
from dirconnector.readers.google.transport import Transport

TRIES = 5
"""So often a call is made that fails for a reason of the service's own, or gets no answer."""

LIMITED_SECONDS = 600.0
"""So long a call is made again that the service finds too fast."""


Failure = ApiError | TokenError | NoAnswer | ConfigError


class Page(NamedTuple):
    """One answer of a listing. ``last`` when the service gave no token for another one."""

    entries: list[JsonObject]
    last: bool


class Client:
    """A connection to the Directory API as ``subject``. Threads may share it; each has connections of its own."""

    def __init__(self, directory: str, settings: GoogleSettings, pace: Pace) -> None:
        self._directory = directory
        self._settings = settings
        self._pace = pace
        self._local = threading.local()
        self._transports: list[Transport] = []
        self._lock = threading.Lock()
        self._info = self._key_info()
        self._proxy = settings.proxy_url
        self.who = Who(
            email=str(self._info.get("client_email", "")),
            client_id=str(self._info.get("client_id", "")),
            subject=settings.subject,
        )
        self._credentials: Any = None
        self._api: Any = None

    # ---------------------------------------------------------------------------------------------- connection

    def open(self, *scopes: str) -> None:
        """Get a token for these scopes. Raises :class:`TokenError` and :class:`NoAnswer`."""
        # the library warns of every call that is refused, with the whole answer; we say it better
        logging.getLogger("googleapiclient.http").setLevel(logging.ERROR)
        self.close()
        self._credentials = self._made_credentials(scopes)
        self._token(self._credentials)
        self._api = build(
            "admin",
            "directory_v1",
            http=self._authorized(),
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": self._settings.api_url},
        )

    def grants(self, scope: str) -> bool:
        """Whether there would be a token for this scope. Raises :class:`NoAnswer`, and :class:`TokenError` when the
        endpoint has a problem of its own.
        """
        try:
            self._token(self._made_credentials((scope,)))
        except TokenError as error:
            if error.passing:
                raise
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for transport in self._transports:
                transport.close()
            self._transports.clear()
            self._local = threading.local()

    def _key_info(self) -> JsonObject:
        where, text = self._key_text()
        try:
            info = json.loads(text)
        except ValueError:
            info = None
        wanted = ("client_email", "private_key")
        if not isinstance(info, dict) or not all(isinstance(info.get(name), str) for name in wanted):
            raise ConfigError(
                f"directories.{self._directory}: {where} is not the JSON key of a service account (Cloud console: "
                "IAM & Admin, Service accounts, Keys, Add key)"
            )
        return {**info, "token_uri": self._settings.token_url or info.get("token_uri") or TOKEN_URL}

    def _key_text(self) -> tuple[str, str]:
        settings = self._settings
        if settings.key is not None:
            return f"what {settings.key} holds", settings.key.reveal()
        assert settings.key_file is not None
        try:
            return str(settings.key_file), settings.key_file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"directories.{self._directory}.key_file: {settings.key_file} cannot be read ({why})")

    def _made_credentials(self, scopes: tuple[str, ...]) -> Any:
        made = self._credentials_or_none(scopes)
        if made is None:
            raise ConfigError(
                f"directories.{self._directory}: the private key in the service account's key is damaged: download "
                "a new one (Cloud console: IAM & Admin, Service accounts, Keys)"
            )
        return made

    def _credentials_or_none(self, scopes: tuple[str, ...]) -> Any:
        make: Any = service_account.Credentials.from_service_account_info
        # what is raised here may quote the key
        try:
            return make(self._info, subject=self._settings.subject, scopes=list(scopes))
        except (ValueError, TypeError, auth_errors.GoogleAuthError):
            return None

    def _authorized(self) -> google_auth_httplib2.AuthorizedHttp:
        """This thread's own connections."""
        authorized = getattr(self._local, "authorized", None)
        if authorized is None:
            http = Http(self._settings.tls, proxy=self._proxy, timeout=self._settings.timeout)
            transport = Transport(http)
            with self._lock:
                self._transports.append(transport)
            authorized = google_auth_httplib2.AuthorizedHttp(self._credentials, http=transport)
            self._local.authorized = authorized
        return authorized

    def _token(self, credentials: Any) -> None:
        request = google_auth_httplib2.Request(self._authorized().http)
        failure = self._failure_of(lambda: credentials.refresh(request))
        if failure is not None:
            raise failure

    # --------------------------------------------------------------------------------------------------- calls

    def users(self, **params: str) -> Iterator[Page]:
        """Pages of ``users.list``."""
        return self._pages("users", self._api.users(), maxResults=500, **params)

    def groups(self, **params: str) -> Iterator[Page]:
        """Pages of ``groups.list``."""
        return self._pages("groups", self._api.groups(), maxResults=200, **params)

    def members(self, group: str) -> Iterator[Page]:
        """Pages of ``members.list``: direct members."""
        fields = "kind,nextPageToken,members(id,email,type)"
        return self._pages("members", self._api.members(), groupKey=group, maxResults=200, fields=fields)

    def user(self, key: str) -> JsonObject:
        """``users.get``."""
        return self._called(self._api.users().get(userKey=key, fields="kind,id,isAdmin"), "user")

    def group(self, key: str) -> JsonObject:
        """``groups.get``."""
        return self._called(self._api.groups().get(groupKey=key, fields="kind,id"), "group")

    def one_user(self, **params: str) -> list[JsonObject]:
        """A page of ``users.list`` with one entry."""
        answer = self._called(self._api.users().list(maxResults=1, fields="kind,users(id)", **params), "users")
        return list(answer.get("users") or ())

    def one_group(self, **params: str) -> list[JsonObject]:
        """A page of ``groups.list`` with one entry."""
        answer = self._called(self._api.groups().list(maxResults=1, fields="kind,groups(id)", **params), "groups")
        return list(answer.get("groups") or ())

    def _pages(self, name: str, collection: Any, **params: Any) -> Iterator[Page]:
        request = collection.list(**params)
        while request is not None:
            answer = self._called(request, name)
            request = collection.list_next(request, answer)
            # the key is absent when a page is empty
            yield Page(list(answer.get(name) or ()), last=request is None)

    def _called(self, request: Any, kind: str) -> JsonObject:
        """The answer to a request, made again while that may help. Raises :class:`ApiError`, :class:`TokenError` and
        :class:`NoAnswer`.
        """
        attempt, first = 0, None
        while True:
            with self._pace.turn() as began:
                first = began if first is None else first
                answer, failure = self._answer_or_failure(request, kind)
                if failure is None:
                    self._pace.succeeded()
                    return answer
                if isinstance(failure, ApiError) and failure.limited and began - first < LIMITED_SECONDS:
                    self._pace.objected(began, concurrency=failure.concurrency, retry_after=failure.retry_after)
                    continue
            attempt += 1
            if attempt >= TRIES or not _may_pass(failure):
                raise failure
            self._pace.failed(attempt)

    def _answer_or_failure(self, request: Any, kind: str) -> tuple[JsonObject, Failure | None]:
        answers: list[Any] = []
        failure = self._failure_of(lambda: answers.append(request.execute(http=self._authorized())), kind)
        if failure is not None:
            return {}, failure
        answer = answers[0]
        if not isinstance(answer, dict) or answer.get("kind") != f"admin#directory#{kind}":
            return {}, NoAnswer(f"{self._settings.api_url}: {NOT_GOOGLE}", sent=True, lasting=True)
        return answer, None

    def _failure_of(self, call: Callable[[], object], what: str = "") -> Failure | None:
        """What went wrong with a call, in our own words. It is given and not raised, so that nothing of the
        libraries, whose errors hold whole requests and answers, stays in a ``__context__``.
        """
        try:
            call()
        except api_errors.HttpError as error:
            return _api_error(error, what)
        except auth_errors.RefreshError as error:
            return _token_error(error)
        except NoAnswer as error:
            return NoAnswer(str(error), sent=error.sent, lasting=error.lasting)
        except auth_errors.GoogleAuthError as error:
            return TokenError("no token", type(error).__name__)
        except ConfigError as error:
            text = str(error).replace("organization.tls", f"directories.{self._directory}.tls")
            return ConfigError(text)
        except (ValueError, api_errors.Error):
            # no JSON, for example the page of a proxy
            return NoAnswer(f"{self._settings.api_url}: {NOT_GOOGLE}", sent=True, lasting=True)
        return None


TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address, no secret)
NOT_GOOGLE = (
    "what answered is not the Directory API. Is api_url right, and is there a proxy in between that answers itself?"
)


def _may_pass(failure: Failure) -> bool:
    if isinstance(failure, NoAnswer):
        return not failure.lasting
    return isinstance(failure, ApiError) and failure.passing


def _api_error(error: Any, what: str) -> ApiError:
    """Status, reason and message of ``{"error": {"code", "message", "errors": [{"reason"}]}}``."""
    status = int(error.resp.status)
    wait = str(error.resp.get("retry-after", ""))
    retry_after = float(wait) if wait.isdecimal() else None
    try:
        body = json.loads(error.content)["error"]
        details = [item for item in (body.get("errors") or ()) if isinstance(item, dict)]
        reason = str(details[0].get("reason") or "") if details else str(body.get("status") or "")
        return ApiError(status, reason, str(body.get("message") or ""), what=what, retry_after=retry_after)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ApiError(status, "", "an answer that is not Google's", what=what, retry_after=retry_after)


def _token_error(error: Any) -> TokenError:
    """Code and description of ``{"error", "error_description"}``; nothing else of what came back is shown."""
    body = error.args[1] if len(error.args) > 1 else None
    passing = bool(error.retryable)
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        return TokenError(body["error"], str(body.get("error_description") or ""), passing=passing)
    if passing:
        return TokenError("no token", "the token endpoint has a problem of its own", passing=True)
    return TokenError("no token", "what answered is not Google's token endpoint: check token_url and the proxy")
