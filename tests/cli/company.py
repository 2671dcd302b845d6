"""A small company in a folder: a directory in a JSON file, an organization in a file, a configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from dirconnector.cli.group import cli

CONFIG = """\
directories:
  hq: {{kind: file, path: {source}}}
{extra}
organization: {{kind: local, path: organization.db}}
state: {{url: "sqlite:///state.db"}}
"""


@dataclass(frozen=True)
class Company:
    """The folder of a company. ``dirsync`` runs a command line in this process."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "dirsync.yaml"

    @property
    def organization(self) -> str:
        return f"local:{self.folder.resolve() / 'organization.db'}"

    def configure(self, extra: str = "", source: str = "people.json") -> None:
        self.config.write_text(CONFIG.format(extra=extra, source=source), encoding="utf-8")

    def people(self, *names: str, complete: bool = True, **more: dict[str, Any]) -> None:
        """Write the directory: everybody is called NAME@example.org and is in Staff. ``more`` overrides fields by
        name.
        """
        users = [
            {
                "key": f"key-{name}",
                "email": f"{name}@example.org",
                "name": name.title(),
                "enabled": True,
                "directory": "hq",
                "username": name,
            }
            | more.get(name, {})
            for name in names
        ]
        groups = [{"key": "key-staff", "name": "Staff", "directory": "hq", "members": [u["key"] for u in users]}]
        evidence = [
            {"directory": "hq", "query": query, "complete": complete, "pages": 1, "entries": entries, "why": "cut"}
            for query, entries in (("users", len(users)), ("groups", 1))
        ]
        document = {"users": users, "groups": groups, "evidence": evidence, "problems": []}
        (self.folder / "people.json").write_text(json.dumps(document), encoding="utf-8")

    def dirsync(self, *words: str, config: bool = True, input: str | None = None) -> Result:
        options = ["-c", str(self.config)] if config else []
        return CliRunner().invoke(cli, [*options, *words], prog_name="dirsync", input=input)

    def document(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The JSON document on stdout of a command that ends with ``code``."""
        result = self.dirsync(*words)
        assert result.exit_code == code, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document
