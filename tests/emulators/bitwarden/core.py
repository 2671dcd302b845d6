"""What all parts of one emulator share: its options, its state, and its records."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from starlette.requests import Request

from tests.emulators.bitwarden.entities import Event, EventType, Mail, Member
from tests.emulators.bitwarden.faults import Faults
from tests.emulators.bitwarden.limits import Limiter, LoginLimiter
from tests.emulators.bitwarden.state import State, seeded
from tests.emulators.bitwarden.token import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an emulator is started.

    ``cloud`` is the hosted service: rate limits, the cap on imports, autoscaling seats. ``vaultwarden`` is
    that server instead. ``minute_seconds`` scales the rate limits in time; ``rate_limits`` switches them on
    or off against the default, which is on for the cloud only; ``limit_per_path`` counts exact paths apart.
    ``members`` are seeded beside the owner. ``cert`` and ``key`` are PEM files that take the place of a
    certificate of a private CA.
    """

    cloud: bool = False
    vaultwarden: bool = False
    port: int = 0
    cert: str | None = None
    key: str | None = None
    latency_seconds: float = 0.0
    members: int = 0
    minute_seconds: float = 60.0
    rate_limits: bool | None = None
    limit_per_path: bool = False
    token_seconds: int = 3600

    def __post_init__(self) -> None:
        if self.cloud and self.vaultwarden:
            raise ValueError("there is no cloud of Vaultwarden: give one of cloud, vaultwarden")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together")

    @property
    def limited(self) -> bool:
        return self.cloud if self.rate_limits is None else self.rate_limits


class Answer(NamedTuple):
    """One request as it was answered; ``status`` is 0 for a dropped connection."""

    call: str
    path: str
    status: int


@dataclass(slots=True, kw_only=True)
class Core:
    """One running emulator."""

    options: Options
    state: State
    tokens: Tokens = field(default_factory=Tokens)
    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    answers: list[Answer] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    crashes: list[Exception] = field(default_factory=list)
    """Errors of the emulator itself, which no server would have had."""
    limiter: Limiter
    login_limiter: LoginLimiter

    def reset(self) -> None:
        """As newly started: another organization, no records, no faults, full limits. Tokens of before are void."""
        self.state = seeded(self.options.members)
        self.faults.clear()
        for record in (self.calls, self.answers, self.mails, self.crashes):
            record.clear()
        self.limiter = _limiter(self.options)
        self.login_limiter = LoginLimiter(minute_seconds=self.options.minute_seconds)

    def log(
        self,
        type_: EventType,
        *,
        member: str | None = None,
        group: str | None = None,
        system_user: int | None = None,
    ) -> None:
        """Write an audit event; they are kept only for organizations with the events feature."""
        if self.state.organization.use_events:
            self.state.events.append(
                Event(type=type_, date=time.time(), member_id=member, group_id=group, system_user=system_user)
            )

    def send(self, kind: str, member: Member) -> bool:
        """Send a mail: record it. False when sending to this address fails."""
        email = self.state.email_of(member)
        if email in self.state.organization.failing_mail:
            return False
        self.mails.append(Mail(kind=kind, to=email, member_id=member.id))
        return True


def new_core(options: Options) -> Core:
    return Core(
        options=options,
        state=seeded(options.members),
        limiter=_limiter(options),
        login_limiter=LoginLimiter(minute_seconds=options.minute_seconds),
    )


def _limiter(options: Options) -> Limiter:
    return Limiter(minute_seconds=options.minute_seconds, per_path=options.limit_per_path)


def core_of(request: Request) -> Core:
    return cast(Core, request.app.state.core)


def state_of(request: Request) -> State:
    return core_of(request).state


def base_url(request: Request) -> str:
    """The URL by which the client reached the server, from its Host header."""
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"


def skipped(request: Request) -> frozenset[str]:
    """The externalIds that an injected fault makes this request pass over in silence."""
    return cast("frozenset[str]", request.scope.get("emulator.skip", frozenset()))


def pause_of(request: Request) -> float:
    """How long this request takes between reading and writing, in seconds."""
    return cast(float, request.scope.get("emulator.pause", 0.0))
