"""``python -m tests.emulators.google``: what it prints, and that the printed entry reads it."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from dirconnector.model import no_progress
from dirconnector.readers.google import GoogleReader, GoogleSettings
from tests.emulators.google import GoogleEmulator

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def _running(*arguments: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.emulators.google", *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            ready: dict[str, Any] = json.loads(server.stdout.readline())
            yield ready
        finally:
            server.send_signal(signal.SIGTERM)
            rest, _ = server.communicate(timeout=20)
    assert (server.returncode, rest) == (0, "")


def _door(ready: dict[str, Any], name: str, posted: Any = None) -> Any:
    context = ssl.create_default_context(cafile=ready["ca_file"])
    data = None if posted is None else json.dumps(posted).encode()
    with urlopen(Request(f"{ready['url']}/_emulator/{name}", data), context=context, timeout=20) as response:
        return json.load(response)


def test_the_printed_entry_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with _running("--users", "30", "--groups", "5", "--seed", "3") as ready:
        assert ready.keys() == {"url", "ca_file", "directory", "env"}
        for name, value in ready["env"].items():
            monkeypatch.setenv(name, value)
        entry = {name: value for name, value in ready["directory"].items() if name != "kind"}
        assert ready["directory"]["kind"] == "google"
        reader = GoogleReader("hq", GoogleSettings.model_validate(entry), frozenset())
        snapshot = reader.read(no_progress)
        assert (len(snapshot.users), len(snapshot.groups), snapshot.complete) == (31, 5, True)
        calls = _door(ready, "calls")
        assert calls["POST /token"] == 1
        state = _door(ready, "state")
        assert len(state["users"]) == 31
        _door(ready, "state", {"users": [*state["users"], {"primaryEmail": "new@example.com"}]})
        assert len(reader.read(no_progress).users) == 32


def test_a_state_that_cannot_be_is_refused() -> None:
    with GoogleEmulator() as google:
        ready = {"url": google.url, "ca_file": str(google.ca_file)}
        with pytest.raises(OSError, match="400"):
            _door(ready, "state", {"planets": []})


def test_the_same_seed_makes_the_same_company() -> None:
    one, same, other = (GoogleEmulator(users=60, groups=6, seed=seed).state_out() for seed in (5, 5, 6))
    assert one == same != other


def test_a_seeded_company_has_the_odd_things_that_real_ones_have() -> None:
    state = GoogleEmulator(users=6000, groups=230).state
    users = state.users.values()
    assert any(user["suspended"] for user in users)
    assert {user["suspended"] for user in users if user["archived"]} == {True, False}
    assert any("\x07" in user["name"]["fullName"] for user in users)
    assert any("+" in user["primaryEmail"] for user in users)
    assert any("," in user["name"]["fullName"] for user in users)
    assert any(not user["name"]["fullName"].isascii() for user in users)
    assert any(not user["isMailboxSetup"] for user in users)
    assert state.deleted
    groups = list(state.groups.values())
    assert max(len(group["members"]) for group in groups) > 5000
    assert any(not group["members"] for group in groups)
    kinds = {member["type"] for group in groups for member in group["members"]}
    assert kinds == {"USER", "GROUP", "CUSTOMER"}
    first, second = groups[:2]
    assert second["id"] in {m["id"] for m in first["members"]}
    assert first["id"] in {m["id"] for m in second["members"]}
    assert any(m.get("email", "").endswith("partner.example") for group in groups for m in group["members"])
