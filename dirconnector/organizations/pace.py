"""The pace towards a server that limits how often it may be asked, shared by all processes of one machine.

A server counts what comes from one address, whoever sent it. So the times of the last calls are kept in a small file
for each host, and every call waits there for its turn. The windows slide and a call counts until it was answered: so
however the server places its minutes, none of them holds more than the limit.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from dirconnector.errors import StateError
from dirconnector.folders import own_folder
from dirconnector.model import Progress

WAITING = "waiting for the server's limit"
"""The phase of :data:`~dirconnector.model.Progress` while waiting; ``done`` is the seconds that are left."""

STALE = 600.0
"""Seconds after which a call without an end is taken for one of a process that was killed."""


class Limit(NamedTuple):
    """At most ``calls`` in any ``seconds``."""

    calls: int
    seconds: float


Limits = Mapping[str, Sequence[Limit]]
"""Kind of a call (``read``, ``write``, ``token``) -> what limits it. A kind that is not in it has no limit."""


class Turn(NamedTuple):
    """One call: when it began, and when it was answered (None while it is open)."""

    begun: float
    ended: float | None

    def counts_at(self, now: float) -> float:
        """The last moment at which the server may have counted it."""
        if self.ended is not None:
            return self.ended
        return now if self.begun > now - STALE else self.begun


class Pacer:
    """Gives turns to calls towards one host.

    ``clock`` counts seconds, the same in every process of the machine; ``sleep`` waits. ``folder`` is where the file
    is, a folder of this user when None.
    """

    def __init__(
        self,
        host: str,
        limits: Limits,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._limits = limits
        self._folder = folder
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def turn(self, kind: str, progress: Progress) -> Iterator[None]:
        """Wait until a call of this kind is within the limits, and count it until the end of the block.

        Raises :class:`StateError` when the file cannot be used: without it nobody knows what others have sent.
        """
        if not self._limits.get(kind):
            yield
            return
        begun = self._take(kind, progress)
        try:
            yield
        finally:
            self._end(kind, begun)

    def limit(self, limits: Limits) -> None:
        """From now on, these are the limits."""
        self._limits = limits

    def pause(self, kind: str, seconds: float) -> None:
        """The server said that it wants no call of this kind for so long: nobody sends one."""
        if self._limits.get(kind):
            with self._turns() as file:
                file["pause"][kind] = max(file["pause"].get(kind, 0.0), self._clock() + seconds)

    def _take(self, kind: str, progress: Progress) -> float:
        while True:
            with self._turns() as file:
                now = self._clock()
                turns = file["turns"].setdefault(kind, [])
                wait = max(file["pause"].get(kind, now) - now, wait_for(turns, self._limits[kind], now))
                if wait <= 0:
                    turns.append(Turn(now, None))
                    return now
            progress(WAITING, math.ceil(wait), None)
            # in steps: others may have ended meanwhile, and somebody may be watching
            self._sleep(min(wait, 1.0))

    def _end(self, kind: str, begun: float) -> None:
        with self._turns() as file:
            turns = file["turns"].get(kind, [])
            mine = next((i for i, turn in enumerate(turns) if turn == (begun, None)), None)
            if mine is not None:
                turns[mine] = Turn(begun, self._clock())

    @contextmanager
    def _turns(self) -> Iterator[dict[str, Any]]:
        """The content of the file, for one process at a time; what the block makes of it is kept."""
        path = self._path()
        try:
            with FileLock(path.with_suffix(".lock"), mode=0o600, thread_local=False).acquire(poll_interval=0.002):
                content = self._content(path)
                yield content
                _write(path, json.dumps(content))
        except OSError as error:
            raise StateError(
                f"{path}: the pace towards {self._host} cannot be kept ({error.strerror}). Give the user who runs "
                "dirsync the right to write this folder, or set XDG_STATE_HOME to one that can be written"
            ) from None

    def _path(self) -> Path:
        slug = re.sub(r"[^a-z0-9]+", "-", self._host.lower()).strip("-")[:40]
        digest = hashlib.sha256(self._host.lower().encode()).hexdigest()[:16]
        folder = own_folder("pace") if self._folder is None else self._folder
        return folder / f"{slug or 'host'}-{digest}.json"

    def _content(self, path: Path) -> dict[str, Any]:
        now = self._clock()
        try:
            data = json.loads(path.read_bytes())
            turns = {kind: [Turn(*turn) for turn in data["turns"][kind]] for kind in data["turns"]}
            # further ahead than any server asks for: the clock has started again
            pause = {kind: float(until) for kind, until in data["pause"].items() if until < now + STALE}
        except FileNotFoundError:
            turns, pause = {}, {}
        except (ValueError, LookupError, TypeError, AttributeError):
            # nobody knows what was sent: as if every limit had just been reached
            most = {kind: max(limit.calls for limit in limits) for kind, limits in self._limits.items() if limits}
            turns, pause = {kind: [Turn(now, now)] * number for kind, number in most.items()}, {}
        return {"turns": {kind: self._kept(kind, turns[kind], now) for kind in turns}, "pause": pause}

    def _kept(self, kind: str, turns: Iterable[Turn], now: float) -> list[Turn]:
        longest = max((limit.seconds for limit in self._limits.get(kind, ())), default=60.0)
        return [turn for turn in (_not_ahead(t, now) for t in turns) if turn.counts_at(now) > now - longest]


def wait_for(turns: Iterable[Turn], limits: Iterable[Limit], now: float) -> float:
    """Seconds until one more call is within the limits. Pure."""
    counted = sorted(turn.counts_at(now) for turn in turns)
    return max((_wait(counted, limit, now) for limit in limits), default=0.0)


def _wait(counted: Sequence[float], limit: Limit, now: float) -> float:
    if len(counted) < limit.calls:
        return 0.0
    # the call that has to leave the window before another one may enter it
    return counted[-limit.calls] + limit.seconds - now


def _not_ahead(turn: Turn, now: float) -> Turn:
    """A clock that starts again with the machine leaves times that are yet to come: they count as now."""
    return Turn(min(turn.begun, now), None if turn.ended is None else min(turn.ended, now))


def _write(path: Path, text: str) -> None:
    """All or nothing: a process may be killed here."""
    new = path.with_suffix(f".{os.getpid()}.new")
    file = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    new.replace(path)
