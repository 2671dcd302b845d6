"""One run at a time for each organization, whatever config or state file it uses.

The lock is the operating system's (flock): it ends with the process that holds it, also on ``kill -9``, and a
file left behind locks nothing. Who holds it is written beside it for the message, and never decides anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dirconnector.errors import LockHeld, StateError
from dirconnector.folders import own_folder

_COMMAND_LENGTH = 200


@contextmanager
def organization_lock(organization: str, folder: Path | None = None) -> Iterator[None]:
    """Hold the lock of an organization for the length of the block.

    ``folder`` is where the locks are, :func:`default_folder` when None; it excludes only runs that use the
    same folder. Raises LockHeld at once, without waiting, when anybody has the lock, this process included;
    StateError when the folder cannot be used.
    """
    path = lock_file(organization, default_folder() if folder is None else folder)
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire(timeout=0)
    except Timeout:
        raise LockHeld(_held(organization, _holder_file(path))) from None
    except OSError as error:
        raise StateError(
            f"{path}: the lock cannot be taken ({error.strerror}). "
            "Give the user who runs dirsync the right to write this folder, "
            "or set XDG_STATE_HOME to one that can be written"
        ) from None
    holder = _holder_file(path)
    try:
        # without it another run's message knows less; that is no reason not to run
        with suppress(OSError):
            _write_private(holder, json.dumps(_myself()))
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def lock_file(organization: str, folder: Path) -> Path:
    """The lock's file: a readable part, and a digest that tells apart what reads the same."""
    slug = re.sub(r"[^a-z0-9]+", "-", organization.lower()).strip("-")[:40]
    digest = hashlib.sha256(organization.encode("utf-8", "surrogatepass")).hexdigest()
    return folder / f"{slug or 'organization'}-{digest}.lock"


def default_folder() -> Path:
    """Where the locks of this user are; see :func:`dirconnector.folders.own_folder`."""
    return own_folder("locks")


def _holder_file(path: Path) -> Path:
    return path.with_suffix(".holder")


def _myself() -> dict[str, object]:
    words = [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else []
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(words)[:_COMMAND_LENGTH],
    }


def _write_private(path: Path, text: str) -> None:
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)


def _held(organization: str, holder: Path) -> str:
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
        by = f"process {who['pid']} on {who['host']}, since {who['since']}: {who['command']}"
    except (OSError, ValueError, LookupError, TypeError):
        by = "nothing is written down about who it is"
    return f"{organization}: another run works on this organization ({by}). Let it end, or stop it, and run again"
