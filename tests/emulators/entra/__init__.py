"""An emulator of Microsoft Entra ID: the login service and Microsoft Graph v1.0 over TLS.

In a test::

    with EntraEmulator(users=300, groups=20, seed=1) as entra:
        ...  # entra.url, .ca_file; entra.directory, .env: a config entry that reads it, and its secret
        ...  # entra.tenant: users, groups, units; add, update, delete, restore, purge, add_member, ...
        ...  # entra.tenant.app: roles (consented permissions), secret, expired_secret, certificates
        ...  # entra.calls, .log, .faults, .limiter, .delta.sizes, .latency_seconds

Login and Graph share one address: ``{url}/{tenant}/oauth2/v2.0/token`` and ``{url}/v1.0/users``. The tenant is known by
its id and by its initial domain. Every link is built from the request's Host header. Tokens are for the audience
``https://graph.microsoft.com`` alone, whatever the address.

Faults beside the common ones (see ``tests.emulators.serving``): for lists and delta queries ``empty`` (a page without
items and with a link), ``loop`` (a link to the same page), ``foreign`` (a link to another host), ``html`` (a proxy's
page), ``list`` (JSON that is no object), ``novalue`` (no ``value``); for lists ``miscount`` (``@odata.count`` is one
too high); for delta queries ``gone`` (410), ``resync:CODE`` (400), ``lag`` (the last change comes in a later round),
``replay`` (the page before once more), ``bare`` (the second appearance of a group has no properties), ``nolink``
(neither link).

Not known of the real service, and decided here: type casts always need ``ConsistencyLevel: eventual`` and
``$count=true``; a deleted group leaves the groups it was in, as a deleted user does; how many objects a
page of a delta query has (``delta.sizes``); an unknown property in ``$select`` is refused.
"""

from __future__ import annotations

from tests.emulators.entra.service import EntraEmulator
from tests.emulators.entra.state import App, Tenant

__all__ = ["App", "EntraEmulator", "Tenant"]
