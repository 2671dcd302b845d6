"""Settings of ``kind: bitwarden``, and what follows from them: the URLs and the pace."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator

from dirconnector.organizations.pace import Limit, Limits
from dirconnector.organizations.routes import CLOUD, Pace
from dirconnector.organizations.server import ServerSettings, Urls, is_cloud
from dirconnector.settings import Settings

REGIONS = {
    "us": Urls("https://identity.bitwarden.com", "https://api.bitwarden.com"),
    "eu": Urls("https://identity.bitwarden.eu", "https://api.bitwarden.eu"),
    "gov": Urls("https://identity.bitwarden-gov.com", "https://api.bitwarden-gov.com"),
}
"""bitwarden/server, ``src/Core/Settings/CloudRegionConfig.cs``."""

CLOUD_TOKENS_PER_MINUTE = 10
"""bitwarden/server, ``src/Identity/appsettings.json``: POST /connect/token."""

IDENTITY_PER_SECOND = 5
"""The same: anything of the identity service."""

SELF_HOSTED = Pace(read_latency=0.02, write_latency=0.05)
"""No limits; the latencies are what a server in the same building takes."""

MINUTE = 60.0


class PaceSettings(Settings):
    """How fast a server may be asked. What is not given has no limit, or in the cloud the cloud's limit."""

    writes_per_minute: int | None = Field(default=None, ge=1)
    writes_per_second: int | None = Field(default=None, ge=1)
    reads_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)


class BitwardenSettings(ServerSettings):
    """``organization`` with ``kind: bitwarden``.

    Exactly one of ``region`` (Bitwarden's cloud), ``server``, or ``identity_url`` and ``api_url``.
    ``verify_groups_per_run`` is how many groups have their members read in each run although they are known, those
    first that were not looked at for the longest time. ``settle_seconds`` is how long the organization must not have
    changed before an import that got no answer counts as over.
    """

    region: Literal["us", "eu", "gov"] | None = None
    pace: PaceSettings | None = None
    verify_groups_per_run: int = Field(default=10, ge=0)
    settle_seconds: int = Field(default=10, ge=0)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [self.region is not None, self.server is not None, self.api_url is not None]
        if sum(given) != 1:
            raise ValueError("give exactly one of region, server, or identity_url and api_url")
        return self

    @model_validator(mode="after")
    def _within_the_limits_of_the_cloud(self) -> Self:
        if self.pace is None or not self.cloud:
            return self
        for name, most in _CLOUD.items():
            wanted = getattr(self.pace, name)
            if wanted is not None and wanted > most:
                raise ValueError(f"pace.{name}: Bitwarden's cloud allows {most}")
        return self

    @property
    def urls(self) -> Urls:
        """Where the services are."""
        if self.region is not None:
            return REGIONS[self.region]
        assert self.given is not None, "checked by _one_place"
        return self.given

    @property
    def cloud(self) -> bool:
        """True for Bitwarden's own servers."""
        return self.region is not None or (self.given is not None and is_cloud(self.given))

    def speed(self, *, limited: bool = False) -> Pace:
        """The pace towards the API. ``limited`` says that the server showed the cloud's limits, wherever it is."""
        base = CLOUD if self.cloud or (limited and self.pace is None) else SELF_HOSTED
        given = self.pace.model_dump(exclude_none=True, exclude={"tokens_per_minute"}) if self.pace else {}
        return replace(base, **given)

    def api_limits(self, *, limited: bool = False) -> Limits:
        """What limits calls of the API."""
        speed = self.speed(limited=limited)
        writes = [(speed.writes_per_minute, MINUTE), (speed.writes_per_second, 1.0)]
        return {
            "write": [Limit(calls, seconds) for calls, seconds in writes if calls],
            "read": [Limit(speed.reads_per_minute, MINUTE)] if speed.reads_per_minute else [],
        }

    @property
    def identity_limits(self) -> Limits:
        """What limits requests for tokens."""
        given = self.pace.tokens_per_minute if self.pace else None
        tokens = given or (CLOUD_TOKENS_PER_MINUTE if self.cloud else None)
        return {"token": [Limit(tokens, MINUTE), Limit(IDENTITY_PER_SECOND, 1.0)] if tokens else []}


_CLOUD = {
    "writes_per_minute": CLOUD.writes_per_minute or 0,
    "writes_per_second": CLOUD.writes_per_second or 0,
    "reads_per_minute": CLOUD.reads_per_minute or 0,
    "tokens_per_minute": CLOUD_TOKENS_PER_MINUTE,
}
