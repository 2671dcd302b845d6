"""HTTP: TLS as the config says whatever the environment says, and every kind of silence in words."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from dirconnector.errors import ConfigError
from dirconnector.http import Answer, Http, NoAnswer
from dirconnector.settings import Tls


class Handler(BaseHTTPRequestHandler):
    """Says which Authorization it saw; ``/short`` promises more than it sends; ``/move`` redirects."""

    def do_GET(self) -> None:
        if self.path == "/silent":
            self.server.silence.wait(30)  # type: ignore[attr-defined]  # given by served()
            return
        if self.path == "/drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(302 if self.path == "/move" else 200)
        self.send_header("Location", "https://evil.example.org/")
        body = (self.headers.get("Authorization") or "none").encode()
        self.send_header("Content-Length", str(len(body) + (100 if self.path == "/short" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(authority: trustme.CA, name: str = "127.0.0.1", client: trustme.CA | None = None) -> Iterator[str]:
    """A server with a certificate for ``name``; with ``client`` it wants one of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if client is not None:
        client.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.silence = threading.Event()  # type: ignore[attr-defined]  # for /silent
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that goes away is meant
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.silence.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@contextmanager
def client(tls: Tls, **settings: object) -> Iterator[Callable[[str], Answer]]:
    http = Http(tls, **settings)  # type: ignore[arg-type]  # of a test
    try:
        yield lambda url: http.send("GET", url, headers={"Authorization": "Bearer TOKEN"})
    finally:
        http.close()


def test_a_private_authority_is_enough(authority: trustme.CA, ca_file: Path) -> None:
    with served(authority) as url, client(Tls(ca_file=ca_file)) as get:
        answer = get(url)
    assert (answer.status, answer.body) == (200, b"Bearer TOKEN")


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_does_not_replace_it(
    authority: trustme.CA, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv(name, str(other))
    with served(authority) as url, client(Tls(ca_file=ca_file)) as get:
        assert get(url).status == 200


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_nor_does_it_widen_it(
    authority: trustme.CA, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    stranger = trustme.CA()
    other = tmp_path / "other.pem"
    stranger.cert_pem.write_to_path(str(other))
    monkeypatch.setenv(name, str(other))
    with (
        served(stranger) as url,
        client(Tls(ca_file=ca_file)) as get,
        pytest.raises(NoAnswer, match=r"certificate of the server is refused.*tls\.ca_file") as caught,
    ):
        get(url)
    assert (caught.value.sent, caught.value.lasting) == (False, True)


def test_without_an_authority_of_ours_an_unknown_one_is_refused(authority: trustme.CA) -> None:
    with (
        served(authority) as url,
        client(Tls()) as get,
        pytest.raises(NoAnswer, match="certificate of the server is refused"),
    ):
        get(url)


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, ca_file: Path) -> None:
    with (
        served(authority, "other.example.org") as url,
        client(Tls(ca_file=ca_file)) as get,
        pytest.raises(NoAnswer, match="refused"),
    ):
        get(url)


def test_verification_is_switched_off_by_name(authority: trustme.CA) -> None:
    with served(authority, "other.example.org") as url, client(Tls(verify=False)) as get:
        assert get(url).status == 200


def test_a_client_certificate_is_shown(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    people = trustme.CA()
    mine = people.issue_cert("dirsync@example.org")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mine.pem"))
    with served(authority, client=people) as url:
        with client(Tls(ca_file=ca_file, client_cert=tmp_path / "mine.pem")) as get:
            assert get(url).status == 200
        with client(Tls(ca_file=ca_file)) as get, pytest.raises(NoAnswer):
            get(url)


@pytest.mark.parametrize("setting", ["ca_file", "client_cert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, setting: str, content: str | None) -> None:
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_text(content)
    with client(Tls(**{setting: path})) as get, pytest.raises(ConfigError, match=r"broken\.pem: cannot be used"):
        get("https://127.0.0.1:1")


def test_netrc_does_not_replace_the_token(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    with served(authority) as url, client(Tls(ca_file=ca_file)) as get:
        assert get(url).body == b"Bearer TOKEN"


def test_redirects_are_not_followed(authority: trustme.CA, ca_file: Path) -> None:
    with served(authority) as url, client(Tls(ca_file=ca_file)) as get:
        assert get(f"{url}/move").status == 302


@pytest.mark.parametrize(
    ("path", "words"), [("/drop", "the connection broke"), ("/short", "the connection broke"), ("/silent", "no answer")]
)
def test_silence_after_the_request_was_sent(authority: trustme.CA, ca_file: Path, path: str, words: str) -> None:
    with (
        served(authority) as url,
        client(Tls(ca_file=ca_file), timeout=0.5) as get,
        pytest.raises(NoAnswer, match=words) as caught,
    ):
        get(url + path)
    assert (caught.value.sent, caught.value.lasting) == (True, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_nobody_there(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with client(Tls()) as get, pytest.raises(NoAnswer, match=r"no connection .*need a proxy") as caught:
            get(f"https://{host}:{port}/connect/token")
    assert (caught.value.sent, caught.value.lasting) == (False, False)
    assert "TOKEN" not in str(caught.value)


def test_a_proxy_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = f"http://user:pass-word@127.0.0.1:{taken.getsockname()[1]}"
        with client(Tls(), proxy=proxy) as get, pytest.raises(NoAnswer, match="the proxy") as caught:
            get("https://api.bitwarden.com/public/members")
    assert caught.value.sent is False
    assert "pass-word" not in str(caught.value)


def test_no_secret_is_left_in_what_is_raised(authority: trustme.CA, ca_file: Path) -> None:
    with (
        served(authority) as url,
        client(Tls(ca_file=ca_file)) as get,
        pytest.raises(NoAnswer) as caught,
    ):
        get(f"{url}/drop")
    error: BaseException | None = caught.value
    while error is not None:
        assert "TOKEN" not in repr(error)
        assert not hasattr(error, "request")
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), (" 7 ", 7.0), ("", None), ("Wed, 21 Oct 2026", None), ("-1", None)]
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert Answer(status=429, headers={"Retry-After": header}, body=b"").retry_after == seconds
