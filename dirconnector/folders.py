"""Folders of this user for what all runs on one machine share: locks, and the pace towards a server."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dirconnector.errors import StateError


def own_folder(name: str) -> Path:
    """``$XDG_STATE_HOME/dirsync/NAME``, else ``~/.local/state/dirsync/NAME``, else a folder of this user in the
    temporary folder.

    The folder is created for this user alone. Raises StateError when there is no place at all, or somebody
    else has made the last one.
    """
    for base in _state_homes():
        folder = base / "dirsync" / name
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    return _temporary_folder(name)


def _state_homes() -> Iterator[Path]:
    # a relative path is invalid and to be ignored: XDG Base Directory Specification 0.8
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():
        yield given
        return
    # no HOME and no entry in the password file
    with suppress(RuntimeError):
        yield Path.home() / ".local" / "state"


def _temporary_folder(name: str) -> Path:
    mine = Path(tempfile.gettempdir()) / f"dirsync-{os.getuid()}"
    try:
        mine.mkdir(exist_ok=True, mode=0o700)
        found = mine.lstat()
        # everybody may write the temporary folder, so this name may be somebody's trap
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise StateError(
                f"{mine}: not a folder that only this user can write, so no {name} are kept there. "
                "Set XDG_STATE_HOME to a folder that can be written, or remove it"
            )
        folder = mine / name
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(
            f"{mine}: no folder for {name} can be made ({error.strerror}). "
            "Set XDG_STATE_HOME to a folder that can be written"
        ) from None
    return folder
