"""``kind: bitwarden``: an organization in Bitwarden's cloud or on a self-hosted Bitwarden server.

``settings`` say where it is, ``client`` is its public API over HTTP, ``settling`` finds out what became of an import
that was not answered, ``memberships`` decides whose members are read, ``checking`` is ``dirsync check``, and
``organization`` puts them together.
"""

from dirconnector.organizations.bitwarden.organization import BitwardenOrganization
from dirconnector.organizations.bitwarden.settings import BitwardenSettings

__all__ = ["BitwardenOrganization", "BitwardenSettings"]
