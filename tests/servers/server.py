"""What all the real servers have in common: finding programs and ports, starting, stopping, editing the live
tree.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

START_SECONDS = 60
STOP_SECONDS = 30

Attributes = dict[str, list[str]]


class ServerMissingError(Exception):
    """The server's programs are not installed, or may not be used here; the message says what to do."""


class ServerFailedError(Exception):
    """The server is installed but did not start or did not do what was asked; the message ends with its own
    words.
    """


def program(name: str) -> str:
    """The full path of an installed program. Raises :class:`ServerMissingError` naming the cure."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise ServerMissingError(f"{name} is not installed: run tests/servers/install.sh")
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll until ``condition`` holds. Raises :class:`ServerFailedError` naming ``what`` when it does not in
    time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerFailedError(f"{what}: not after {seconds:.0f} seconds")
        time.sleep(0.02)


def run(words: Sequence[str | Path], *, stdin: str = "", env: dict[str, str] | None = None) -> str:
    """Run a program to its end and return its stdout. Raises :class:`ServerFailedError` with its own words
    when it fails.
    """
    done = subprocess.run(
        [str(word) for word in words],
        input=stdin.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise ServerFailedError(f"{Path(str(words[0])).name} ended with exit code {done.returncode}: {said[-2000:]}")
    return done.stdout.decode()


PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _end_with_the_tests() -> None:
    """A test run that is killed takes its servers along (Linux, prctl(2)): nobody else could tell whose they are."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class DirectoryServer:
    """A directory server of our own on 127.0.0.1.

    ``url`` and ``ldaps_url`` are where it listens, ``ca_file`` is a PEM file with the CA of its certificate,
    ``base`` is the suffix.
    ``bind_dn`` and ``password`` belong to the account that readers use; ``root_dn`` and ``root_password`` to
    the one that
    :meth:`add`, :meth:`modify` and :meth:`delete` use. ``folder`` is a temporary folder that goes away with
    the server.
    """

    kind = "server"
    ports: tuple[int, ...]
    url: str
    ldaps_url: str
    ca_file: Path
    base: str
    bind_dn: str
    password: str
    root_dn: str
    root_password: str

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"dirsync-{self.kind}-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.log_file = self.folder / "server.log"

    def command(self) -> list[str]:
        """The words that start the server in the foreground."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self.process is not None, f"{self.kind} is not running"
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """What the server wrote to its stdout and stderr so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Start the server (again, after :meth:`stop`) and wait until all its ports answer."""
        assert not self.running, f"{self.kind} runs already"
        for port in self.ports:
            if answers(port):
                raise ServerFailedError(f"{self.kind}: port {port} of 127.0.0.1 is taken by a process that is not ours")
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_the_tests,
            )
        wait_until(lambda: not self.running or all(map(answers, self.ports)), f"{self.kind} answers")
        if not self.running:
            raise ServerFailedError(f"{self.kind} ended at once with {self.process.returncode}: {self.log[-2000:]}")

    def stop(self) -> None:
        """End the server as its administrator would; its data stay for the next :meth:`start`."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        # its whole session, which we made: Samba forks a process per task, and they outlive the first one
        # for a moment
        session = self.process.pid
        if self.running:
            os.killpg(session, number)
        try:
            self.process.wait(STOP_SECONDS)
            wait_until(lambda: not alive(session), f"{self.kind} ends", STOP_SECONDS)
        except (subprocess.TimeoutExpired, ServerFailedError):
            os.killpg(session, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def close(self) -> None:
        """Stop the server and remove everything it left."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # the live tree

    def modify(self, ldif: str) -> None:
        """Apply LDIF change records (RFC 2849) as the directory's own administrator."""
        self._tool("ldapmodify", [], ldif)

    def add(self, ldif: str) -> None:
        """Add the entries of an LDIF text."""
        self._tool("ldapmodify", ["-a"], ldif)

    def delete(self, *dns: str) -> None:
        """Delete entries by DN."""
        self._tool("ldapmodify", [], "\n".join(f"dn:: {encoded(dn)}\nchangetype: delete\n" for dn in dns))

    def search(
        self, filter_: str, attributes: Sequence[str] = (), *, base: str | None = None
    ) -> list[tuple[str, Attributes]]:
        """What the server's own command line tool reads: the oracle of the tests. Pairs of a DN and its
        attributes.
        """
        text = self._tool(
            "ldapsearch",
            [
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-E",
                "!pr=1000/noprompt",
                "-b",
                base or self.base,
                filter_,
                *attributes,
            ],
            "",
        )
        return [parsed(record) for record in re.split(r"\n\n+", text) if record.startswith("dn:")]

    def value(self, filter_: str, attribute: str) -> str:
        """The first value of one attribute of the one entry that matches (binary values in latin-1)."""
        ((_, found),) = self.search(filter_, [attribute])
        return found[attribute][0]

    def _tool(self, name: str, words: Sequence[str], ldif: str) -> str:
        password = self.folder / "root.password"
        password.touch(mode=0o600)
        password.write_text(self.root_password)
        return run(
            [program(name), "-x", "-H", self.ldaps_url, "-D", self.root_dn, "-y", password, *words],
            stdin=ldif,
            env={"LDAPTLS_CACERT": str(self.ca_file), **self.tool_env()},
        )

    def tool_env(self) -> dict[str, str]:
        """More environment for the command line tools, such as a client certificate."""
        return {}


def alive(session: int) -> bool:
    """Whether a process of this session (process group) still runs; one that only waits to be reaped does
    not.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # it ended while we looked
        if int(group) == session and state != "Z":
            return True
    return False


def encoded(value: str) -> str:
    """Base64 of a value, as LDIF writes it after ``::``."""
    from base64 import b64encode

    return b64encode(value.encode()).decode()


def parsed(record: str) -> tuple[str, Attributes]:
    """One unwrapped LDIF record as its DN and its attributes; bytes that are not UTF-8 come as latin-1."""
    attributes: Attributes = {}
    for line in record.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        if rest.startswith(":"):
            raw = b64decode(rest[1:])
            try:
                value = raw.decode()
            except UnicodeDecodeError:
                value = raw.decode("latin-1")
        else:
            value = rest.removeprefix(" ")
        attributes.setdefault(name, []).append(value)
    (dn,) = attributes.pop("dn")
    return dn, attributes
