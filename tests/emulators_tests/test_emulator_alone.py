"""``python -m tests.emulators.bitwarden``: what it prints, and that the printed entry reaches it."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import trustme

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def _running(*arguments: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.emulators.bitwarden", *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            ready: dict[str, Any] = json.loads(server.stdout.readline())
            yield ready
        finally:
            server.send_signal(signal.SIGTERM)
            rest, _ = server.communicate(timeout=20)
    assert (server.returncode, rest) == (0, "")


def _open(ready: dict[str, Any], url: str, data: bytes | None = None, token: str = "") -> Any:
    context = ssl.create_default_context(cafile=ready["organization"]["tls"]["ca_file"])
    request = Request(url, data, {"Authorization": f"Bearer {token}"} if token else {})
    with urlopen(request, context=context, timeout=20) as response:
        return json.load(response)


def _token(ready: dict[str, Any], identity: str) -> str:
    entry = ready["organization"]
    form = {
        "grant_type": "client_credentials",
        "client_id": entry["client_id"],
        "client_secret": ready["env"][entry["client_secret"]["env"]],
        "scope": "api.organization",
        "device_identifier": "1",
        "device_name": "test",
        "device_type": "14",
    }
    return str(_open(ready, f"{identity}/connect/token", urlencode(form).encode())["access_token"])


def test_self_hosted_with_members() -> None:
    with _running("--members", "3") as ready:
        assert set(ready) == {"url", "ca_file", "organization", "env"}
        entry = ready["organization"]
        assert set(entry) == {"kind", "server", "client_id", "client_secret", "tls"}
        assert (entry["kind"], entry["server"]) == ("bitwarden", ready["url"])
        token = _token(ready, f"{entry['server']}/identity")
        members = _open(ready, f"{entry['server']}/api/public/members", token=token)["data"]
        assert [m["externalId"] for m in members] == [None, "user-000001", "user-000002", "user-000003"]
        assert _open(ready, f"{ready['url']}/_emulator/calls") == {
            "POST /connect/token": 1,
            "GET /public/members": 1,
        }


def test_the_cloud_has_two_urls() -> None:
    with _running("--cloud", "--latency-ms", "1") as ready:
        entry = ready["organization"]
        assert set(entry) == {"kind", "identity_url", "api_url", "client_id", "client_secret", "tls"}
        token = _token(ready, entry["identity_url"])
        assert len(_open(ready, f"{entry['api_url']}/public/members", token=token)["data"]) == 1


def test_vaultwarden() -> None:
    with _running("--vaultwarden") as ready:
        assert ready["organization"]["kind"] == "vaultwarden"
        assert _token(ready, f"{ready['organization']['server']}/identity")


def test_a_given_certificate_and_port(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(key))
    cert.write_bytes(leaf.cert_chain_pems[0].bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _running("--port", str(port), "--cert", str(cert), "--key", str(key)) as ready:
        assert ready["url"] == f"https://127.0.0.1:{port}"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            context.wrap_socket(plain) as secured,
        ):
            assert secured.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(cert.read_text())


@pytest.mark.parametrize("arguments", [["--cloud", "--vaultwarden"], ["--cert", "x.pem"]])
def test_contradictions_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from tests.emulators.bitwarden.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "--" in capsys.readouterr().err
