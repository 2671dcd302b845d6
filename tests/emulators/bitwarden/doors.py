"""The side doors ``/_emulator/...``: not counted, not limited, not hit by faults, no token needed."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.emulators.bitwarden.answers import json_response
from tests.emulators.bitwarden.core import core_of
from tests.emulators.bitwarden.dump import changed_state, mails_in, state_out


def _wrong(error: Exception) -> Response:
    return json_response({"error": f"{type(error).__name__}: {error}"}, 400)


async def calls(request: Request) -> Response:
    """GET: ``{"METHOD /path/{id}": count}``; DELETE starts counting anew."""
    core = core_of(request)
    if request.method == "DELETE":
        core.calls.clear()
        core.answers.clear()
    return json_response(dict(core.calls))


async def state(request: Request) -> Response:
    """GET: the whole state, and the mails; POST: replaces the sections that are sent, and answers with the
    result.
    """
    core = core_of(request)
    if request.method == "POST":
        try:
            posted = json.loads(await request.body())
            if not isinstance(posted, dict):
                raise ValueError("send an object of sections")
            mails = mails_in(posted["mails"]) if "mails" in posted else list(core.mails)
            core.state = changed_state(core.state, posted)
            core.mails[:] = mails
        except (ValueError, KeyError, TypeError) as error:
            return _wrong(error)
    return json_response(state_out(core.state, core.mails))


async def faults(request: Request) -> Response:
    """POST: a list of rules (or one rule) that replaces all others, ``[]`` for none; GET: the rules and how
    often they struck.
    """
    core = core_of(request)
    if request.method == "POST":
        try:
            posted = json.loads(await request.body())
            core.faults.replace([posted] if isinstance(posted, dict) else posted)
        except (ValueError, TypeError, AttributeError) as error:
            return _wrong(error)
    return json_response(core.faults.shown())


ROUTES = [
    Route("/_emulator/calls", calls, methods=["GET", "DELETE"]),
    Route("/_emulator/state", state, methods=["GET", "POST"]),
    Route("/_emulator/faults", faults, methods=["GET", "POST"]),
]
