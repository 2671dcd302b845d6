"""OneLogin, through its REST API: users, roles or OneLogin groups as groups."""

from dirconnector.readers.onelogin.reader import OneLoginReader
from dirconnector.readers.onelogin.settings import OneLoginSettings

__all__ = ["OneLoginReader", "OneLoginSettings"]
