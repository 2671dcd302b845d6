"""Secrets, paths and TLS settings: where values come from, and that nothing of a secret ever shows."""

from __future__ import annotations

import builtins
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector import settings
from dirconnector.errors import ConfigError
from dirconnector.settings import ConfigPath, Secret, Settings, Tls

VALUE = "hunter2-é"


def _secret(data: object, folder: Path = Path()) -> Secret:
    return Secret.model_validate(data, context={"folder": folder})


def _python(code: str) -> dict[str, list[str]]:
    return {"command": [sys.executable, "-c", code]}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _everything_shown(error: BaseException) -> str:
    """The error as any reporter could show it: its whole chain, with the local variables of our frames."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return shown + "".join(repr(e.args) + repr(vars(e)) for e in _chain(error))


def _failure(secret: Secret) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        secret.reveal()
    assert list(_chain(caught.value)) == [caught.value], "what was caught underneath may hold the value"
    return caught.value


# -------------------------------------------------------------------------------------------------- where values are


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", VALUE)
    assert _secret({"env": "SECRET"}).reveal() == VALUE


def test_from_a_file_in_the_folder_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(VALUE, encoding="utf-8")
    secret = _secret({"file": "secret"}, tmp_path)
    assert secret.file == tmp_path / "secret"
    assert secret.reveal() == VALUE


def test_from_a_command() -> None:
    code = f"import sys; sys.stdout.buffer.write({VALUE!r}.encode())"
    assert _secret(_python(code)).reveal() == VALUE


def test_a_command_is_run_word_by_word_without_a_shell() -> None:
    secret = _secret({"command": [sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME; echo `x`"]})
    assert secret.reveal() == "$HOME; echo `x`"


@pytest.fixture
def _typed_ahead() -> Iterator[None]:
    """Something waits on the standard input of this process."""
    reader, writer = os.pipe()
    before = os.dup(0)
    os.write(writer, b"yes")
    os.close(writer)
    os.dup2(reader, 0)
    yield
    os.dup2(before, 0)
    os.close(before)
    os.close(reader)


@pytest.mark.usefixtures("_typed_ahead")
def test_a_command_is_not_asked_anything() -> None:
    assert _secret(_python("import sys; print(len(sys.stdin.read()))")).reveal() == "0"


def test_a_relative_program_is_in_the_folder_of_the_config(tmp_path: Path) -> None:
    program = tmp_path / "vault.sh"
    program.write_text("#!/bin/sh\necho from-vault\n")
    program.chmod(0o700)
    secret = _secret({"command": ["./vault.sh"]}, tmp_path)
    assert secret.command == [str(tmp_path / "vault.sh")]
    assert secret.reveal() == "from-vault"


def test_a_program_without_a_folder_is_looked_for_in_the_path() -> None:
    assert _secret({"command": ["echo", "x"]}, Path("/etc")).command == ["echo", "x"]


def test_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {("dirsync", "bitwarden/eu"): VALUE}
    fake = SimpleNamespace(get_password=lambda service, name: stored.get((service, name)))
    monkeypatch.setitem(sys.modules, "keyring", fake)
    assert _secret({"keyring": "dirsync/bitwarden/eu"}).reveal() == VALUE
    assert "it is empty or not set" in str(_failure(_secret({"keyring": "dirsync/other"})))


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a\n\n", "a\n"),
        (b" a ", " a "),
        (b"-----BEGIN\nx\n-----END\n", "-----BEGIN\nx\n-----END"),
        (b"\xef\xbb\xbfa\n", "a"),
    ],
)
def test_one_line_end_and_a_byte_order_mark_are_not_part_of_it(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert _secret({"file": "secret"}, tmp_path).reveal() == value


def test_a_line_end_in_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "a\n")
    assert _secret({"env": "SECRET"}).reveal() == "a"
    assert _secret(_python("print('b')")).reveal() == "b"


# ------------------------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("content", ["", "\n", "  \n", None])
def test_an_empty_secret_is_refused_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    secrets = [_secret({"env": "SECRET"})]
    monkeypatch.delenv("SECRET", raising=False)
    if content is not None:
        monkeypatch.setenv("SECRET", content)
        (tmp_path / "secret").write_text(content)
        secrets += [_secret({"file": "secret"}, tmp_path), _secret(_python(f"print(end={content!r})"))]
    for secret in secrets:
        assert str(_failure(secret)) == f"secret from {secret}: it is empty or not set"


def test_a_file_that_is_not_there_or_not_readable(tmp_path: Path) -> None:
    secret = _secret({"file": "none"}, tmp_path)
    assert str(_failure(secret)) == (
        f"secret from file {tmp_path / 'none'}: it cannot be read (No such file or directory)"
    )
    assert "Is a directory" in str(_failure(_secret({"file": "."}, tmp_path)))
    assert "cannot be read (ValueError)" in str(_failure(_secret({"file": "a\0b"}, tmp_path)))


def test_a_file_that_is_not_utf8_leaves_no_byte_of_it_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hunter2\xff")
    error = _failure(_secret({"file": "secret"}, tmp_path))
    assert str(error).endswith("it is not UTF-8 text")
    assert "hunter2" not in _everything_shown(error)


def test_an_environment_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SECRET", "hunter2\udcff")
    error = _failure(_secret({"env": "SECRET"}))
    assert str(error) == "secret from environment variable SECRET: it is not UTF-8 text"
    assert "hunter2" not in _everything_shown(error)


def test_a_command_that_fails_shows_nothing_that_it_said() -> None:
    # the value is put together by the command, because its words are in the local variables
    code = "import sys; print('hunt' + 'er2'); print('hunt' + 'er2', file=sys.stderr); sys.exit(3)"
    error = _failure(_secret(_python(code)))
    assert str(error) == f"secret from command {sys.executable}: the command ended with exit code 3"
    assert "hunter2" not in _everything_shown(error)


def test_a_command_whose_output_is_not_utf8_shows_nothing_of_it() -> None:
    code = "import sys; sys.stdout.buffer.write(b'hunt' + b'er2\\xff')"
    error = _failure(_secret(_python(code)))
    assert str(error).endswith("it is not UTF-8 text")
    assert "hunter2" not in _everything_shown(error)


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "COMMAND_SECONDS", 0.5)
    code = "import time; print('hunt' + 'er2', flush=True); time.sleep(600)"
    error = _failure(_secret(_python(code)))
    assert str(error).endswith("the command did not end within 0.5 s")
    assert "hunter2" not in _everything_shown(error)


def test_a_command_that_does_not_exist() -> None:
    error = _failure(_secret({"command": ["/nowhere/vault", "--token=hunter2"]}))
    assert str(error) == "secret from command /nowhere/vault: it cannot be read (No such file or directory)"


def test_without_the_package_keyring_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_keyring(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("keyring"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_keyring)
    message = str(_failure(_secret({"keyring": "dirsync/ldap"})))
    assert message.startswith("secret from keyring entry dirsync/ldap: the package keyring is not installed")
    assert "pip install 'dirconnector[keyring]'" in message


def test_whatever_a_keyring_raises_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(service: str, name: str) -> str:
        raise RuntimeError("hunter2 is locked")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))
    error = _failure(_secret({"keyring": "dirsync/ldap"}))
    assert str(error) == "secret from keyring entry dirsync/ldap: the keyring does not give it (RuntimeError)"
    assert "hunter2" not in "".join(traceback.format_exception(error))


# ------------------------------------------------------------------------------------------- what a reference may be


@pytest.mark.parametrize(
    "data",
    [
        "hunter2",
        20020202,
        1.5,
        True,
        None,
        ["hunter2"],
        {"hunter2": "x"},
        {"env": "A", "hunter2": "x"},
        {"env": "A", "file": "hunter2"},
        {},
        {"env": ""},
        {"env": 20020202},
        {"file": ""},
        {"file": ["hunter2"]},
        {"keyring": "hunter2"},
        {"keyring": "/hunter2"},
        {"keyring": "hunter2/"},
        {"command": "hunter2"},
        {"command": []},
        {"command": [""]},
        {"command": [20020202]},
    ],
    ids=str,
)
def test_everything_else_is_refused_without_repeating_it(data: object) -> None:
    class Holder(Settings):
        password: Secret

    for model, wrapped in ((Secret, data), (Holder, {"password": data})):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(wrapped)
        shown = str(caught.value) + repr(caught.value)
        shown += str(caught.value.errors(include_input=False, include_context=False))
        assert "hunter2" not in shown
        assert "20020202" not in shown


def test_a_reference_may_be_passed_as_an_object() -> None:
    class Holder(Settings):
        password: Secret

    assert Holder(password=Secret(env="A")).password == Secret(env="A")


def test_neither_repr_nor_str_nor_a_dump_has_a_value_or_the_words_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Holder(Settings):
        one: Secret
        two: Secret

    monkeypatch.setenv("SECRET", VALUE)
    (tmp_path / "secret").write_text(VALUE, encoding="utf-8")
    holder = Holder(one=Secret(env="SECRET"), two=_secret({"file": "secret"}, tmp_path))
    assert holder.one.reveal() == holder.two.reveal() == VALUE
    assert "hunter2" not in f"{holder} {holder!r} {holder.model_dump()} {holder.model_dump_json()} {holder.one}"
    command = Secret(command=["vault", "--token=hunter2"])
    assert repr(command) == "Secret(command vault)"
    assert str(command) == "command vault"
    assert "hunter2" not in repr(Holder(one=command, two=command))


def test_each_reference_says_what_it_refers_to(tmp_path: Path) -> None:
    assert str(Secret(env="A")) == "environment variable A"
    assert str(_secret({"file": "a"}, tmp_path)) == f"file {tmp_path / 'a'}"
    assert str(Secret(keyring="a/b")) == "keyring entry a/b"


# ------------------------------------------------------------------------------------------------- paths, TLS, base


class Place(Settings):
    path: ConfigPath


@pytest.mark.parametrize(
    ("written", "path"),
    [("a/b", "/etc/dirsync/a/b"), ("../a", "/etc/dirsync/../a"), ("/a", "/a"), ("~/a", "/home/ana/a")],
)
def test_paths_start_at_the_folder_of_the_config(monkeypatch: pytest.MonkeyPatch, written: str, path: str) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    place = Place.model_validate({"path": written}, context={"folder": Path("/etc/dirsync")})
    assert place.path == Path(path)


@pytest.mark.parametrize("written", ["", "  ", 5, None, ["a"], "~nobody-has-this-name/a"])
def test_what_is_not_a_path(written: object) -> None:
    with pytest.raises(ValidationError):
        Place.model_validate({"path": written})


def test_tls_is_verified_unless_switched_off() -> None:
    assert Tls().verify is True
    assert Tls().start_tls is False
    assert Tls(verify=False).verify is False


def test_a_client_key_without_its_certificate_is_refused() -> None:
    with pytest.raises(ValidationError, match="client_key is given without client_cert"):
        Tls.model_validate({"client_key": "key.pem"})
    assert Tls.model_validate({"client_key": "k", "client_cert": "c"}).client_cert == Path("c")


@pytest.mark.parametrize("data", [{"verify": "false"}, {"verify": 0}, {"verfy": False}])
def test_settings_take_nothing_for_something_else(data: object) -> None:
    with pytest.raises(ValidationError):
        Tls.model_validate(data)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Tls().verify = False  # type: ignore[misc]  # what is tested
