"""A real Active Directory: Samba as a domain controller, provisioned into a temporary folder."""

from __future__ import annotations

import os
import tempfile
from base64 import b64encode
from pathlib import Path

from filelock import FileLock, Timeout

from tests.servers import ldif as ldif_text
from tests.servers.certificates import make_certificates
from tests.servers.server import DirectoryServer, ServerFailedError, ServerMissingError, program, run

REALM = "CORP.EXAMPLE.ORG"
BASE = "DC=corp,DC=example,DC=org"
ADMIN_PASSWORD = "Passw0rd!x"
READER_PASSWORD = "Reader-Passw0rd!"
LOCK_SECONDS = 900
# Samba cannot listen elsewhere: one domain controller at a time on a machine
PORTS = (389, 636, 3268)

DISABLED = 0x2
NORMAL_ACCOUNT = 0x200

# for the distribution's own Python, which has Samba's modules
BULK_ADD = """
import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

lp = LoadParm()
lp.load(sys.argv[1])
database = SamDB(url=sys.argv[2], session_info=system_session(), lp=lp)
database.transaction_start()
database.add_ldif(sys.stdin.read())
database.transaction_commit()
"""


class SambaAD(DirectoryServer):
    """A domain controller of ``CORP.EXAMPLE.ORG`` on the fixed ports 389, 636 and 3268 of 127.0.0.1.

    Provisioning takes five seconds, starting three, so one server serves a whole test session: let every
    test make
    its own organizational unit with :meth:`unit`. Another process that does the same waits for the lock.

    ``bind_dn`` is an ordinary domain user without any extra right (``reader_upn`` is its userPrincipalName);
    ``root_dn`` is the Administrator. ``global_catalog_url`` is port 3268.
    """

    kind = "samba"

    def __init__(self) -> None:
        samba_tool = program("samba-tool")
        program("samba")
        if os.geteuid() != 0:
            raise ServerMissingError("Samba listens on the ports 389, 636 and 3268: run these tests as root")
        self._lock = FileLock(Path(tempfile.gettempdir()) / "dirsync-samba-ad.lock")
        try:
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise ServerFailedError(f"another Samba has held {self._lock.lock_file} for {LOCK_SECONDS} s") from None
        except PermissionError:
            raise ServerMissingError(f"{self._lock.lock_file} is another user's: run these tests as root") from None
        super().__init__()
        self.base, self.ports = BASE, PORTS
        self.url, self.ldaps_url = "ldap://127.0.0.1:389", "ldaps://127.0.0.1:636"
        self.global_catalog_url = "ldap://127.0.0.1:3268"
        self.bind_dn, self.password = f"CN=dirsync,CN=Users,{BASE}", READER_PASSWORD
        self.reader_upn = f"dirsync@{REALM.lower()}"
        self.root_dn, self.root_password = f"CN=Administrator,CN=Users,{BASE}", ADMIN_PASSWORD
        self.certificates = make_certificates(self.folder / "tls")
        self.ca_file = self.certificates.ca_file
        self._started = False
        try:
            self._provision(samba_tool)
        except BaseException:
            self.close()
            raise

    def _options(self) -> list[str]:
        options = (
            "interfaces=127.0.0.1",
            "bind interfaces only=yes",
            "server services=ldap",
            f"pid directory={self.folder / 'run'}",
            f"ncalrpc dir={self.folder / 'ncalrpc'}",
            f"tls cafile={self.certificates.ca_file}",
            f"tls certfile={self.certificates.server_cert}",
            f"tls keyfile={self.certificates.server_key}",
        )
        return [f"--option={option}" for option in options]

    def _provision(self, samba_tool: str) -> None:
        # an empty configuration of our own, because provisioning refuses to look past the one in /etc/samba
        empty = self.folder / "empty.conf"
        empty.touch()
        (self.folder / "run").mkdir()
        run(
            [
                *(samba_tool, "domain", "provision", f"--configfile={empty}", f"--targetdir={self.folder}"),
                *(f"--realm={REALM}", f"--domain={REALM.partition('.')[0]}", "--server-role=dc"),
                *("--host-name=dc1", "--dns-backend=NONE", f"--adminpass={ADMIN_PASSWORD}"),
                *self._options(),
            ]
        )

    def command(self) -> list[str]:
        return [
            *(program("samba"), "-s", str(self.folder / "etc" / "smb.conf"), "-i", "--debug-stdout"),
            *self._options(),
        ]

    def start(self) -> None:
        """Start the server. Raises :class:`ServerFailedError` when somebody else has one of its fixed
        ports.
        """
        try:
            super().start()
        except ServerFailedError as error:
            if "taken" in str(error):
                raise ServerFailedError(f"{error}: stop it, Samba cannot listen on other ports") from None
            raise
        if not self._started:
            self._started = True
            self.add(user(self.bind_dn, "dirsync", password=READER_PASSWORD))

    def close(self) -> None:
        """Stop the server, remove its folder, and let the next process have the ports."""
        super().close()
        self._lock.release()

    def unit(self, name: str) -> str:
        """Make a new organizational unit and return its DN: the own corner of one test."""
        dn = f"OU={name},{self.base}"
        self.add(ldif_text.entry(dn, objectClass="organizationalUnit", ou=name))
        return dn

    def guid(self, dn: str) -> str:
        """The objectGUID of a user or a group as Samba's own tool spells it."""
        kind = "group" if self.search("(objectClass=group)", ["1.1"], base=dn) else "user"
        shown = self._samba_tool(kind, "show", self.value(f"(distinguishedName={dn})", "sAMAccountName"))
        return next(line.partition(": ")[2] for line in shown.splitlines() if line.startswith("objectGUID:"))

    def bulk_add(self, ldif: str) -> None:
        """Add many entries in one transaction with the server stopped: ten times as fast as :meth:`add`."""
        running = self.running
        self.stop()
        database, configuration = self.folder / "private" / "sam.ldb", self.folder / "etc" / "smb.conf"
        run(["/usr/bin/python3", "-c", BULK_ADD, configuration, database], stdin=ldif)
        if running:
            self.start()

    def _samba_tool(self, *words: str) -> str:
        return run(
            [
                *(program("samba-tool"), *words, "-H", str(self.folder / "private" / "sam.ldb")),
                *("-s", self.folder / "etc" / "smb.conf"),
            ]
        )


def user(
    dn: str,
    account: str,
    *,
    mail: str = "",
    upn: str | None = None,
    disabled: bool = False,
    password: str = "",
    **more: str,
) -> str:
    """LDIF of an AD user: ``account`` is the sAMAccountName, ``upn`` the userPrincipalName (default
    account@realm).
    """
    upn = f"{account}@{REALM.lower()}" if upn is None else upn
    text = ldif_text.entry(
        dn,
        objectClass="user",
        sAMAccountName=account,
        userAccountControl=str(NORMAL_ACCOUNT | (DISABLED if disabled else 0)),
        userPrincipalName=[upn] if upn else [],
        mail=[mail] if mail else [],
        **more,
    )
    if password:
        # AD takes a password only as quoted UTF-16 (MS-ADTS 3.1.1.3.1.5)
        quoted = b64encode(f'"{password}"'.encode("utf-16-le")).decode()
        text = f"{text.rstrip()}\nunicodePwd:: {quoted}\n\n"
    return text


def group(dn: str, account: str, members: list[str] | None = None, **more: str) -> str:
    """LDIF of a global security group."""
    return ldif_text.entry(dn, objectClass="group", sAMAccountName=account, member=members or [], **more)
