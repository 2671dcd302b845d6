"""OpenLDAP in a temporary folder: generated slapd.conf, bulk load, free ports, own CA."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.servers import ldif as ldif_text
from tests.servers.certificates import Certificates, make_certificates
from tests.servers.server import (
    DirectoryServer,
    ServerFailedError,
    ServerMissingError,
    free_port,
    program,
    run,
)

SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")
BASE = "dc=example,dc=org"
READER = "cn=reader"
READER_PASSWORD = "reader s3cret"
ROOT = "cn=root"
ROOT_PASSWORD = "root s3cret"
STARTS = 3


class Slapd(DirectoryServer):
    """An OpenLDAP server with the given tree.

    :param ldif: the entries. The suffix entry is made when it is not among them, and so is the reader's account.
    :param base: the suffix, such as ``o=ORGID,dc=jumpcloud,dc=com``.
    :param reader: the DN of the account that readers bind as (``bind_dn``); it has no rights but reading.
    :param overlays: ``memberof``, ``ppolicy``, ``syncprov`` ...: loaded, and laid over the database.
    :param schemas: more schemas, such as ``msuser`` for AD-like attributes.
    :param sizelimit: entries per search for everybody (``None``: no limit), as slapd.conf writes it, such as
        ``"size.prtotal=500"``.
    :param timelimit: seconds per search for everybody.
    :param limits: limits of the reader alone, such as ``"size.prtotal=100"`` (slapd.conf(5), ``limits``).
    :param access: ACL lines (without the leading ``access``) that come before the default one, in which the
        reader may read all.
    :param anonymous: whether somebody who did not bind may read.
    :param lines: more lines of slapd.conf, for the database.
    :param client_certificates: whether TLS demands a client certificate; ``certificates.client_cert`` is the
        reader's, with SASL EXTERNAL.
    :param names: the host names and addresses in the server's certificate.
    :param log_operations: whether ``log`` has a line per operation (slapd's level ``stats``), to count
        searches and pages.
    """

    kind = "slapd"

    def __init__(
        self,
        ldif: str = "",
        *,
        base: str = BASE,
        reader: str | None = None,
        overlays: Sequence[str] = (),
        schemas: Sequence[str] = (),
        sizelimit: str | int | None = None,
        timelimit: str | int | None = None,
        limits: str = "",
        access: Iterable[str] = (),
        anonymous: bool = False,
        lines: Iterable[str] = (),
        client_certificates: bool = False,
        names: Sequence[str] = (),
        log_operations: bool = False,
    ) -> None:
        program("slapd"), program("slapadd"), program("ldapmodify")
        super().__init__()
        self.base, self.access, self.anonymous = base, tuple(access), anonymous
        self.bind_dn, self.password = reader or f"{READER},{base}", READER_PASSWORD
        self.root_dn, self.root_password = f"{ROOT},{base}", ROOT_PASSWORD
        self.overlays, self.schemas, self.lines = tuple(overlays), tuple(schemas), tuple(lines)
        self.sizelimit, self.timelimit, self.limits = sizelimit, timelimit, limits
        self.client_certificates, self.log_operations = client_certificates, log_operations
        self.certificates: Certificates = make_certificates(self.folder / "tls", *names)
        self.ca_file = self.certificates.ca_file
        self.conf = self.folder / "slapd.conf"
        self._new_ports()
        try:
            self._load(ldif)
        except BaseException:
            self.close()
            raise

    def _new_ports(self) -> None:
        self.ports = (free_port(), free_port())
        self.url, self.ldaps_url = (f"ldap://127.0.0.1:{self.ports[0]}", f"ldaps://127.0.0.1:{self.ports[1]}")

    def _load(self, ldif: str) -> None:
        (self.folder / "db").mkdir()
        self.conf.write_text(self.configuration())
        account = ldif_text.entry(
            self.bind_dn,
            objectClass=["applicationProcess", "simpleSecurityObject"],
            cn=self.bind_dn.partition("=")[2].split(",")[0],
            userPassword=self.password,
        )
        # a reader of another kind (uid=...) is a person of the caller's own tree, with its own userPassword
        accounts = account if self.bind_dn.lower().startswith("cn=") else ""
        data = self.folder / "data.ldif"
        # slapadd does not know the line that RFC 2849 begins a file with
        ldif = re.sub(r"\Aversion: 1\n+", "", ldif)
        has_root = re.search(rf"^dn: {re.escape(self.base)}$", ldif, re.MULTILINE | re.IGNORECASE)
        top, rest = (ldif, "") if has_root else (ldif_text.root(self.base), ldif)
        # an entry comes after the one above it
        data.write_text(f"{top.rstrip()}\n\n{accounts}{rest}", encoding="utf-8")
        run([program("slapadd"), "-q", "-f", self.conf, "-l", data])
        data.unlink()

    def configuration(self) -> str:
        """The text of slapd.conf."""
        tls, verify = self.certificates, "demand" if self.client_certificates else "never"
        schemas = ("core", "cosine", "nis", "inetorgperson", *self.schemas)
        text = [
            *(f"include {SCHEMAS / name}.schema" for name in schemas),
            f"modulepath {MODULES}",
            *(f"moduleload {name}" for name in ("back_mdb", *self.overlays)),
            f"pidfile {self.folder / 'slapd.pid'}",
            f"TLSCACertificateFile {tls.ca_file}",
            f"TLSCertificateFile {tls.server_cert}",
            f"TLSCertificateKeyFile {tls.server_key}",
            f"TLSVerifyClient {verify}",
            f'authz-regexp "cn={tls.client_name}(,|$)" "{self.bind_dn}"',
            "database mdb",
            "maxsize 4294967296",
            f'suffix "{self.base}"',
            f'rootdn "{self.root_dn}"',
            f"rootpw {shlex.quote(self.root_password)}".replace("'", '"'),
            f"directory {self.folder / 'db'}",
            "dbnosync",
            "index objectClass eq",
            "index entryUUID,entryCSN eq",
            f"sizelimit {'unlimited' if self.sizelimit is None else self.sizelimit}",
            f"timelimit {'unlimited' if self.timelimit is None else self.timelimit}",
            *([f'limits dn.exact="{self.bind_dn}" {self.limits}'] if self.limits else []),
            *self._access_lines(),
            *self.lines,
            *(f"overlay {name}" for name in self.overlays),
        ]
        return "\n".join(text) + "\n"

    def _access_lines(self) -> list[str]:
        rest = "read" if self.anonymous else "none"
        return [
            "access to attrs=userPassword by anonymous auth by * none",
            *(f"access {line}" for line in self.access),
            f'access to * by dn.exact="{self.bind_dn}" read by users read by * {rest}',
        ]

    def reconfigure(self, **changes: object) -> None:
        """Change constructor parameters of the live server (limits, access, lines ...): it is restarted on
        the same ports and data.
        """
        for name, value in changes.items():
            assert hasattr(self, name), name
            setattr(self, name, value)
        self.stop()
        self.conf.write_text(self.configuration())
        self.start()

    def command(self) -> list[str]:
        level = "256" if self.log_operations else "0"
        return [program("slapd"), "-f", str(self.conf), "-h", f"{self.url} {self.ldaps_url}", "-d", level]

    def start(self) -> None:
        """Start the server. Free ports can be lost to somebody else between choosing and listening: then
        others are chosen.
        """
        fresh = not self.log_file.exists()
        for left in range(STARTS - 1, -1, -1):
            try:
                super().start()
            except ServerFailedError as error:
                if confined():
                    raise ServerMissingError(f"{confined()} ({error})") from error
                if not fresh or not left:
                    raise
                self.process = None
                self._new_ports()
            else:
                return

    def tool_env(self) -> dict[str, str]:
        tls = self.certificates
        return {"LDAPTLS_CERT": str(tls.client_cert), "LDAPTLS_KEY": str(tls.client_key)}


def confined() -> str:
    """Why AppArmor keeps slapd out of temporary folders, with the cure; empty when it does not."""
    try:
        profiles = Path("/sys/kernel/security/apparmor/profiles").read_text()
    except OSError:
        return ""
    if "slapd (enforce)" not in profiles:
        return ""
    return "AppArmor keeps slapd out of temporary folders: run aa-complain /usr/sbin/slapd"
