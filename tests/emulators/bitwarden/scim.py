"""The organization's own SCIM endpoint: its key, its error and list shapes, and how it reads what it is sent.

No model is validated there: what the server does not expect is a 500 with the internal message.
"""

from __future__ import annotations

import hmac
import json
import secrets
import string
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import RefusalError
from tests.emulators.bitwarden.core import state_of
from tests.emulators.bitwarden.reading import as_uuid

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

MEDIA_TYPE = "application/scim+json"
SCHEMAS = "urn:ietf:params:scim:api:messages:2.0:"
DEFAULT_COUNT = 50


def scim_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers=headers, media_type=MEDIA_TYPE)


def scim_error(status: int, detail: str) -> RefusalError:
    """The error body: ``status`` is a number, and there is no ``scimType`` (ScimErrorResponseModel)."""
    body = {"schemas": [f"{SCHEMAS}Error"], "detail": detail, "status": status}
    return RefusalError(scim_response(body, status), detail)


def keyed(endpoint: Endpoint) -> Endpoint:
    """An endpoint behind the SCIM key. Everything that is wrong with it is a 401 with an empty body."""

    async def checked(request: Request) -> Response:
        organization = state_of(request).organization
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = as_uuid(request.path_params["organization"]) == organization.id
        served = organization.enabled and organization.use_scim and organization.scim_enabled
        right = hmac.compare_digest(sent.encode(), organization.scim_key.encode()) and sent
        if not (known and served and right):
            return Response(b"", 401)
        try:
            return await endpoint(request)
        except RefusalError as refusal:
            if refusal.response.media_type == MEDIA_TYPE:
                raise
            raise scim_error(refusal.response.status_code, refusal.why) from refusal

    return checked


def folded(value: Any) -> dict[str, Any]:
    """The properties of an object by their names in lower case: input names match in any case."""
    if not isinstance(value, dict):
        raise scim_error(500, "Object reference not set to an instance of an object.")
    return {name.lower(): item for name, item in value.items()}


async def scim_body(request: Request) -> dict[str, Any]:
    """The request's object. What cannot be parsed reaches the server's code as null and ends in 500."""
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        value = None
    return folded(value)


class Operation(NamedTuple):
    """One operation of a PATCH; ``op`` and ``path`` in lower case, ``raw_path`` as sent."""

    op: str
    path: str
    raw_path: str
    value: Any


async def operations(request: Request) -> list[Operation]:
    sent = (await scim_body(request)).get("operations")
    if not isinstance(sent, list):
        raise scim_error(500, "Object reference not set to an instance of an object.")
    read = []
    for item in sent:
        found = folded(item)
        path = found.get("path") or ""
        read.append(Operation(str(found.get("op", "")).lower(), path.lower(), path, found.get("value")))
    return read


def listed(request: Request, resources: Sequence[object]) -> Response:
    """A page: ``resources`` in lower case, ``itemsPerPage`` echoes the count that was asked for."""
    asked = {name.lower(): value for name, value in request.query_params.items()}
    try:
        count = int(asked.get("count") or DEFAULT_COUNT)
        start = int(asked.get("startindex") or 1)
    except ValueError as error:
        raise scim_error(400, str(error)) from error
    first = max(start, 1) - 1
    body = {
        "schemas": [f"{SCHEMAS}ListResponse"],
        "totalResults": len(resources),
        "startIndex": start,
        "itemsPerPage": count,
        "resources": resources[first : first + max(count, 0)],
    }
    return scim_response(body)


def filter_of(request: Request) -> str:
    asked = {name.lower(): value for name, value in request.query_params.items()}
    return asked.get("filter", "")


def path_uuid(request: Request) -> str:
    return as_uuid(request.path_params["id"]) or ""


def random_external_id() -> str:
    """What takes the place of a missing externalId: 15 random characters."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(15))
