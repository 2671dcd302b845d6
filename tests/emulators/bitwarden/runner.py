"""Runs an emulator: a certificate of a private CA, uvicorn in a thread of its own, and an end without
traces.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import trustme
import uvicorn

from tests.emulators.bitwarden.core import Answer, Core, Options, new_core
from tests.emulators.bitwarden.entities import Mail
from tests.emulators.bitwarden.faults import Faults
from tests.emulators.bitwarden.front import Front
from tests.emulators.bitwarden.state import State

SECRET_NAME = "BITWARDEN_EMULATOR_CLIENT_SECRET"
START_SECONDS = 20.0


class EmulatorError(Exception):
    """The emulator did not start, or failed where the server that it imitates would not have."""


def _certificate(options: Options, folder: Path) -> tuple[str, str, Path]:
    """Certificate, key, and the CA file that verifies them. A given certificate is its own CA."""
    ca_file = folder / "ca.pem"
    if options.cert is not None and options.key is not None:
        shutil.copyfile(options.cert, ca_file)
        return options.cert, options.key, ca_file
    authority = trustme.CA(organization_name="Bitwarden emulator")
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    leaf.private_key_pem.write_to_path(str(key))
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(str(cert), append=number > 0)
    return str(cert), str(key), ca_file


class BitwardenEmulator:
    """A running emulator, as a context manager. The keyword arguments are those of
    :class:`~tests.emulators.bitwarden.core.Options`.

    >>> with BitwardenEmulator(cloud=True, members=3) as emulator:
    ...     emulator.faults.add("POST /public/organization/import", "502_after", nth=1)
    """

    ca_file: Path
    url: str

    def __init__(self, **options: Any) -> None:
        self.core: Core = new_core(Options(**options))
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        options = self.core.options
        with ExitStack() as exits:
            folder = Path(exits.enter_context(TemporaryDirectory(prefix="bitwarden-emulator-")))
            cert, key, self.ca_file = _certificate(options, folder)
            # asyncio switches Nagle's algorithm off only where the protocol is named
            listener = exits.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", options.port))
            self.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            server = uvicorn.Server(_config(Front(self.core), cert, key))
            thread = threading.Thread(
                target=server.run, kwargs={"sockets": [listener]}, name="bitwarden-emulator", daemon=True
            )
            thread.start()
            exits.callback(_stop, server, thread)
            _wait_until_ready(server, thread)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()
        if self.core.crashes and error is None:
            raise EmulatorError("the emulator itself failed") from self.core.crashes[0]

    def reset(self) -> None:
        """As newly started, for a test that shares an emulator with others: only the URL and the CA stay."""
        self.core.reset()

    @property
    def state(self) -> State:
        return self.core.state

    @property
    def calls(self) -> Counter[str]:
        """``METHOD /path/{id}`` -> how many were received, the refused ones included."""
        return self.core.calls

    @property
    def answers(self) -> list[Answer]:
        """Every request with the status of its answer, in order."""
        return self.core.answers

    @property
    def mails(self) -> list[Mail]:
        return self.core.mails

    @property
    def faults(self) -> Faults:
        return self.core.faults

    @property
    def client_id(self) -> str:
        return f"organization.{self.state.organization.id}"

    @property
    def client_secret(self) -> str:
        return self.state.organization.client_secret

    @property
    def organization(self) -> dict[str, Any]:
        """The ``organization`` of a config that reaches this emulator; :attr:`env` has the secret that it
        refers to.
        """
        options = self.core.options
        if options.cloud:
            where = {"identity_url": f"{self.url}/identity", "api_url": f"{self.url}/api"}
        else:
            where = {"server": self.url}
        return {
            "kind": "vaultwarden" if options.vaultwarden else "bitwarden",
            **where,
            "client_id": self.client_id,
            "client_secret": {"env": SECRET_NAME},
            "tls": {"ca_file": str(self.ca_file)},
        }

    @property
    def scim_url(self) -> str:
        """The base URL of the organization's SCIM endpoint; its bearer key is ``state.organization.scim_key``."""
        return f"{self.url}/scim/v2/{self.state.organization.id}"

    @property
    def env(self) -> dict[str, str]:
        return {SECRET_NAME: self.client_secret}

    def tls_context(self) -> ssl.SSLContext:
        """A client's context that trusts this emulator alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def access_token(self, **changes: Any) -> str:
        """A token without asking for it: ``scope`` and ``seconds`` may differ from what the endpoint gives."""
        defaults: dict[str, Any] = {"organization_id": self.state.organization.id, "issuer": self.url}
        return self.core.tokens.issue(**(defaults | {"seconds": 3600} | changes))


def _config(app: Front, cert: str, key: str) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )


def _wait_until_ready(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise EmulatorError("the emulator did not start")
        time.sleep(0.005)


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(START_SECONDS)
    if thread.is_alive():
        raise EmulatorError("the emulator did not stop")
