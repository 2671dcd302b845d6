"""An emulator of Google Workspace: the token endpoint of service accounts, and the Directory API."""

from tests.emulators.google.runner import ADMIN, KEY_VARIABLE, GoogleEmulator
from tests.emulators.google.state import GROUP_READ, MEMBER_READ, USER_READ, USER_WRITE, Role, State

__all__ = [
    "ADMIN",
    "GROUP_READ",
    "KEY_VARIABLE",
    "MEMBER_READ",
    "USER_READ",
    "USER_WRITE",
    "GoogleEmulator",
    "Role",
    "State",
]
