"""``dirsync init``: the only command that asks."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from dirconnector.cli.options import Shared, common
from dirconnector.config.starter import ANSWERS, starter_config
from dirconnector.errors import ConfigError, DirsyncError
from dirconnector.organizations import KINDS as ORGANIZATIONS
from dirconnector.output.stdout import write, write_file
from dirconnector.readers import KINDS as DIRECTORIES

QUESTIONS = {
    "directory": "Kind of the directory",
    "name": "A short name for it",
    "path": "Its file (LDIF, CSV or JSON)",
    "server": "The server's make (auto, active-directory, openldap, 389ds, freeipa, jumpcloud)",
    "url": "URL of the server",
    "bind_dn": "DN to bind with",
    "password_env": "Environment variable that holds its password",
    "base": "Where people and groups are (base DN)",
    "tenant": "Tenant ID, or a domain of the tenant",
    "application_id": "Application (client) ID of the app registration",
    "application_secret_env": "Environment variable that holds its client secret",
    "key_file": "JSON key of the service account (a file)",
    "subject": "Address of the user to read as",
    "subdomain": "First part of the account's address, as acme in acme.onelogin.com",
    "pair_id": "Client ID of the API credential pair",
    "pair_secret_env": "Environment variable that holds its Client Secret",
    "okta_url": "Address of the Okta organization",
    "okta_token_env": "Environment variable that holds the API token",
    "group": "Group whose members are wanted (a name or a pattern; empty: everyone)",
    "organization": "Kind of the organization",
    "organization_path": "File of the organization",
    "region": "Region of Bitwarden's cloud (us, eu, gov)",
    "organization_url": "URL of the organization's server",
    "client_id": "client_id of the organization's API key",
    "client_secret_env": "Environment variable that holds its client_secret",
}
_ONLY_FOR = {
    "path": ("directory", ("file",)),
    "server": ("directory", ("ldap",)),
    "url": ("directory", ("ldap",)),
    "bind_dn": ("directory", ("ldap",)),
    "password_env": ("directory", ("ldap",)),
    "base": ("directory", ("ldap",)),
    "tenant": ("directory", ("entra",)),
    "application_id": ("directory", ("entra",)),
    "application_secret_env": ("directory", ("entra",)),
    "key_file": ("directory", ("google",)),
    "subject": ("directory", ("google",)),
    "subdomain": ("directory", ("onelogin",)),
    "pair_id": ("directory", ("onelogin",)),
    "pair_secret_env": ("directory", ("onelogin",)),
    "okta_url": ("directory", ("okta",)),
    "okta_token_env": ("directory", ("okta",)),
    "organization_path": ("organization", ("local",)),
    "region": ("organization", ("bitwarden",)),
    "organization_url": ("organization", ("vaultwarden",)),
    "client_id": ("organization", ("bitwarden", "vaultwarden")),
    "client_secret_env": ("organization", ("bitwarden", "vaultwarden")),
}
_KINDS = {"directory": tuple(DIRECTORIES), "organization": tuple(ORGANIZATIONS)}


def _answer_options(function: Callable[..., None]) -> Callable[..., None]:
    for name, question in reversed(QUESTIONS.items()):
        kinds = click.Choice(_KINDS[name]) if name in _KINDS else None
        function = click.option(f"--{name.replace('_', '-')}", name, type=kinds, help=f"{question}.")(function)
    return function


@click.command()
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write; else the file of --config, else dirsync.yaml.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
@click.option("--defaults", is_flag=True, help="Ask nothing: take the default for what no option answers.")
@_answer_options
@common
def init(shared: Shared, output: Path | None, force: bool, defaults: bool, **given: str | None) -> None:
    """Ask a few questions and write a commented configuration.

    Whatever an option answers is not asked. No secret is asked for: the file says where secrets are to be found.
    """
    output = output or Path(shared.config or "dirsync.yaml")
    if output.exists() and not force:
        raise ConfigError(f"{output}: exists already; --force overwrites it, --output names another file")
    text = starter_config(dict(_answers(given, ask=not defaults)))
    write_file(output, text)
    option = "" if str(output) == "dirsync.yaml" else f" -c {shlex.quote(str(output))}"
    write(f"Written: {output}\nNext: look into it, then run  dirsync{option} check\n")


def _answers(given: dict[str, str | None], *, ask: bool) -> Iterator[tuple[str, str]]:
    """Every answer that matters for the kinds that were chosen."""
    known: dict[str, str] = {}
    for name, question in QUESTIONS.items():
        needs = _ONLY_FOR.get(name)
        answer = given[name]
        if needs and known[needs[0]] not in needs[1]:
            if answer is not None:
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(
                    f"{option} is for {needs[0]} {' and '.join(needs[1])}, not for {known[needs[0]]}"
                )
            continue
        if answer is None and ask:
            kinds = click.Choice(_KINDS[name]) if name in _KINDS else None
            answer = _asked(question, ANSWERS[name], kinds)
        known[name] = ANSWERS[name] if answer is None else answer
        yield name, known[name]


def _asked(question: str, default: str, kinds: click.Choice[str] | None) -> str:
    try:
        answer: str = click.prompt(question, default=default, type=kinds, err=True)
    except click.Abort:
        click.echo(err=True)  # the question is still on the line
        raise DirsyncError(
            "stopped before anything was written; --defaults asks nothing, and every question has an option"
        ) from None
    return answer
