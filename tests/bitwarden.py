"""An organization of ``kind: bitwarden`` on an emulator, with time that costs nothing, and a seed for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dirconnector.organizations.bitwarden import BitwardenOrganization, BitwardenSettings
from dirconnector.organizations.connection import Timing
from tests.emulators.bitwarden import Association, BitwardenEmulator, Collection, Group, Status, Type

STATUSES = {word.name.lower(): word for word in Status}
TYPES = {word.name.lower(): word for word in Type}


class FastTime:
    """A clock on which every wait is over at once (a thousandth of it really passes, so that servers get on)."""

    def __init__(self, scale: float = 1000.0) -> None:
        self.scale = scale
        self.slept: list[float] = []
        self._start = time.monotonic()
        self._ahead = 0.0
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self._start + (time.monotonic() - self._start) + self._ahead

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            time.sleep(seconds / self.scale)
            self._ahead += seconds * (1 - 1 / self.scale)

    @property
    def timing(self) -> Timing:
        return Timing(clock=self.clock, sleep=self.sleep)


def settings_for(emulator: BitwardenEmulator, folder: Path, **more: Any) -> BitwardenSettings:
    """Settings that reach the emulator; the secret is in a file of ``folder``."""
    secret = folder / "secret"
    secret.write_text(emulator.client_secret)
    entry = {k: v for k, v in emulator.organization.items() if k != "kind"}
    return BitwardenSettings.model_validate({**entry, "client_secret": {"file": str(secret)}, **more})


def organization_on(
    emulator: BitwardenEmulator, folder: Path, *, time_: FastTime | None = None, **more: Any
) -> BitwardenOrganization:
    """The organization on the emulator. ``more`` are settings."""
    timing = (time_ or FastTime()).timing
    return BitwardenOrganization(settings_for(emulator, folder, **more), timing=timing, pace_folder=folder)


def plant(emulator: BitwardenEmulator, seed: Mapping[str, Any]) -> None:
    """Fill an emulator with the seed of a local organization (docs/organizations/local.md)."""
    emulator.reset()
    state = emulator.state
    for member in list(state.members):
        state.remove_member(member)
    state.organization.seats = seed.get("seats")
    by_email = {}
    for entry in seed["members"]:
        status = STATUSES[entry.get("status", "confirmed")]
        before = {"status_before": Status.CONFIRMED} if status is Status.REVOKED else {}
        collections = tuple(Association(id=state_collection(emulator)) for _ in range(entry.get("collections", 0)))
        linked = status is not Status.INVITED
        fields = {
            "external_id": entry.get("externalId"),
            "status": status,
            "type": TYPES[entry.get("type", "user")],
            "collections": collections,
            **before,
        }
        member = state.enrol(entry["email"], **fields, **({} if linked else {"user_id": None}))
        by_email[entry["email"]] = member
    for entry in seed["groups"]:
        collections = tuple(Association(id=state_collection(emulator)) for _ in range(entry.get("collections", 0)))
        group = state.put_group(
            Group(name=entry["name"], external_id=entry.get("externalId"), collections=collections)
        )
        state.set_members(group.id, [by_email[email].id for email in entry.get("members", ())])


def state_collection(emulator: BitwardenEmulator) -> str:
    """A new collection's id."""
    collection = Collection()
    emulator.state.collections[collection.id] = collection
    return collection.id
