"""Readers of the emulator of Okta, with a clock that does not make anybody wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from dirconnector.readers.okta import OktaReader, OktaSettings
from tests.emulators.okta import OktaEmulator

HOUR = 3600.0


@dataclass
class Waiting:
    """Seconds that pass at once, for the emulator, too."""

    okta: OktaEmulator
    naps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.okta.state.now()

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.okta.state.advance(seconds)
        await asyncio.sleep(0)


def reader_of(
    okta: OktaEmulator, *, attributes: frozenset[str] = frozenset(), waiting: Waiting | None = None, **settings: Any
) -> OktaReader:
    """A reader with an API token, or with whatever ``settings`` say. The environment has the secrets."""
    given = {"url": okta.url, "tls": {"ca_file": str(okta.ca_file)}, **settings}
    if "client_id" not in given:
        given.setdefault("token", {"env": "OKTA_TOKEN"})
    waiting = waiting or Waiting(okta)
    return OktaReader("hq", OktaSettings.model_validate(given), attributes, clock=waiting.clock, sleep=waiting.sleep)


def as_app(okta: OktaEmulator) -> dict[str, Any]:
    """Settings of the emulator's service app."""
    return {"client_id": okta.service_app.client_id, "private_key": {"env": "OKTA_PRIVATE_KEY"}}
