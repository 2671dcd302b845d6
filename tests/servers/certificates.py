"""A private CA of our own, and the certificates of servers and clients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files in one folder. ``client_cert`` is issued by the same CA to the common name
    ``client_name``.
    """

    ca_file: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path
    client_name: str = "dirsync-client"


def make_certificates(folder: Path, *names: str) -> Certificates:
    """A new CA, a server certificate for ``names`` (default: localhost and 127.0.0.1) and a client
    certificate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(
        ca_file=folder / "ca.pem",
        server_cert=folder / "server.pem",
        server_key=folder / "server.key",
        client_cert=folder / "client.pem",
        client_key=folder / "client.key",
    )
    ca = trustme.CA()
    ca.cert_pem.write_to_path(made.ca_file)
    server = ca.issue_cert(*(names or ("localhost", "127.0.0.1")))
    client = ca.issue_cert(common_name=made.client_name)
    for issued, cert, key in (
        (server, made.server_cert, made.server_key),
        (client, made.client_cert, made.client_key),
    ):
        issued.private_key_pem.write_to_path(key)
        for position, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(cert, append=position > 0)
        key.chmod(0o600)
    return made
