"""What the config may say about a OneLogin directory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.readers.onelogin.settings import OneLoginSettings

PAIR = {"client_id": "0a1b", "client_secret": {"env": "SECRET"}}


def settings(**given: Any) -> OneLoginSettings:
    return OneLoginSettings.model_validate(PAIR | given)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({"subdomain": "acme"}, "https://acme.onelogin.com"),
        ({"region": "us"}, "https://api.us.onelogin.com"),
        ({"region": "eu"}, "https://api.eu.onelogin.com"),
        ({"url": "https://gateway.example.org:8443/"}, "https://gateway.example.org:8443"),
        ({"url": "http://127.0.0.1:80"}, "http://127.0.0.1:80"),
    ],
)
def test_where_the_account_is(given: dict[str, str], base: str) -> None:
    assert settings(**given).base == base


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "exactly one of subdomain, region, url"),
        ({"subdomain": "acme", "region": "eu"}, "exactly one of subdomain, region, url"),
        ({"subdomain": "acme.onelogin.com"}, "only the first part"),
        ({"region": "ap"}, "'us' or 'eu'"),
        ({"url": "acme.onelogin.com"}, "must be a URL"),
        ({"url": "http://acme.onelogin.com"}, "must start with https://"),
        ({"url": "https://user@acme.onelogin.com"}, "no user"),
        ({"url": "https://acme.onelogin.com/api"}, "no path"),
        ({"subdomain": "acme", "client_id": "a, b"}, "without spaces"),
        ({"subdomain": "acme", "groups": "teams"}, "'roles', 'groups' or 'both'"),
        ({"subdomain": "acme", "email": []}, "at least 1"),
        ({"subdomain": "acme", "email": "{username"}, "a template looks like"),
        ({"subdomain": "acme", "email": "{user name}@x"}, "is not the name of a field"),
        ({"subdomain": "acme", "page_size": 0}, "greater than or equal to 1"),
        ({"subdomain": "acme", "tls": {"start_tls": True}}, "start_tls is for LDAP"),
        ({"subdomain": "acme", "proxy": "http://u:p@proxy:1"}, "a secret as a whole"),
        ({"subdomain": "acme", "client_secret": "hunter2"}, "never inline"),
        ({"subdomain": "acme", "secret": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**given)
    assert why in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_defaults() -> None:
    given = settings(subdomain="acme")
    assert (given.groups, given.email, given.pending, given.page_size) == ("roles", ("email",), "skip", 100)
    assert settings(subdomain="acme", email="{username}@x.org").email == ("{username}@x.org",)


def test_checking_a_config_does_not_load_the_http_library() -> None:
    code = "import sys, dirconnector.readers.onelogin; print('requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
