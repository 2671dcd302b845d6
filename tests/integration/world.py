"""What the tests of whole runs share: a folder in which the real command line works, the organization in it looked at
and edited by hand, and a corner of a real directory that can be edited in the terms of the people who do it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from dirconnector.organizations.local import LocalOrganization, LocalSettings
from dirconnector.organizations.local_endpoints import LocalEndpoints
from tests.servers import ldif, samba_ad
from tests.servers.config import ldap_settings
from tests.servers.server import DirectoryServer, ServerMissingError
from tests.servers.slapd import Slapd

ROOT = Path(__file__).parents[2]
SECONDS = 120
"""After which a command hangs."""

REVOKED, INVITED = -1, 0
"""Statuses of members (Bitwarden's OrganizationUserStatusType)."""


class Done(NamedTuple):
    """A command that ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Member(NamedTuple):
    """A member by what stays the same from one organization to the next; ``groups`` are names."""

    key: str | None
    status: int
    type: int
    groups: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """A folder with ``dirsync.yaml``, the organization ``org.db`` and the state ``state.db``."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "dirsync.yaml"

    @property
    def org(self) -> Path:
        return self.folder / "org.db"

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    @property
    def locks(self) -> Path:
        return self.folder / "home" / "dirsync" / "locks"

    # ------------------------------------------------------------------------------------------------ the command

    def configure(
        self, servers: Mapping[str, DirectoryServer], directory: Mapping[str, Any] | None = None, **sections: Any
    ) -> None:
        """Write the configuration: one directory for each server, ``directory`` has more keys of all of them."""
        directories = {
            name: {"kind": "ldap", **ldap_settings(server, self.folder, **(directory or {}))}
            for name, server in servers.items()
        }
        self.write({"directories": directories, **sections})

    def write(self, config: Mapping[str, Any]) -> None:
        """Write a configuration with the organization and the state of this folder."""
        places = {
            "organization": {"kind": "local", "path": str(self.org)},
            "state": {"url": f"sqlite:///{self.state}"},
        }
        text = yaml.safe_dump({**places, **config}, sort_keys=False, allow_unicode=True)
        self.config.write_text(text, encoding="utf-8")

    def change(self, name: str = "hq", **settings: Any) -> None:
        """Change keys of one directory of the configuration."""
        config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        config["directories"][name] |= settings
        self.write(config)

    def start(self, *words: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """Start the command in a session of its own; ``before`` is called in the new process."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        # wide, so that no sentence is broken
        ours = {"HOME": str(home), "XDG_STATE_HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DIRSYNC", "XDG_", "COLUMNS"))}
        command = [sys.executable, "-m", "dirconnector", "-c", str(self.config), *words]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env={**inherited, **ours},
            start_new_session=True,
            preexec_fn=before,
        )

    def finish(self, process: subprocess.Popen[str]) -> Done:
        """Wait for the end of a command. No output of any command has a password or a traceback in it."""
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        for password in self.folder.glob("*.password"):
            assert password.read_text() not in out + err
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err)

    def dirsync(self, *words: str, code: int = 0, before: Callable[[], None] | None = None) -> Done:
        """A command that ends with ``code``."""
        done = self.finish(self.start(*words, before=before))
        assert done.code == code, f"{words} ended with {done.code}:\n{done.out[-3000:]}\n{done.err[-3000:]}"
        return done

    def document(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The JSON document of a command, in which the exit code stands as well."""
        document: dict[str, Any] = json.loads(self.dirsync(*words, "--json", code=code).out)
        assert document.get("exit_code", code) == code
        return document

    def in_step(self) -> None:
        """Assert that there is nothing left to do."""
        document = self.document("plan", "--exit-code")
        assert document["changes"] == document["held"] == []

    # ------------------------------------------------------------------------------------------- the organization

    def members(self) -> dict[str, Member]:
        """Members by address."""
        groups: dict[str, list[str]] = {}
        for member, name in self._rows("SELECT member_id, name FROM group_members JOIN groups ON id = group_id"):
            groups.setdefault(member, []).append(name)
        return {
            email: Member(key, status, type_, tuple(sorted(groups.get(id_, ()))))
            for id_, email, key, status, type_ in self._rows("SELECT id, email, external_id, status, type FROM members")
        }

    def groups(self) -> dict[str, str | None]:
        """Keys of groups by name."""
        return dict(self._rows("SELECT name, external_id FROM groups"))

    def everything(self) -> tuple[dict[str, Member], dict[str, str | None]]:
        """Members and groups."""
        return self.members(), self.groups()

    def mails(self) -> Counter[str]:
        """How many invitations each address got."""
        return Counter(email for (email,) in self._rows("SELECT email FROM mails"))

    def member_id(self, email: str) -> str:
        ((id_,),) = self._rows("SELECT id FROM members WHERE email = ?", email)
        return str(id_)

    def group_id(self, name: str) -> str:
        ((id_,),) = self._rows("SELECT id FROM groups WHERE name = ?", name)
        return str(id_)

    @contextmanager
    def by_hand(self) -> Iterator[LocalEndpoints]:
        """The organization's own API, for what its administrators do by hand."""
        with LocalOrganization(LocalSettings(path=self.org)).endpoints() as endpoints:
            yield endpoints

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        if not self.org.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.org}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    # -------------------------------------------------------------------------------------------------- the files

    def save(self) -> dict[Path, bytes | None]:
        """The organization and the state as they are, for :meth:`load`."""
        return {path: path.read_bytes() if path.exists() else None for path in (self.org, self.state)}

    def load(self, saved: Mapping[Path, bytes | None]) -> None:
        """Put the organization and the state back."""
        for path, content in saved.items():
            Path(f"{path}-journal").unlink(missing_ok=True)
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)


def changes(document: Mapping[str, Any], what: str = "changes") -> Counter[tuple[str, ...]]:
    """Changes (or what is held) as action, person, group; each with a reason."""
    assert all(change["reason"] for change in document[what])
    return Counter(
        tuple(str(word) for word in (change["action"], change["email"], change["group"]) if word)
        for change in document[what]
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll until ``condition`` holds; fails, naming ``what``, when it never does."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def kill(process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a command and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


# ----------------------------------------------------------------------------------------------------- the directory


def slapd_for_long(servers: ExitStack, tree: str, **settings: Any) -> Slapd:
    """An OpenLDAP that lives longer than one test, until ``servers`` ends; without it the test is skipped."""
    try:
        return servers.enter_context(Slapd(tree, **settings))
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@dataclass(frozen=True)
class Corner:
    """People and groups below one DN of a server, flat; every person's address is ``NAME@example.org``."""

    server: DirectoryServer
    base: str

    @property
    def _ad(self) -> bool:
        return self.server.kind == "samba"

    def dn(self, name: str) -> str:
        """The DN of a person."""
        return f"{'CN' if self._ad else 'uid'}={name},{self.base}"

    def group_dn(self, name: str) -> str:
        """The DN of a group."""
        return f"{'CN' if self._ad else 'cn'}={name},{self.base}"

    def person(self, name: str) -> str:
        """LDIF of a person."""
        mail = f"{name}@example.org"
        # objectClass=user needs no sn; the account name has to be unique in the whole domain
        if self._ad:
            return samba_ad.user(self.dn(name), name, mail=mail)
        return ldif.person(self.dn(name), name, cn=f"{name.title()} Example", mail=mail)

    def group(self, name: str, members: Iterable[str], groups: Iterable[str] = ()) -> str:
        """LDIF of a group of people and groups."""
        dns = [*map(self.dn, members), *map(self.group_dn, groups)]
        return (
            samba_ad.group(self.group_dn(name), name, dns) if self._ad else ldif.group(self.group_dn(name), name, dns)
        )

    def hire(self, *names: str) -> None:
        self.server.add("".join(map(self.person, names)))

    def fire(self, *names: str) -> None:
        """Delete people, and their values in groups stay where the server keeps no links."""
        self.server.delete(*map(self.dn, names))

    def disable(self, name: str) -> None:
        self._lock(name, on=True)

    def enable(self, name: str) -> None:
        self._lock(name, on=False)

    def _lock(self, name: str, *, on: bool) -> None:
        if self._ad:
            self.modify(name, "replace", "userAccountControl", "514" if on else "512")
            return
        attribute, value = {
            "slapd": ("pwdAccountLockedTime", "000001010000Z"),
            "ds389": ("nsAccountLock", "true"),
        }[self.server.kind]
        self.modify(name, *(("add", attribute, value) if on else ("delete", attribute)))

    def modify(self, name: str, how: str, attribute: str, *values: str) -> None:
        """Change one attribute of a person."""
        self._modify(self.dn(name), how, attribute, *values)

    def join(self, group: str, *names: str) -> None:
        self._modify(self.group_dn(group), "add", "member", *map(self.dn, names))

    def leave(self, group: str, *names: str) -> None:
        self._modify(self.group_dn(group), "delete", "member", *map(self.dn, names))

    def move(self, name: str, unit: str, new: str, groups: Iterable[str]) -> None:
        """Give a person another DN, in another unit; where the server keeps no links, their groups follow by hand."""
        rdn = self.dn(new).partition(",")[0]
        old = self.dn(name)
        self.server.modify(f"dn: {old}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: {unit}\n")
        for group in () if self._ad else groups:
            self._modify(self.group_dn(group), "delete", "member", old)
            self._modify(self.group_dn(group), "add", "member", f"{rdn},{unit}")

    def rename_group(self, name: str, new: str) -> None:
        rdn = self.group_dn(new).partition(",")[0]
        self.server.modify(f"dn: {self.group_dn(name)}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\n")

    def _modify(self, dn: str, how: str, attribute: str, *values: str) -> None:
        lines = "".join(ldif.line(attribute, value) for value in values)
        self.server.modify(f"dn: {dn}\nchangetype: modify\n{how}: {attribute}\n{lines}")
