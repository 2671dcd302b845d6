"""What ``kind: google`` accepts, and what it refuses with which words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.config import load
from dirconnector.readers.google import GoogleReader, GoogleSettings

BASE: dict[str, Any] = {"key_file": "key.json", "subject": "admin@example.com"}


def settings(**given: Any) -> GoogleSettings:
    return GoogleSettings.model_validate(BASE | given, context={"folder": Path("/etc/dirsync")})


def test_the_smallest() -> None:
    small = settings()
    assert small.key_file == Path("/etc/dirsync/key.json")
    assert small.scope == {"customer": "my_customer"}
    assert small.whole
    assert small.api_url == "https://admin.googleapis.com"
    assert small.token_url is None
    assert (small.queries_per_minute, small.parallel) == (2400, 8)


def test_a_domain_or_a_query_is_not_the_whole() -> None:
    assert settings(domain="example.com").scope == {"domain": "example.com"}
    assert not settings(domain="example.com").whole
    assert not settings(users={"query": "email:a*"}).whole
    assert not settings(customer="C01abc").whole


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"key_file": None}, "give the key of the service account: key_file or key"),
        ({"key": {"env": "KEY"}}, "key_file or key, one of them"),
        ({"subject": "admin"}, "must be the address of an administrator"),
        ({"domain": "example.com", "customer": "C01abc"}, "customer and domain exclude each other"),
        ({"domain": ""}, "at least 1 character"),
        ({"users": {"query": ""}}, "at least 1 character"),
        ({"users": {"email": "mail"}}, "'mail' is no attribute of a Google user"),
        ({"users": {"email": []}}, "nothing is listed"),
        ({"users": {"username": "uid"}}, "'uid' is no attribute of a Google user"),
        ({"groups": {"name": "description"}}, "'name' or 'email'"),
        ({"groups": True}, ""),
        ({"api_url": "admin.googleapis.com"}, "must be a URL"),
        ({"api_url": "http://google.example.org"}, "in the clear"),
        ({"api_url": "https://me:secret@google.example.org"}, "no user and no password"),
        ({"token_url": "ftp://x"}, "must be a URL"),
        ({"tls": {"start_tls": True}}, "for LDAP"),
        ({"proxy": "http://me:secret@proxy.example.org"}, "a proxy with a password is a secret"),
        ({"proxy": "proxy"}, "must be a URL such as http://proxy"),
        ({"parallel": 0}, "greater than or equal to 1"),
        ({"queries_per_minute": 0}, "greater than or equal to 1"),
        ({"scopes": []}, "Extra inputs"),
    ],
)
def test_what_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    assert words in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "https://google.example.org/base/"])
def test_urls(url: str) -> None:
    assert settings(api_url=url).api_url == url.rstrip("/")


@pytest.mark.parametrize("number", [0, 1])
def test_the_documentation_shows_what_works(tmp_path: Path, number: int) -> None:
    page = Path(__file__).parents[2] / "docs" / "directories" / "google.md"
    snippets = [dedent(text) for text in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    assert len(snippets) == 2
    text = snippets[number]
    if "organization:" not in text:
        text += "organization: {kind: local, path: o.db}\n"
    (tmp_path / "dirsync.yaml").write_text(text, encoding="utf-8")
    assert load(tmp_path / "dirsync.yaml").directories[0].kind == "google"


def test_the_vendors_library_is_imported_when_it_connects_and_not_before() -> None:
    code = (
        "import sys\n"
        "from dirconnector.readers.google import GoogleReader, GoogleSettings\n"
        "GoogleReader('hq', GoogleSettings(key_file='k', subject='a@b'), frozenset())\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'google', 'googleapiclient', 'httplib2'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_of_the_key_is_in_a_reader() -> None:
    assert "PRIVATE" not in repr(vars(GoogleReader("hq", settings(), frozenset())))
