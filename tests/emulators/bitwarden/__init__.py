"""An emulator of the Bitwarden organization API (server 2026.8) and, on request, of Vaultwarden (1.37),
over TLS.

In a test::

    with BitwardenEmulator(cloud=True, minute_seconds=1.0, members=3) as emulator:
        ...  # emulator.url, .ca_file, .client_id, .client_secret
        ...  # emulator.organization, .env: a config entry that reaches it, and its secret
        ...  # emulator.state, .calls, .answers, .mails, .faults

Alone: ``python -m tests.emulators.bitwarden [--port P] [--cert FILE --key FILE] [--vaultwarden] [--cloud]
[--latency-ms L] [--members N] [--minute-seconds S]`` prints one line of JSON when it is ready: ``url``,
``ca_file``, ``organization`` (the config entry) and ``env`` (the variables that the entry refers to).

The service is below ``/identity`` and ``/api``, as on a self-hosted server, in the cloud mode too. Every
URL is built from the Host header. The organization has one confirmed owner, ``owner@example.org``, and
``members`` confirmed users of a directory: ``user000001@example.org`` with externalId ``user-000001`` and
so on.

Modes: self-hosted is the default; ``cloud`` has rate limits, the cap of 2000 on imports, and seats that
scale. Limits count per address, period and verb; ``limit_per_path=True`` counts exact paths apart, as the
library behind the cloud seems to. Vaultwarden's login limiter is off unless ``rate_limits=True``. Its
groups are off, as by default there: ``state.organization.org_groups_enabled``.

The organization's own SCIM endpoint (``emulator.scim_url``) is at ``/scim/v2/{organization id}``; its bearer
key is ``state.organization.scim_key``, which the side door ``state`` shows as ``organization.scimKey``.
Vaultwarden has none.

Where the server's behaviour is not known, the emulator is the stricter one: two live entries of an import
with one externalId are both inserted and then a 500. The subscription endpoint shows only the seats.

Side doors, which are not counted, limited or hit by faults: ``/_emulator/calls`` (GET, DELETE),
``/_emulator/state`` (GET, POST: the sections sent replace the old ones, of ``organization`` only the
settings sent), ``/_emulator/faults`` (GET, POST).

The fault language
------------------

A rule is ``{"match": CALL, "fault": FAULT}`` and at most one of ``"nth": k`` (the k-th matching call from
now), ``"every": n`` (each n-th), ``"probability": p`` with ``"seed": s`` (the same calls each time);
without one it strikes always. ``"times": n`` ends it after n strikes. ``CALL`` is a method and a path below
the service with ``{id}`` in place of ids, as they are counted: ``POST /public/organization/import``, ``PUT
/public/members/{id}``, ``POST /connect/token``; ``*`` matches anything. Several rules may strike one call:
the seconds of ``slow`` add up, skips add up, and of the others the first one wins.

=================  =====================================================================================
``401``            refused as with an expired token; nothing is done
``429``            refused by the limiter; ``429:SECONDS`` sets Retry-After (default 1); nothing is done
``500``            the server's own 500; nothing is done
``500_after``      the same after the work was done
``502_before``     the page of a reverse proxy; nothing is done
``502_after``      the same after the work was done; ``504_after`` likewise
``504_during:S``   the proxy gives up at once, the server works on for S seconds
``slow:S``         the answer takes S seconds more; an import spends them between reading and writing
``drop_before``    the connection is dropped without an answer; nothing is done
``drop_after``     the same after the work was done
``skip:ID``        200, but what has this externalId is passed over in silence: entries of an import, and
                   writes to a member or group; ``skip:*`` passes over the whole call
=================  =====================================================================================
"""

from __future__ import annotations

from tests.emulators.bitwarden.core import Options
from tests.emulators.bitwarden.entities import (
    Account,
    Association,
    Collection,
    Group,
    Mail,
    Member,
    Status,
    Type,
)
from tests.emulators.bitwarden.runner import BitwardenEmulator, EmulatorError

__all__ = [
    "Account",
    "Association",
    "BitwardenEmulator",
    "Collection",
    "EmulatorError",
    "Group",
    "Mail",
    "Member",
    "Options",
    "Status",
    "Type",
]
