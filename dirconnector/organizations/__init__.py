"""Organization kinds: where a plan is applied. Each is one module of its own, imported when a config names it.

The kinds that speak Bitwarden's public API (``local`` imitates it) share :mod:`dirconnector.organizations.routes`,
which turns changes into the fewest calls, and :mod:`dirconnector.organizations.execute`, which makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from dirconnector.model import Current, Finding, Progress
from dirconnector.plan.model import Change, Forecast, Outcome
from dirconnector.settings import Settings

KINDS = {
    "local": "dirconnector.organizations.local:LocalOrganization",
}
"""Kind of an organization -> ``module:class``."""


class Call(NamedTuple):
    """One request to the organization and the changes it carries.

    ``endpoint`` is the method and the path with ``{id}`` in place of ids (``POST /public/members/{id}/revoke``),
    ``target`` the id that takes its place, empty when the path has none.
    """

    endpoint: str
    target: str
    changes: tuple[Change, ...]


class Journal(Protocol):
    """Where each call is written down before and after it is made, so that a killed run can be understood and
    continued.
    """

    def begin(self, call: Call, digest: str) -> int:
        """Record that ``call`` is about to be made with a body of this digest. Returns the number of the record."""

    def end(self, number: int, result: str) -> None:
        """Record how the call ended: ``ok`` or the error."""


class Ledger(Protocol):
    """What was last seen of group memberships, for organizations where reading them costs a call for each group."""

    def memberships(self) -> Mapping[str, frozenset[str]]:
        """Group id -> member ids, as last verified."""

    def verified(self, memberships: Mapping[str, frozenset[str]]) -> None:
        """Remember memberships that have just been read from, or written to, the organization."""


class Organization(Protocol):
    """The organization of the config."""

    settings_class: type[Settings]
    name: str
    """Identifies the organization for the lock, the state and the reports: stable, and not a secret."""

    def __init__(self, settings: Any) -> None: ...

    def check(self) -> Iterator[Finding]:
        """Connect, authenticate, and say what works there. Never writes."""

    def read(self, ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        """The organization as it is now. ``verify`` reads every membership instead of trusting the ledger."""

    def forecast(self, changes: Sequence[Change], current: Current) -> Forecast:
        """What :meth:`apply` would send for these changes. Pure."""

    def apply(
        self, changes: Sequence[Change], current: Current, *, journal: Journal, ledger: Ledger, progress: Progress
    ) -> Outcome:
        """Apply the changes in their order. A change that fails is in the outcome; everything that does not depend
        on it goes on.

        Raises :class:`~dirconnector.errors.OrganizationUnreachable` only when nothing at all can be done any more.
        """


def organization_class(kind: str) -> type[Organization]:
    """The class of an organization kind. Raises KeyError for a kind that does not exist."""
    module, _, name = KINDS[kind].partition(":")
    return cast("type[Organization]", getattr(import_module(module), name))
