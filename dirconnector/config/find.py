"""Where the configuration is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dirconnector.errors import ConfigError

FILE_NAME = "dirsync.yaml"
VARIABLE = "DIRSYNC_CONFIG"


def find(explicit: str | None) -> Path:
    """The file to load: ``explicit`` (``--config``), else ``DIRSYNC_CONFIG``, ``./dirsync.yaml``, the user's own.

    Whoever names a file means that file: one that is named and does not exist is an error and nothing else is
    tried. Raises :class:`ConfigError` with the places that were looked at.
    """
    if explicit:
        return _named(explicit, "--config")
    if variable := os.environ.get(VARIABLE):
        return _named(variable, VARIABLE)
    places = (Path(FILE_NAME), user_folder(os.environ, sys.platform) / FILE_NAME)
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(
        f"no configuration found: --config is not given, {VARIABLE} is not set, and there is no "
        f"{' and no '.join(str(place.absolute()) for place in places)}; `dirsync init` writes one"
    )


def _named(name: str, how: str) -> Path:
    path = Path(name).expanduser()
    if not path.exists():
        raise ConfigError(f"{path}: this file does not exist (named by {how}); `dirsync init` writes one")
    return path


def user_folder(environ: Mapping[str, str], platform: str) -> Path:
    """The folder for a user's settings: %APPDATA% on Windows, ~/Library/Application Support on macOS, else XDG's."""
    if platform == "win32":
        base = environ.get("APPDATA") or "~/AppData/Roaming"
    elif platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.path.expanduser(base)) / "dirsync"  # noqa: PTH111 (Path's raises without a home)
