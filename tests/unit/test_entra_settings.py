"""The config of an Entra ID directory: what is refused, and what follows from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.errors import ConfigError
from dirconnector.readers.entra.credentials import certificate_credential
from dirconnector.readers.entra.settings import CLOUDS, Certificate, EntraSettings
from tests.emulators.entra.certificates import pem_file, pfx_file

APP = "2f1c9b1e-0d5e-4b7a-9a5b-0c8a1d2e3f40"
SMALLEST: dict[str, Any] = {"tenant": "contoso.onmicrosoft.com", "client_id": APP, "client_secret": {"env": "S"}}


def settings(**more: Any) -> EntraSettings:
    return EntraSettings.model_validate({k: v for k, v in (SMALLEST | more).items() if v is not None})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"tenant": "common"}, "no tenant of yours"),
        ({"tenant": "not a domain"}, "tenant ID"),
        ({"tenant": "contoso"}, "tenant ID"),
        ({"client_id": "dirsync"}, "application \\(client\\) ID"),
        ({"client_secret": None}, "exactly one of client_secret and certificate"),
        ({"certificate": {"file": "x.pfx"}}, "exactly one of client_secret and certificate"),
        ({"client_secret": "oops"}, "never inline"),
        ({"cloud": "germany"}, "'public', 'us-government'"),
        ({"graph_url": "http://127.0.0.1"}, "https://"),
        ({"graph_url": "https://graph.microsoft.com/v1.0"}, "only host and port"),
        ({"login_url": "https://user@login.example.org"}, "only host and port"),
        ({"tls": {"start_tls": True}}, "for LDAP"),
        ({"proxy": "http://user:password@proxy.example.org"}, "a secret as a whole"),
        ({"proxy": "proxy.example.org"}, "must be a URL"),
        ({"users": {"filter": " "}}, "nothing is written here"),
        ({"users": {"email": []}}, "at least 1 item"),
        ({"users": {"email": "telephone"}}, "'mail', 'userPrincipalName'"),
        ({"users": {"guests": "maybe"}}, "'include' or 'exclude'"),
        ({"groups": {"kinds": []}}, "at least 1 item"),
        ({"groups": {"kinds": ["dynamic"]}}, "'security', 'microsoft365'"),
        ({"groups": True}, "groups"),
        ({"administrative_units": []}, "at least 1 item"),
        ({"page_size": 1000}, "999"),
        ({"timeout": 0}, "greater than or equal to 1"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_mistakes_are_named(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**more)


def test_the_mistake_never_shows_a_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(proxy="http://user:hunter2@proxy.example.org")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_cloud_has_its_own_hosts_and_its_own_scope(cloud: Any) -> None:
    found = settings(cloud=cloud)
    assert (found.login, found.graph) == (CLOUDS[cloud].login, CLOUDS[cloud].graph)
    assert found.scope == f"{CLOUDS[cloud].graph}/.default"


def test_another_address_does_not_change_for_whom_the_token_is() -> None:
    found = settings(graph_url="https://127.0.0.1:8443/", login_url="https://127.0.0.1:8444")
    assert (found.graph, found.login) == ("https://127.0.0.1:8443", "https://127.0.0.1:8444")
    assert found.scope == "https://graph.microsoft.com/.default"


def test_validating_a_config_imports_no_library_of_the_service() -> None:
    code = (
        "import sys\nfrom dirconnector.readers.entra import EntraReader, EntraSettings\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'msal', 'requests', 'urllib3', 'cryptography', 'jwt'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -------------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize("make", [pem_file, pfx_file])
@pytest.mark.parametrize("password", ["", "pass word"])
def test_certificates_in_both_forms(make: Any, password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, public = make(tmp_path, password=password)
    monkeypatch.setenv("P", password)
    given = {"file": str(file)} | ({"password": {"env": "P"}} if password else {})
    credential = certificate_credential(Certificate.model_validate(given), "directories.hq.certificate")
    assert credential["public_certificate"] == public
    assert credential["private_key"].startswith("-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("make", [pem_file, pfx_file])
@pytest.mark.parametrize(
    ("given", "why"), [({}, "give certificate.password"), ({"password": {"env": "P"}}, "with this password")]
)
def test_a_certificate_that_does_not_open(
    make: Any, given: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = make(tmp_path, password="right")
    monkeypatch.setenv("P", "wrong-one")
    with pytest.raises(ConfigError, match=why) as caught:
        certificate_credential(Certificate.model_validate({"file": str(file)} | given), "directories.hq.certificate")
    assert str(file) in str(caught.value)
    assert "wrong-one" not in str(caught.value)
    assert caught.value.__context__ is None


def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    where = "directories.hq.certificate"
    with pytest.raises(ConfigError, match="No such file"):
        certificate_credential(Certificate(file=tmp_path / "none.pfx"), where)
    file, public = pem_file(tmp_path)
    file.write_text(public)
    with pytest.raises(ConfigError, match="both the certificate and its private key"):
        certificate_credential(Certificate(file=file), where)
    file.write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="no PFX or PEM file"):
        certificate_credential(Certificate(file=file), where)
