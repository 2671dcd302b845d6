"""Organization kinds: where a plan is applied. Each is one module of its own, imported when a config names it.

The kinds that speak Bitwarden's public API (``local`` imitates it) share :mod:`dirconnector.organizations.routes`,
which turns changes into the fewest calls, and :mod:`dirconnector.organizations.execute`, which makes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from dirconnector.model import Current, Finding, Member, OrgGroup, Progress
from dirconnector.plan.model import Change, Forecast, Outcome
from dirconnector.settings import Settings

KINDS = {
    "bitwarden": "dirconnector.organizations.bitwarden:BitwardenOrganization",
    "vaultwarden": "dirconnector.organizations.vaultwarden:VaultwardenOrganization",
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
    """What is remembered of the organization: memberships, where reading them costs a call for each group, and all
    that we manage, where nothing can be read.
    """

    def memberships(self) -> Mapping[str, frozenset[str]]:
        """Group id -> member ids, as last verified; the group verified longest ago first."""

    def verified(self, memberships: Mapping[str, frozenset[str]]) -> None:
        """Remember memberships that have just been read from the organization."""

    def sent(self, memberships: Mapping[str, frozenset[str]]) -> None:
        """Remember memberships that were written and have not been read since: the first to be verified."""

    def forget(self, groups: Collection[str]) -> None:
        """The memberships of these groups are about to change: they are not known until they are read again."""

    def open_since(self, endpoint: str) -> float | None:
        """How many seconds ago a call to this endpoint was begun that never ended, because its run was killed. None
        when there is none.
        """

    def members(self) -> tuple[Member, ...]:
        """The members that we manage, as last remembered (their type is not)."""

    def groups(self) -> tuple[OrgGroup, ...]:
        """The groups that we manage, as last remembered, with their members (but not their collections)."""

    def remember(self, members: Iterable[Member] = (), groups: Iterable[OrgGroup] = ()) -> None:
        """Remember these members, and these groups with their members, as they are now; the others stay as they
        were.
        """

    def drop(self, groups: Collection[str]) -> None:
        """These groups are not managed any more."""


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
