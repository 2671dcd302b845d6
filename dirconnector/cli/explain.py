"""``dirsync explain``: why is this person in or out?"""

from __future__ import annotations

import click

from dirconnector.cli.explanation import explain as explanation_of
from dirconnector.cli.job import configuration, copied_state, job_of, watched
from dirconnector.cli.options import Shared, common, json_option
from dirconnector.cli.screen import screen
from dirconnector.output.stdout import write, write_json
from dirconnector.sync import prepare


@click.command()
@click.argument("email")
@json_option
@common
def explain(shared: Shared, email: str, as_json: bool) -> None:
    """Say why a person is in or out.

    Reads both sides, changes nothing, and shows for EMAIL (or a login name, or a key) the entries, each rule with
    whether it matches and through which nested groups, the member in the organization, and what the next run would
    do. Exits with 0 when the person is known to a side, with 1 when nobody knows them.
    """
    config = configuration(shared)
    # a copy: asking a question leaves no trace in the state
    with copied_state(config) as state, watched(shared) as progress:
        prepared = prepare(job_of(config, state, progress))
    found = explanation_of(prepared, config.select, config.policy, email)
    code = 0 if found.known else 1
    if as_json:
        sections = [
            {"title": part.title, "rows": [{"what": row.what, "why": row.why} for row in part.rows]}
            for part in found.sections
        ]
        document = {"email": email, "known": found.known, "verdict": found.verdict, "sections": sections}
        write_json({**document, "exit_code": code})
    else:
        write(screen(shared).render_sections(found.verdict, found.sections))
    click.get_current_context().exit(code)
