"""The pieces that the settings of every plug-in are made of: strictness, secret references, TLS.

A reader or an organization kind declares its own settings as a subclass of :class:`Settings` in its own module; the config
loader validates against it. Relative paths are relative to the folder of the config file.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from dirconnector.errors import ConfigError

COMMAND_SECONDS = 30


class Settings(BaseModel):
    """Base of every settings class: unknown keys are errors, instances are immutable, nothing is coerced from the wrong type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _in_config_folder(value: str, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


ConfigPath = Annotated[str, AfterValidator(_in_config_folder)]
"""A path in the config; after validation a :class:`~pathlib.Path` that no longer depends on the working directory."""


class Secret(Settings):
    """A reference to a secret: ``{env: NAME}``, ``{file: PATH}``, ``{keyring: SERVICE/NAME}`` or ``{command: [WORD, ...]}``.

    The value itself is read only by :meth:`reveal`; it is never part of the config, of a repr, or of an error.
    """

    env: str | None = Field(default=None, min_length=1)
    file: ConfigPath | None = Field(default=None, min_length=1)
    keyring: str | None = Field(default=None, pattern=r"^[^/]+/.+$")
    command: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _not_inline(cls, data: object) -> object:
        if isinstance(data, (str, int, float)):
            raise ValueError(
                "a secret is written as a reference, never inline: "
                "{env: NAME}, {file: PATH}, {keyring: SERVICE/NAME} or {command: [WORD, ...]}"
            )
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("env", "file", "keyring", "command") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of env, file, keyring, command")
        return self

    def __str__(self) -> str:
        if self.env:
            return f"environment variable {self.env}"
        if self.file:
            return f"file {self.file}"
        if self.keyring:
            return f"keyring entry {self.keyring}"
        return f"command {(self.command or [''])[0]}"

    def reveal(self) -> str:
        """The secret's value, one trailing line end removed.

        Raises :class:`ConfigError` naming the reference (never the value) when it cannot be read or is empty.
        """
        try:
            value = self._read()
        except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ConfigError(f"secret from {self}: cannot be read ({reason})") from None
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise ConfigError(f"secret from {self}: it is empty or not set")
        return value

    def _read(self) -> str:
        if self.env:
            return os.environ.get(self.env, "")
        if self.file:
            return Path(self.file).read_text(encoding="utf-8")
        if self.keyring:
            return self._from_keyring(self.keyring)
        # the administrator's own command, word by word, without a shell
        done = subprocess.run(  # noqa: S603
            self.command or [], capture_output=True, timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise ConfigError(f"secret from {self}: the command ended with exit code {done.returncode}")
        return done.stdout.decode("utf-8")

    @staticmethod
    def _from_keyring(entry: str) -> str:
        try:
            import keyring
            import keyring.errors
        except ImportError:
            raise ConfigError(
                f"secret from keyring entry {entry}: the package keyring is not installed "
                "(pip install 'dirconnector[keyring]')"
            ) from None
        service, _, name = entry.partition("/")
        try:
            return keyring.get_password(service, name) or ""
        except keyring.errors.KeyringError as error:
            raise ConfigError(f"secret from keyring entry {entry}: {type(error).__name__}") from None


class Tls(Settings):
    """TLS of one connection. Verification is on; ``verify: false`` switches it off for this connection alone.

    ``ca_file`` is a PEM file with the private CA (the system's CAs when it is not given); ``client_cert`` and ``client_key`` are PEM
    files; ``start_tls`` upgrades an ``ldap://`` connection before the bind (RFC 4511 section 4.14).
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
