"""Directory kinds. Each is one module (or package) of its own, imported when a config names it and not before.

A new kind is one new file here, one line in :data:`KINDS`, one class in the contract tests and one page in the
docs.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

from dirconnector.model import Finding, Progress, Snapshot
from dirconnector.settings import Settings

KINDS = {
    "file": "dirconnector.readers.file:FileReader",
    "ldap": "dirconnector.readers.ldap:LdapReader",
    "entra": "dirconnector.readers.entra:EntraReader",
    "google": "dirconnector.readers.google:GoogleReader",
    "onelogin": "dirconnector.readers.onelogin:OneLoginReader",
    "okta": "dirconnector.readers.okta:OktaReader",
}
"""Kind of a directory -> ``module:class``."""


class Reader(Protocol):
    """One directory of the config.

    A reader does all its I/O in :meth:`check` and :meth:`read`. It raises
    :class:`~dirconnector.errors.DirectoryUnreachable` or :class:`~dirconnector.errors.DirectoryRefused` when it
    cannot read at all, and returns a snapshot with incomplete evidence when the server cut the answer short. It
    never returns a partial answer as a complete one.
    """

    settings_class: type[Settings]

    def __init__(self, name: str, settings: Any, attributes: frozenset[str]) -> None:
        """``attributes`` are the directory attributes (lower case) that the config's selection rules look at."""

    def check(self) -> Iterator[Finding]:
        """Connect, authenticate, look at the cheapest things that prove the configuration. Yields a finding for
        each.
        """

    def read(self, progress: Progress) -> Snapshot:
        """Everything in scope: users with their e-mail as written in the directory, groups with direct members."""


class Reading(NamedTuple):
    """A whole snapshot, and the cursor from which the next read can go on. The cursor is opaque, may hold secrets of
    the service (a delta link), and is never logged.
    """

    snapshot: Snapshot
    cursor: str


@runtime_checkable
class IncrementalReader(Reader, Protocol):
    """A reader of a service that can say what changed.

    Both methods return the **whole** directory, so that the plan is the same whichever was used.
    """

    def read_with_cursor(self, progress: Progress) -> Reading:
        """A full read, and where the next one can go on."""

    def read_since(self, before: Reading, progress: Progress) -> Reading | None:
        """What changed since ``before``, merged into its snapshot; None when the service no longer knows the cursor (or
        the config asks for something else than then), so that a full read has to follow.
        """


def reader_class(kind: str) -> type[Reader]:
    """The class of a directory kind. Raises KeyError for a kind that does not exist."""
    module, _, name = KINDS[kind].partition(":")
    return cast("type[Reader]", getattr(import_module(module), name))
