"""The error tree, and the exit code of each branch.

::

    DirsyncError                     1   anything we can name
    ├── ConfigError                  2   the config file (or a plan file) is not valid; lists every problem
    │   └── SelectionError           2   a selection rule names a group that no directory has
    ├── DirectoryError               1   a directory cannot be read; names the directory
    │   ├── DirectoryUnreachable     1   no answer, or the connection broke
    │   └── DirectoryRefused         1   credentials, rights, or a base that does not exist
    ├── OrganizationError            1   the organization cannot be read or written
    │   ├── OrganizationUnreachable  1
    │   └── OrganizationRefused      1
    ├── StateError                   1   the state database cannot be used
    ├── PlanStale                    1   a saved plan no longer fits one of the two sides
    └── LockHeld                     5   another run works on the same organization

The codes 3 (held), 4 (some changes failed), 6 (incomplete read) and 10 (changes pending) are not errors: they are
outcomes of a run, and :func:`dirconnector.plan.report.exit_code` gives them.

Every message says what is wrong, where, and what to do. No message holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence


class DirsyncError(Exception):
    """Base of everything the command line reports in one line instead of a traceback."""

    exit_code = 1


class ConfigError(DirsyncError):
    """The configuration is not valid.

    ``problems`` has one sentence per mistake, each starting with ``file:line: path.in.the.config:``.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class SelectionError(ConfigError):
    """A selection rule names a group exactly, and no directory has it. A renamed group is not an empty one."""


class DirectoryError(DirsyncError):
    """A directory could not be read. ``directory`` is its name in the config."""

    def __init__(self, directory: str, message: str) -> None:
        self.directory = directory
        super().__init__(f"{directory}: {message}")


class DirectoryUnreachable(DirectoryError):
    """Nothing answers, TLS fails, or the connection broke before the end of the data."""


class DirectoryRefused(DirectoryError):
    """The server answered and said no: wrong credentials, missing rights, a base that does not exist."""


class OrganizationError(DirsyncError):
    """The organization could not be read or written."""


class OrganizationUnreachable(OrganizationError):
    """Nothing answers, or the connection broke."""


class OrganizationRefused(OrganizationError):
    """The organization answered and said no."""


class StateError(DirsyncError):
    """The state database is damaged, newer than this program, or cannot be written."""


class PlanStale(DirsyncError):
    """A saved plan was made from a directory or an organization that has moved since."""


class LockHeld(DirsyncError):
    """Another run holds the lock of this organization."""

    exit_code = 5
