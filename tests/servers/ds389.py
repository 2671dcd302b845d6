"""389 Directory Server, every file of it in a temporary folder."""

from __future__ import annotations

import configparser
import getpass
import grp
import os
from pathlib import Path

from tests.servers import ldif as ldif_text
from tests.servers.certificates import make_certificates
from tests.servers.server import DirectoryServer, ServerMissingError, free_port, program, run

DEFAULTS = Path("/usr/share/dirsrv/inf/defaults.inf")
SCHEMA = Path("/etc/dirsrv/schema")
BASE = "dc=example,dc=org"
ROOT_PASSWORD = "manager s3cret"
READER_PASSWORD = "reader s3cret"
CERTIFICATE = "Server-Cert"

# where the packaged defaults point into /etc, /var, /run and /usr/lib; {instance_name} is filled in by
# dscreate
PLACES = {
    "tmp_dir": "tmp",
    "initconfig_dir": "default",
    "config_dir": "etc/slapd-{instance_name}",
    "schema_dir": "etc/slapd-{instance_name}/schema",
    "cert_dir": "etc/slapd-{instance_name}",
    "local_state_dir": "var",
    "run_dir": "run",
    "ldapi": "run/ldapi",
    "pid_file": "run/slapd-{instance_name}.pid",
    "inst_dir": "inst",
    "tmpfiles_d": "tmpfiles.d",
    "lock_dir": "lock",
    "log_dir": "log",
    "access_log": "log/access",
    "audit_log": "log/audit",
    "error_log": "log/errors",
    "security_log": "log/security",
    "db_dir": "db",
    "db_home_dir": "dbhome",
    "backup_dir": "bak",
    "ldif_dir": "ldif",
}


class DirectoryServer389(DirectoryServer):
    """A 389 Directory Server with an empty suffix ``dc=example,dc=org``.

    It takes six seconds to make, so one server serves a whole test session: let every test make its own
    organizational
    unit with :meth:`unit`. ``bind_dn`` may read everything but passwords; ``root_dn`` is the Directory
    Manager.
    """

    kind = "ds389"
    instance = "dirsync"

    def __init__(self) -> None:
        dscreate = program("dscreate")
        program("ns-slapd"), program("certutil"), program("pk12util"), program("openssl")
        if not DEFAULTS.exists():
            raise ServerMissingError(f"{DEFAULTS} is not there: run tests/servers/install.sh")
        if not os.access(SCHEMA, os.R_OK | os.X_OK):
            raise ServerMissingError(f"dscreate copies {SCHEMA}, which only root may read: run these tests as root")
        super().__init__()
        self.base = BASE
        self.ports = (free_port(), free_port())
        self.url, self.ldaps_url = (f"ldap://127.0.0.1:{self.ports[0]}", f"ldaps://127.0.0.1:{self.ports[1]}")
        self.bind_dn, self.password = f"cn=reader,{BASE}", READER_PASSWORD
        self.root_dn, self.root_password = "cn=Directory Manager", ROOT_PASSWORD
        self.certificates = make_certificates(self.folder / "tls")
        self.ca_file = self.certificates.ca_file
        self.config_folder = self.folder / "etc" / f"slapd-{self.instance}"
        self.pid_file = self.folder / "run" / "ns-slapd.pid"
        self._started = False
        try:
            self._create(dscreate)
            self._enable_tls()
        except BaseException:
            self.close()
            raise

    def _create(self, dscreate: str) -> None:
        prefix = self.folder / "prefix"
        self._write_defaults(prefix / "share" / "dirsrv" / "inf" / "defaults.inf")
        for name in ("default", "tmp", "run", "tmpfiles.d"):
            (self.folder / name).mkdir()
        answers = self.folder / "instance.inf"
        answers.write_text(
            "[general]\nconfig_version = 2\nfull_machine_name = localhost\nstart = False\n"
            "strict_host_checking = False\n"
            f"[slapd]\ninstance_name = {self.instance}\n"
            f"port = {self.ports[0]}\nsecure_port = {self.ports[1]}\n"
            f"root_password = {self.root_password}\nself_sign_cert = False\n"
            f"[backend-userroot]\nsuffix = {self.base}\ncreate_suffix_entry = True\n"
        )
        # lib389 looks for its defaults below PREFIX, which spares us an edit of /usr/share/dirsrv
        run([dscreate, "from-file", answers], env={"PREFIX": str(prefix)})
        answers.unlink()

    def _write_defaults(self, path: Path) -> None:
        defaults = configparser.ConfigParser()
        defaults.read(DEFAULTS)
        slapd = defaults["slapd"]
        slapd.update({name: f"{self.folder}/{place}" for name, place in PLACES.items()})
        slapd.update({"with_systemd": "0", "user": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name})
        path.parent.mkdir(parents=True)
        with path.open("w") as file:
            defaults.write(file)

    def _enable_tls(self) -> None:
        """Put our certificate where the server looks for it (an NSS database), and switch TLS on in its
        configuration.
        """
        tls, database = self.certificates, self.config_folder
        password = database / "pwdfile.txt"
        bundle = self.folder / "server.p12"
        run(
            [
                *(program("openssl"), "pkcs12", "-export", "-name", CERTIFICATE, "-out", bundle),
                *("-inkey", tls.server_key, "-in", tls.server_cert, "-passout", "pass:"),
            ]
        )
        run([program("pk12util"), "-i", bundle, "-d", database, "-k", password, "-W", ""])
        bundle.unlink()
        run(
            [
                *(program("certutil"), "-A", "-d", database, "-f", password),
                *("-n", "CA", "-t", "CT,,", "-a", "-i", tls.ca_file),
            ]
        )
        dse = database / "dse.ldif"
        listen = "nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\n"
        text = dse.read_text().replace("nsslapd-security: off\n", "")
        text = text.replace("dn: cn=config\n", f"dn: cn=config\nnsslapd-security: on\n{listen}", 1)
        dse.write_text(text)

    def command(self) -> list[str]:
        # without -i, ns-slapd takes /dev/null for its pid file, and as root makes it unwritable for everybody else
        return [program("ns-slapd"), "-D", str(self.config_folder), "-i", str(self.pid_file), "-d", "0"]

    def start(self) -> None:
        """Start the server; the first time it gets the reader's account and the right to read."""
        super().start()
        if self._started:
            return
        self._started = True
        self.add(
            ldif_text.entry(
                self.bind_dn,
                objectClass=["applicationProcess", "simpleSecurityObject"],
                cn="reader",
                userPassword=self.password,
            )
        )
        rule = (
            f'(targetattr!="userPassword")(version 3.0; acl "reader"; '
            f'allow (read, search, compare) userdn="ldap:///{self.bind_dn}";)'
        )
        self.modify(f"dn: {self.base}\nchangetype: modify\nadd: aci\naci: {rule}\n")

    def unit(self, name: str) -> str:
        """Make a new organizational unit and return its DN: the own corner of one test."""
        dn = f"ou={name},{self.base}"
        self.add(ldif_text.ou(dn))
        return dn
