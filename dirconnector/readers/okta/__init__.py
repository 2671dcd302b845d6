"""Okta: the management API through the transport of Okta's own Python package, without its generated models."""

from dirconnector.readers.okta.reader import OktaReader
from dirconnector.readers.okta.settings import OktaSettings

__all__ = ["OktaReader", "OktaSettings"]
