"""An emulator of OneLogin's REST API: tokens, ``/api/2`` users and roles, ``/api/1`` groups and events."""

from tests.emulators.onelogin.service import OneLoginEmulator
from tests.emulators.onelogin.state import State

__all__ = ["OneLoginEmulator", "State"]
