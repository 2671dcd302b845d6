"""The pieces that the settings of every plug-in are made of: strictness, secret references, TLS.

A reader or an organization kind declares its own settings as a subclass of :class:`Settings` in its own
module; the config loader validates against it. Relative paths are relative to the folder of the config file.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dirconnector.errors import ConfigError

COMMAND_SECONDS = 30


class Settings(BaseModel):
    """Base of every settings class: unknown keys are errors, instances immutable, types never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _in_config_folder(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, str) and not value.strip():
        raise ValueError("a path is missing here")
    if not isinstance(value, (str, Path)):
        raise ValueError("a path is written as text")
    folder: Path = (info.context or {}).get("folder", Path())
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:
        raise ValueError("the home folder that ~ stands for cannot be found; write the whole path") from None


ConfigPath = Annotated[Path, BeforeValidator(_in_config_folder)]
"""A path in the config, written as text, relative to the folder of the config file."""

Word = Annotated[str, Field(min_length=1)]


class Secret(Settings):
    """Either ``{env: NAME}``, ``{file: PATH}``, ``{keyring: SERVICE/NAME}`` or ``{command: [WORD, ..]}``.

    The value itself is read only by :meth:`reveal`; it is never part of the config, of a repr, or of an
    error. A command runs without a shell; a program written as a relative path (``./vault.sh``) is looked for
    in the config's folder.
    """

    env: str | None = Field(default=None, min_length=1)
    file: ConfigPath | None = None
    keyring: str | None = None
    command: list[Word] | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _not_inline(cls, data: object) -> object:
        if isinstance(data, Secret):
            return data
        if not isinstance(data, Mapping):
            raise ValueError(f"a secret is written as a reference, never inline: {_FORMS}")
        # the unknown key is not repeated in the message: it may be the secret itself, put in the wrong place
        if not cls.model_fields.keys() >= data.keys():
            raise ValueError(f"unknown key in a reference to a secret; known are {_FORMS}")
        return data

    @field_validator("keyring")
    @classmethod
    def _service_and_name(cls, entry: str | None) -> str | None:
        if entry is not None and not all(entry.partition("/")):
            raise ValueError("must be written as SERVICE/NAME")
        return entry

    @field_validator("command")
    @classmethod
    def _program_in_config_folder(cls, words: list[str] | None, info: ValidationInfo) -> list[str] | None:
        # split by hand: Path would drop the "./" that makes the difference
        if not words or not os.path.split(words[0])[0]:
            return words
        return [str(_in_config_folder(words[0], info)), *words[1:]]

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_SOURCES)}")
        return self

    def __str__(self) -> str:
        if self.env is not None:
            return f"environment variable {self.env}"
        if self.file is not None:
            return f"file {self.file}"
        if self.keyring is not None:
            return f"keyring entry {self.keyring}"
        return f"command {(self.command or [''])[0]}"

    def __repr__(self) -> str:
        # the words of a command after the first may be a token
        return f"Secret({self})"

    def reveal(self) -> str:
        """The secret's value, one trailing line end removed.

        Raises :class:`ConfigError` naming the reference (never the value) when it cannot be read, is empty,
        or is not UTF-8 text.
        """
        value, failure = self._value_or_failure()
        # not raised where it was noticed: what was caught there holds the value and would stay in __context__
        if failure:
            raise ConfigError(f"secret from {self}: {failure}")
        return value

    def _value_or_failure(self) -> tuple[str, str]:
        try:
            value = self._read().removesuffix("\n").removesuffix("\r")
            value.encode("utf-8")
        except _UnusableError as error:
            return "", str(error)
        except UnicodeError:
            return "", "it is not UTF-8 text"
        except subprocess.TimeoutExpired:
            return "", f"the command did not end within {COMMAND_SECONDS} s"
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return "", f"it cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
        return value, "" if value.strip() else "it is empty or not set"

    def _read(self) -> str:
        if self.env is not None:
            return os.environ.get(self.env, "")
        if self.file is not None:
            # utf-8-sig: editors on Windows put a byte order mark in front
            return self.file.read_text(encoding="utf-8-sig")
        if self.keyring is not None:
            return _from_keyring(self.keyring)
        return _from_command(self.command or [])


_SOURCES = ("env", "file", "keyring", "command")
_FORMS = "{env: NAME}, {file: PATH}, {keyring: SERVICE/NAME} or {command: [WORD, ...]}"


class _UnusableError(Exception):
    """Why a secret cannot be had, in words that hold nothing of it."""


def _from_command(words: list[str]) -> str:
    # the administrator's own command, word by word, without a shell
    done = subprocess.run(  # noqa: S603
        words, capture_output=True, timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise _UnusableError(f"the command ended with exit code {done.returncode}")
    return done.stdout.decode("utf-8")


def _from_keyring(entry: str) -> str:
    try:
        import keyring
    except ImportError:
        raise _UnusableError("the package keyring is not installed (pip install 'dirconnector[keyring]')") from None
    service, _, name = entry.partition("/")
    try:
        return keyring.get_password(service, name) or ""
    except Exception as error:  # each keyring backend raises its own classes
        raise _UnusableError(f"the keyring does not give it ({type(error).__name__})") from None


class Tls(Settings):
    """TLS of one connection. Verification is on; ``verify: false`` switches it off for this connection alone.

    ``ca_file`` is a PEM file with the private CA (the system's CAs when it is not given); ``client_cert`` and
    ``client_key`` are PEM files; ``start_tls`` upgrades an ``ldap://`` connection before the bind (RFC 4511
    section 4.14).
    """

    ca_file: ConfigPath | None = None
    client_cert: ConfigPath | None = None
    client_key: ConfigPath | None = None
    start_tls: bool = False
    verify: bool = True

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> Self:
        if self.client_key and not self.client_cert:
            raise ValueError("client_key is given without client_cert")
        return self


def _duration(value: object) -> object:
    if not isinstance(value, str) or not (found := re.fullmatch(r"(\d+)([mhd])", value)):
        raise ValueError("a time like 90m, 24h or 7d is expected (0h: every read is a full one)")
    return timedelta(minutes=int(found[1]) * {"m": 1, "h": 60, "d": 24 * 60}[found[2]])


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""A time in the config: ``90m``, ``24h``, ``7d``."""


class IncrementalSettings(Settings):
    """Settings of a directory kind that can read what changed. ``full_read_every`` is after how long everything is read
    again all the same.
    """

    full_read_every: Duration = timedelta(days=1)
