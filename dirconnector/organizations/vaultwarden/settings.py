"""Settings of ``kind: vaultwarden``."""

from __future__ import annotations

from typing import Self
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, model_validator

from dirconnector.organizations.server import ServerSettings, Urls


class VaultwardenSettings(ServerSettings):
    """``organization`` with ``kind: vaultwarden``.

    Exactly one of ``server``, or ``identity_url`` and ``api_url``. ``groups`` says that the server runs with
    ORG_GROUPS_ENABLED=true; it ignores groups otherwise, and does not say so. ``settle_seconds`` is how long to wait
    after an import that got no answer, before the same is sent again.
    """

    groups: bool = False
    settle_seconds: int = Field(default=10, ge=0)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.server is None) == (self.api_url is None):
            raise ValueError("give exactly one of server, or identity_url and api_url")
        return self

    @property
    def urls(self) -> Urls:
        """Where the services are."""
        assert self.given is not None, "checked by _one_place"
        return self.given

    @property
    def device(self) -> dict[str, str]:
        """What the token endpoint wants to know beside the API key (``src/api/identity.rs``). The identifier is the
        same in every run, so that the server knows one device and not a new one each time.
        """
        identifier = str(uuid5(NAMESPACE_URL, f"dirsync:{self.client_id}"))
        return {"device_identifier": identifier, "device_name": "dirsync", "device_type": "8"}
