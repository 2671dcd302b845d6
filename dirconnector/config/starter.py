"""The configuration that ``dirsync init`` writes: small, valid, and commented where a decision is waiting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from dirconnector.config.schema import directory_name
from dirconnector.errors import ConfigError

ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "directory": "file",
        "name": "company",
        "path": "company.ldif",
        "server": "auto",
        "url": "ldaps://dc1.corp.example.org",
        "bind_dn": "CN=dirsync,CN=Users,DC=corp,DC=example,DC=org",
        "password_env": "LDAP_PASSWORD",
        "base": "DC=corp,DC=example,DC=org",
        "tenant": "contoso.onmicrosoft.com",
        "application_id": "00000000-0000-0000-0000-000000000000",
        "application_secret_env": "ENTRA_CLIENT_SECRET",
        "key_file": "dirsync-key.json",
        "subject": "dirsync-reader@example.com",
        "subdomain": "acme",
        "pair_id": "0000000000000000000000000000000000000000000000000000000000000000",
        "pair_secret_env": "ONELOGIN_CLIENT_SECRET",
        "okta_url": "https://acme.okta.com",
        "okta_token_env": "OKTA_TOKEN",
        "group": "",
        "organization": "local",
        "organization_path": "organization.db",
        "region": "us",
        "organization_url": "https://vault.example.org",
        "client_id": "organization.00000000-0000-0000-0000-000000000000",
        "client_secret_env": "BITWARDEN_CLIENT_SECRET",
    }
)
"""Every answer that :func:`starter_config` understands, with what is written when it is not given.

``directory`` and ``organization`` are kinds. ``path`` is for ``file``; ``server``, ``url``, ``bind_dn``,
``password_env`` (the name of an environment variable) and ``base`` are for ``ldap``; ``tenant``, ``application_id``
and ``application_secret_env`` (the name of an environment variable) are for ``entra``; ``key_file`` and ``subject``
are for ``google``; ``subdomain``, ``pair_id`` and ``pair_secret_env`` (the name of an environment variable) are for
``onelogin``; ``okta_url`` and ``okta_token_env`` (the name of an environment variable) are for ``okta``.
``group`` is the group (a name or a pattern) whose members are selected; empty means everyone.
``organization_path`` is for ``local``, ``region`` for ``bitwarden``, ``organization_url`` for ``vaultwarden``;
``client_id`` and ``client_secret_env`` (the name of an environment variable) are for both of these.
"""

_DIRECTORY = {
    "file": """\
    kind: file
    path: {path}  # relative to the folder of this file
""",
    "ldap": """\
    kind: ldap
    url: {url}
    server: {server}  # auto | active-directory | openldap | 389ds | freeipa | jumpcloud
    bind_dn: {bind_dn}
    password: {{env: {password_env}}}  # or {{file: PATH}}, {{keyring: SERVICE/NAME}}, {{command: [WORD, ...]}}
    # tls: {{ca_file: corp-ca.pem}}  # when the server's certificate comes from your own CA
    users: {{base: {base}}}
    groups: {{base: {base}}}
""",
    "entra": """\
    kind: entra
    tenant: {tenant}  # the tenant ID, or a domain of the tenant
    client_id: {application_id}  # Entra admin center: App registrations
    client_secret: {{env: {application_secret_env}}}  # or certificate: {{file: dirsync.pfx}}
    # users: {{guests: exclude}}  # without people of other organizations
""",
    "google": """\
    kind: google
    key_file: {key_file}  # the service account's JSON key; or key: {{env: NAME}}, its content
    subject: {subject}  # reads as this user: administrator role with Users, Read and Groups, Read
    # domain: example.com  # one domain instead of the whole account
""",
    "onelogin": """\
    kind: onelogin
    subdomain: {subdomain}  # the first part of https://acme.onelogin.com
    client_id: {pair_id}  # Developers > API Credentials, scope Read Users
    client_secret: {{env: {pair_secret_env}}}
    # groups: both  # OneLogin groups as well as roles
""",
    "okta": """\
    kind: okta
    url: {okta_url}
    token: {{env: {okta_token_env}}}  # Security > API > Tokens, made with the role Read-only Administrator
    # app: 0oa9i8H7G6F5E4d3c2b1  # only people and groups that are assigned to this app
""",
}

_ORGANIZATION = {
    "local": """\
  kind: local                           # an organization in a file, to try things out
  path: {organization_path}
""",
    "bitwarden": """\
  kind: bitwarden
  region: {region}  # us | eu | gov; a self-hosted server instead: server: https://bitwarden.example.org
  client_id: {client_id}  # admin console: Settings, Organization info, View API key
  client_secret: {{env: {client_secret_env}}}
""",
    "vaultwarden": """\
  kind: vaultwarden
  server: {organization_url}
  client_id: {client_id}  # admin console: Settings, Organization info, View API key
  client_secret: {{env: {client_secret_env}}}
  # groups: true  # when the server runs with ORG_GROUPS_ENABLED=true
""",
}

_SELECTED = """\
select:
  users:
    include: [{{group: {group}}}]  # members, also through nested groups; must exist
    # exclude: [{{email: "svc-*@*"}}]  # exclude wins
  groups:
    include: [{{name: {group}}}]  # groups that are made in the organization
"""

_EVERYONE = """\
# Nobody is left out yet: everyone in the directory is invited. To choose:
# select:
#   users:
#     include: [{{group: "Vault-Users"}}]
#     exclude: [{{email: "svc-*@*"}}]
#   groups:
#     include: [{{name: "Vault-*"}}]
"""

_FILE = """\
# dirsync configuration. Look before you leap:
#   dirsync check           does everything answer?
#   dirsync run --dry-run   what would change, and why?

directories:
  {name}:
{directory}
{select}
organization:
{organization}
# People who are gone or disabled lose access, and get it back when they return.
offboarding:
  absent: revoke                        # revoke | remove | keep
  disabled: revoke
  groups: keep                          # keep | delete
  protect:
    types: [owner, admin]               # never revoked, removed or taken out of a group
    emails: []                          # likewise: put the break-glass address of your organization here

# What takes access away from more people than this is held until you approve that very plan.
limits:
  removals: {{percent: 20, floor: 5}}
  group_members: {{percent: 50, floor: 10}}
  shrink: {{percent: 30, floor: 20}}

state:
  url: sqlite:///dirsync-state.db       # what is managed, what was done; relative to the folder of this file
"""


def starter_config(answers: Mapping[str, str]) -> str:
    """A valid configuration made of ``answers``; what is not answered is taken from :data:`ANSWERS`.

    Pure. Raises :class:`ConfigError` for an unknown answer or kind, and for an answer that cannot be written down.
    """
    unknown = answers.keys() - ANSWERS.keys()
    if unknown:
        raise ConfigError(f"unknown answers: {', '.join(sorted(unknown))}; known are {', '.join(ANSWERS)}")
    given = {**ANSWERS, **{name: answer for name, answer in answers.items() if answer}}
    try:
        directory_name(given["name"])
    except ValueError as error:
        raise ConfigError(f"name: {error}") from None
    quoted = {name: _quoted(name, answer) for name, answer in given.items()}
    sections = {
        "name": given["name"],
        "directory": _template(_DIRECTORY, "directory", given),
        "select": _SELECTED if given["group"] else _EVERYONE,
        "organization": _template(_ORGANIZATION, "organization", given),
    }
    filled = {name: text.format(**quoted) for name, text in sections.items() if name != "name"}
    return _FILE.format(**filled, name=quoted["name"])


def _template(templates: Mapping[str, str], question: str, given: Mapping[str, str]) -> str:
    try:
        return templates[given[question]]
    except KeyError:
        raise ConfigError(f"{question}: no kind {given[question]!r}; known are {', '.join(templates)}") from None


def _quoted(name: str, answer: str) -> str:
    """``answer`` as YAML text. A double-quoted JSON string is one of YAML 1.2 (section 1.3), and readable."""
    if not answer.isprintable():
        raise ConfigError(f"{name}: the answer holds a character that cannot be shown")
    plain = answer.isidentifier() and answer.lower() not in _READ_OTHERWISE
    return answer if plain or answer in _PLAIN else json.dumps(answer, ensure_ascii=False)


_READ_OTHERWISE = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
_PLAIN = ("active-directory", "389ds")
