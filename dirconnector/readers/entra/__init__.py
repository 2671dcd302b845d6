"""Microsoft Entra ID (formerly Azure Active Directory), read through Microsoft Graph."""

from dirconnector.readers.entra.reader import EntraReader
from dirconnector.readers.entra.settings import EntraSettings

__all__ = ["EntraReader", "EntraSettings"]
