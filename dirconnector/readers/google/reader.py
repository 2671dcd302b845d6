"""The reader of ``kind: google``. The vendor's library is imported when it connects, and not before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from dirconnector.errors import ConfigError, DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.http import NoAnswer
from dirconnector.model import Finding, Progress, Snapshot, no_progress
from dirconnector.readers.google.pace import Pace
from dirconnector.readers.google.refusals import (
    GROUP_SCOPE,
    USER_SCOPE,
    ApiError,
    TokenError,
    Who,
    api_cure,
    token_cure,
    told,
)
from dirconnector.readers.google.settings import GoogleSettings

if TYPE_CHECKING:
    from dirconnector.readers.google.client import Client


class GoogleReader:
    """A directory of kind ``google``; see :class:`GoogleSettings`.

    It reads everything each time: Google tells neither what changed nor what is gone since a point in time, for users
    and for groups alike.
    """

    settings_class = GoogleSettings

    def __init__(
        self,
        name: str,
        settings: GoogleSettings,
        attributes: frozenset[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._attributes = attributes
        self._clock = clock
        self._sleep = sleep

    def read(self, progress: Progress) -> Snapshot:
        """See :class:`~dirconnector.readers.Reader`."""
        progress = _one_at_a_time(progress)
        pace = self._pace(progress)
        who = Who(email="the service account", client_id="", subject=self._settings.subject)
        failure: DirectoryError
        try:
            with self._connected(pace) as client:
                from dirconnector.readers.google.reading import Reading

                who = client.who
                client.open(*self.scopes)
                return Reading(self._name, self._settings, self._attributes, client, pace, progress).whole()
        except ApiError as error:
            failure = _api_failure(self._name, error, who)
        except TokenError as error:
            failure = _token_failure(self._name, error, who, self.scopes)
        except NoAnswer as error:
            failure = DirectoryUnreachable(self._name, str(error))
        # not raised where it was noticed: the cause has nothing that is not in the message
        raise failure

    def check(self) -> Iterator[Finding]:
        """See :class:`~dirconnector.readers.Reader`."""
        try:
            with self._connected(self._pace(no_progress)) as client:
                from dirconnector.readers.google.checking import findings

                yield from findings(client, self._settings, self._attributes, self.scopes)
        except NoAnswer as error:
            cure = "do what the message says and check again"
            yield Finding(ok=False, subject="connection", detail=str(error), cure=cure)
        except TokenError as error:
            yield Finding(ok=False, subject="token", detail=f"no token ({error})", cure="check again later")

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the delegation has to allow."""
        return (USER_SCOPE, GROUP_SCOPE) if self._settings.groups else (USER_SCOPE,)

    def _pace(self, progress: Progress) -> Pace:
        return Pace(
            self._settings.queries_per_minute,
            self._settings.parallel,
            progress,
            clock=self._clock,
            sleep=self._sleep,
        )

    @contextmanager
    def _connected(self, pace: Pace) -> Iterator[Client]:
        try:
            from dirconnector.readers.google.client import Client
        except ImportError as error:
            missing = error.name
        else:
            with closing(Client(self._name, self._settings, pace)) as client:
                yield client
            return
        raise ConfigError(
            f"directories.{self._name}: kind google needs the package {missing}: pip install 'dirconnector[google]'"
        )


def _one_at_a_time(progress: Progress) -> Progress:
    """A display is written for one caller; the threads of a read take turns."""
    lock = threading.Lock()

    def report(phase: str, done: int, total: int | None) -> None:
        with lock:
            progress(phase, done, total)

    return report


def _api_failure(directory: str, error: ApiError, who: Who) -> DirectoryError:
    message = f"{error.what}: Google answered {told(error)}; {api_cure(error, who)}"
    return DirectoryUnreachable(directory, message) if error.passing else DirectoryRefused(directory, message)


def _token_failure(directory: str, error: TokenError, who: Who, scopes: tuple[str, ...]) -> DirectoryError:
    if error.passing:
        return DirectoryUnreachable(directory, f"Google gave no token ({error}); run again later")
    return DirectoryRefused(
        directory, f"Google gave no token to {who.email} for {who.subject} ({error}); {token_cure(error, who, scopes)}"
    )
