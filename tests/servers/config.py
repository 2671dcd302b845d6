"""Writing a dirsync.yaml for a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dirconnector.readers import Reader, reader_class
from tests.servers.server import DirectoryServer


def ldap_settings(server: DirectoryServer, folder: Path, /, **more: Any) -> dict[str, Any]:
    """The settings of an ``ldap`` directory that reads ``server`` over LDAPS with its ordinary reader's
    account.

    The password goes into a file in ``folder``. ``more`` adds keys or replaces them; None takes a key out.
    """
    password = folder / f"{server.kind}.password"
    password.write_text(server.password)
    settings: dict[str, Any] = {
        "url": server.ldaps_url,
        "bind_dn": server.bind_dn,
        "password": {"file": str(password)},
        "tls": {"ca_file": str(server.ca_file)},
        "users": {"base": server.base},
        "groups": {"base": server.base},
        **more,
    }
    return {key: value for key, value in settings.items() if value is not None}


def ldap_reader(
    server: DirectoryServer, folder: Path, /, *, attributes: frozenset[str] = frozenset(), **more: Any
) -> Reader:
    """A reader, named ``hq``, of a running server; ``more`` as in :func:`ldap_settings`."""
    kind = reader_class("ldap")
    settings = kind.settings_class.model_validate(ldap_settings(server, folder, **more), context={"folder": folder})
    return kind("hq", settings, attributes)


def write_config(
    folder: Path,
    server: DirectoryServer,
    *,
    directory: dict[str, Any] | None = None,
    name: str = "hq",
    organization: dict[str, Any] | None = None,
    **sections: Any,
) -> Path:
    """Write ``folder/dirsync.yaml`` and return its path.

    One directory ``name`` reads ``server``; ``directory`` adds to or replaces its keys
    (:func:`ldap_settings`). The
    organization is ``{kind: local, path: org.db}`` when none is given; the state goes into ``folder`` as
    well.
    ``sections`` are the other parts of the file (``select``, ``offboarding``, ``limits`` ...).
    """
    config = {
        "directories": {name: {"kind": "ldap", **ldap_settings(server, folder, **(directory or {}))}},
        "organization": organization or {"kind": "local", "path": str(folder / "org.db")},
        "state": {"url": f"sqlite:///{folder / 'dirsync-state.db'}"},
        **sections,
    }
    path = folder / "dirsync.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path
