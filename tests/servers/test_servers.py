"""The servers and the proxy do what the other tests take for granted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import ldif
from tests.servers.ds389 import DirectoryServer389
from tests.servers.proxy import Proxy
from tests.servers.server import ServerFailedError, answers
from tests.servers.slapd import Slapd

ANA = "uid=ana,dc=example,dc=org"


@pytest.mark.slapd
def test_slapd_keeps_its_tree_over_a_power_cut_and_leaves_nothing_behind(slapd: Callable[..., Slapd]) -> None:
    server = slapd(ldif.person(ANA, "ana", cn="Ana Žižka"))
    server.kill()
    server.start()
    assert server.search("(uid=ana)", ["cn"]) == [(ANA, {"cn": ["Ana Žižka"]})]
    server.modify(f"dn: {ANA}\nchangetype: modify\nadd: mail\nmail: ana@example.org\n")
    assert server.value("(uid=ana)", "mail") == "ana@example.org"
    server.delete(ANA)
    assert server.search("(uid=ana)") == []
    server.close()
    assert not server.folder.exists()
    assert not any(map(answers, server.ports))


@pytest.mark.slapd
def test_a_broken_slapd_conf_says_why(
    slapd: Callable[..., Slapd], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ServerFailedError, match="nonsense"):
        slapd(lines=["nonsense 1"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ds389
def test_389ds_writes_its_pid_into_a_file_of_its_own_and_not_into_dev_null(ds389: DirectoryServer389) -> None:
    assert ds389.pid_file.read_text(encoding="utf-8").strip() == str(ds389.pid)


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it receives; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    while data := client.recv(100):
                        client.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_proxy_passes_on_and_counts(echo: int) -> None:
    with Proxy(to=echo, page_marker=b"page") as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"a page")
        assert client.recv(100) == b"a page"
        assert (proxy.connections, proxy.from_client, proxy.from_server, proxy.requests) == (1, 6, 6, 1)


def test_the_proxy_resets_after_so_many_bytes(echo: int) -> None:
    with Proxy(to=echo, cut_after=4) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"abcdef")
        with pytest.raises(ConnectionResetError):
            while client.recv(100):
                pass


def test_the_proxy_closes_in_order(echo: int) -> None:
    proxy = Proxy(to=echo, cut_after=4, orderly=True)
    with proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"abcdef")
        assert client.recv(100) == b"abcd"
        assert client.recv(100) == b""


def test_the_proxy_resets_at_the_second_page(echo: int) -> None:
    proxy = Proxy(to=echo, cut_at_page=2, page_marker=b"page")
    with proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"page")
        assert client.recv(100) == b"page"
        client.sendall(b"page")
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_the_proxy_stalls(echo: int) -> None:
    with Proxy(to=echo, stall_after=3) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"abcdef")
        assert client.recv(100) == b"abc"
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
