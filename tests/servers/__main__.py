"""``python -m tests.servers``: a real OpenLDAP server with the example company, until interrupted.

Prints one line of JSON when it is ready: ``directory`` is the config entry that reads it, ``env`` the environment that
the entry refers to.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from tests.servers.slapd import Slapd

COMPANY = Path(__file__).parents[2] / "examples" / "company.ldif"
PASSWORD = "LDAP_PASSWORD"


def main() -> int:
    """Run until interrupted or terminated."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ldif = Path(sys.argv[1]) if len(sys.argv) > 1 else COMPANY
    with Slapd(ldif.read_text(encoding="utf-8"), overlays=("ppolicy",)) as server:
        directory = {
            "kind": "ldap",
            "url": server.ldaps_url,
            "bind_dn": server.bind_dn,
            "password": {"env": PASSWORD},
            "tls": {"ca_file": str(server.ca_file)},
        }
        ready = {
            "directory": directory,
            "env": {PASSWORD: server.password},
            "root_dn": server.root_dn,
            "root_password": server.root_password,
            "url": server.url,
        }
        print(json.dumps(ready), flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
