"""``kind: vaultwarden``: an organization on a Vaultwarden server.

Vaultwarden has one call, the import, and nothing can be read. So the ledger is the current state: what we have sent
and what was accepted. ``entries`` makes entries of an import from changes, ``sending`` sends them, ``organization``
puts both together. Statements about the server are of dani-garcia/vaultwarden, ``src/api/core/public.rs``.
"""

from dirconnector.organizations.vaultwarden.organization import VaultwardenOrganization
from dirconnector.organizations.vaultwarden.settings import VaultwardenSettings

__all__ = ["VaultwardenOrganization", "VaultwardenSettings"]
