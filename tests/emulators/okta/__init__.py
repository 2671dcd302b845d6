"""An Okta organization: the management API as far as it reads, and the org authorization server."""

from tests.emulators.okta.auth import ApiToken, ServiceApp
from tests.emulators.okta.emulator import OktaEmulator
from tests.emulators.okta.limits import Limits
from tests.emulators.okta.state import State

__all__ = ["ApiToken", "Limits", "OktaEmulator", "ServiceApp", "State"]
