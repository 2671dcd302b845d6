"""Settings of the kinds that speak to a server: where it is, as whom, how fast."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.organizations.bitwarden import BitwardenOrganization, BitwardenSettings
from dirconnector.organizations.pace import Limit
from dirconnector.organizations.vaultwarden import VaultwardenOrganization, VaultwardenSettings

UUID = "0f4c3b1e-0000-4000-8000-00000000abcd"
BASE = {"client_id": f"organization.{UUID}", "client_secret": {"env": "SECRET"}}


def bitwarden(**more: Any) -> BitwardenSettings:
    return BitwardenSettings.model_validate({**BASE, **more})


@pytest.mark.parametrize(
    ("place", "identity", "api"),
    [
        ({"region": "us"}, "https://identity.bitwarden.com", "https://api.bitwarden.com"),
        ({"region": "eu"}, "https://identity.bitwarden.eu", "https://api.bitwarden.eu"),
        ({"region": "gov"}, "https://identity.bitwarden-gov.com", "https://api.bitwarden-gov.com"),
        ({"server": "https://bw.x.org/"}, "https://bw.x.org/identity", "https://bw.x.org/api"),
        ({"server": "https://x.org:8443/bw"}, "https://x.org:8443/bw/identity", "https://x.org:8443/bw/api"),
        ({"identity_url": "https://i.x.org/", "api_url": "https://a.x.org"}, "https://i.x.org", "https://a.x.org"),
        ({"server": "http://localhost:8080"}, "http://localhost:8080/identity", "http://localhost:8080/api"),
    ],
)
def test_urls(place: dict[str, str], identity: str, api: str) -> None:
    assert bitwarden(**place).urls == (identity, api)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "exactly one of region, server"),
        ({"region": "us", "server": "https://x.org"}, "exactly one of region, server"),
        ({"api_url": "https://x.org"}, "belong together"),
        ({"region": "mars"}, "'us', 'eu' or 'gov'"),
        ({"server": "x.org"}, "must be a URL"),
        ({"server": "https://"}, "must be a URL"),
        ({"server": "https://x.org:port"}, "must be a URL"),
        ({"server": "ftp://x.org"}, "must be a URL"),
        ({"server": "https://me:pw@x.org"}, "no user"),
        ({"server": "https://x.org/?a=b"}, "no user, no \\?"),
        ({"server": "http://x.org"}, "must start with https://"),
        ({"region": "us", "client_id": f"user.{UUID}"}, "API key of a person"),
        ({"region": "us", "client_id": UUID}, "must be organization. and a UUID"),
        ({"region": "us", "client_id": "organization.acme"}, "must be organization. and a UUID"),
        ({"region": "us", "client_secret": "inline"}, "reference"),
        ({"region": "us", "proxy": "http://me:pw@proxy.x.org"}, "secret as a whole"),
        ({"region": "us", "proxy": "proxy.x.org:3128"}, "must be a URL"),
        ({"region": "us", "tls": {"start_tls": True}}, "for LDAP"),
        ({"region": "us", "timeout": 0}, "greater than or equal to 1"),
        ({"region": "us", "pace": {"writes_per_minute": 61}}, "allows 60"),
        ({"region": "us", "pace": {"writes_per_second": 6}}, "allows 5"),
        ({"region": "us", "pace": {"reads_per_minute": 201}}, "allows 200"),
        ({"region": "us", "pace": {"tokens_per_minute": 11}}, "allows 10"),
        ({"server": "https://vault.bitwarden.eu", "pace": {"reads_per_minute": 999}}, "allows 200"),
    ],
)
def test_mistakes(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        bitwarden(**more)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        {"region": "us"},
        {"region": "gov"},
        {"server": "https://vault.bitwarden.com"},
        {"identity_url": "https://identity.bitwarden.eu", "api_url": "https://api.bitwarden.eu"},
        {"identity_url": "https://my.proxy.org", "api_url": "https://API.Bitwarden-Gov.com"},
    ],
)
def test_the_cloud_has_its_limits_without_asking(place: dict[str, str]) -> None:
    settings = bitwarden(**place)
    assert settings.cloud
    assert settings.api_limits() == {"write": [Limit(60, 60.0), Limit(5, 1.0)], "read": [Limit(200, 60.0)]}
    assert settings.identity_limits == {"token": [Limit(10, 60.0), Limit(5, 1.0)]}


@pytest.mark.parametrize("server", ["https://bw.x.org", "https://notbitwarden.com", "https://bitwarden.com.evil.org"])
def test_others_have_none(server: str) -> None:
    settings = bitwarden(server=server)
    assert not settings.cloud
    assert settings.api_limits(limited=True) == bitwarden(region="us").api_limits()
    assert not any(settings.api_limits().values()) and not any(settings.identity_limits.values())


def test_a_pace_of_ones_own() -> None:
    settings = bitwarden(server="https://x.org", pace={"writes_per_second": 2, "tokens_per_minute": 3})
    assert settings.api_limits() == {"write": [Limit(2, 1.0)], "read": []}
    assert settings.identity_limits == {"token": [Limit(3, 60.0), Limit(5, 1.0)]}
    assert settings.speed().writes_per_second == 2
    slower = bitwarden(region="us", pace={"writes_per_minute": 30})
    assert slower.api_limits() == {"write": [Limit(30, 60.0), Limit(5, 1.0)], "read": [Limit(200, 60.0)]}


def test_the_name_is_stable_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "the-secret-itself")
    organization = BitwardenOrganization(bitwarden(region="eu", client_id=f"organization.{UUID.upper()}"))
    assert organization.name == f"bitwarden:{UUID}@api.bitwarden.eu"
    assert "the-secret-itself" not in repr(organization.settings) + repr(organization._token)


def test_a_proxy_may_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY", "http://me:pass-word@proxy.x.org:3128")
    settings = bitwarden(region="us", proxy={"env": "PROXY"})
    assert settings.proxy_url == "http://me:pass-word@proxy.x.org:3128"
    assert "pass-word" not in repr(settings)
    assert bitwarden(region="us").proxy_url == ""


def test_vaultwarden() -> None:
    settings = VaultwardenSettings.model_validate({**BASE, "server": "https://vault.x.org"})
    assert VaultwardenOrganization(settings).name == f"vaultwarden:{UUID}@vault.x.org"
    assert settings.device == settings.device
    assert settings.groups is False
    with pytest.raises(ValidationError, match="exactly one of server"):
        VaultwardenSettings.model_validate(BASE)
    with pytest.raises(ValidationError, match="region"):
        VaultwardenSettings.model_validate({**BASE, "region": "us"})
