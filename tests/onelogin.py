"""A OneLogin account in an emulator, readers of it, and a clock that tests turn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from dirconnector.readers.onelogin import OneLoginReader, OneLoginSettings
from dirconnector.readers.onelogin.throttle import Timing
from tests.emulators.onelogin import OneLoginEmulator


@dataclass(slots=True)
class Clock:
    """Time that passes only when somebody waits. ``naps`` are the waits, in seconds."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    @property
    def timing(self) -> Timing:
        return Timing(clock=lambda: self.now, sleep=self.sleep)


@contextmanager
def account(**options: Any) -> Iterator[OneLoginEmulator]:
    """A running emulator, its secrets in the environment."""
    with OneLoginEmulator(**options) as emulator, patch.dict(os.environ, emulator.env):
        yield emulator


def reader_of(
    emulator: OneLoginEmulator,
    attributes: frozenset[str] = frozenset(),
    *,
    clock: Clock | None = None,
    timing: Timing | None = None,
    **settings: Any,
) -> OneLoginReader:
    """A reader named ``hq``; ``settings`` add to or replace those of the emulator's config entry."""
    entry = {name: value for name, value in emulator.directory.items() if name != "kind"} | settings
    given = OneLoginSettings.model_validate(entry)
    return OneLoginReader("hq", given, attributes, timing=timing or (clock or Clock()).timing)
