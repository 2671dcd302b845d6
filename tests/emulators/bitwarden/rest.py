"""Collections, policies, events and the subscription of the public API."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import bad_request, done, invalid, json_response, not_here
from tests.emulators.bitwarden.core import state_of
from tests.emulators.bitwarden.entities import POLICY_TYPES, Association, Collection, Event
from tests.emulators.bitwarden.members import association_out
from tests.emulators.bitwarden.reading import Value, as_uuid, json_body, path_id, properties
from tests.emulators.bitwarden.state import State
from tests.emulators.bitwarden.validation import collection_request, refuse_contradictions

DAY = 86400.0
PAGE = 50
DEFAULT_DAYS = 30
MAX_DAYS = 367


def _groups_with(state: State, collection_id: str) -> list[tuple[str, Association]]:
    return [(g.id, a) for g in state.groups.values() for a in g.collections if a.id == collection_id]


def collection_out(state: State, collection: Collection) -> dict[str, object]:
    """A collection as the API shows it: no name, since names are encrypted."""
    groups = [association_out(replace(a, id=group_id)) for group_id, a in _groups_with(state, collection.id)]
    return {
        "object": "collection",
        "id": collection.id,
        "externalId": collection.external_id,
        "groups": groups,
    }


def _collection(request: Request) -> Collection:
    collection = state_of(request).collections.get(path_id(request))
    if collection is None or collection.default_for is not None:
        raise not_here()
    return collection


async def list_collections(request: Request) -> Response:
    """GET /public/collections: personal default collections are hidden (CollectionsController)."""
    state = state_of(request)
    shared = [c for c in state.collections.values() if c.default_for is None]
    return json_response({"object": "list", "data": [collection_out(state, c) for c in shared]})


async def get_collection(request: Request) -> Response:
    return json_response(collection_out(state_of(request), _collection(request)))


async def update_collection(request: Request) -> Response:
    """PUT /public/collections/{id}: ``externalId`` and the groups that have access."""
    state = state_of(request)
    path_id(request)
    asked = collection_request(await json_body(request))
    collection = _collection(request)
    refuse_contradictions(asked.groups)
    changed = replace(collection, external_id=asked.external_id)
    state.collections[collection.id] = changed
    if asked.groups is not None:
        access = {a.id: replace(a, id=collection.id) for a in asked.groups}
        for group in list(state.groups.values()):
            others = tuple(a for a in group.collections if a.id != collection.id)
            own = (access[group.id],) if group.id in access else ()
            state.put_group(replace(group, collections=others + own))
    return json_response(collection_out(state, changed))


async def delete_collection(request: Request) -> Response:
    state_of(request).remove_collection(_collection(request).id)
    return done()


def _policy_out(type_: int, policy: dict[str, Any]) -> dict[str, object]:
    enabled, data = bool(policy.get("enabled")), policy.get("data")
    return {"object": "policy", "id": policy["id"], "type": type_, "enabled": enabled, "data": data}


def _policy_type(request: Request) -> int:
    text: str = request.path_params["type"]
    if not text.isdecimal() or int(text) not in POLICY_TYPES:
        raise invalid({"type": [f"The value '{text}' is not valid."]})
    return int(text)


async def list_policies(request: Request) -> Response:
    data = [_policy_out(type_, policy) for type_, policy in state_of(request).policies.items()]
    return json_response({"object": "list", "data": data})


async def get_policy(request: Request) -> Response:
    type_ = _policy_type(request)
    policy = state_of(request).policies.get(type_)
    if policy is None:
        raise not_here()
    return json_response(_policy_out(type_, policy))


async def update_policy(request: Request) -> Response:
    """PUT /public/policies/{type}: ``enabled`` and ``data``."""
    state, type_ = state_of(request), _policy_type(request)
    body = await json_body(request)
    enabled = body.optional_flag("enabled")
    if enabled is None:
        raise invalid({"Enabled": ["The Enabled field is required."]})
    data = body.value("data")
    details = None if not body.sent("data") or data.json is None else _plain(data)
    state.set_policy(type_, enabled=enabled, data=details)
    return json_response(_policy_out(type_, state.policies[type_]))


def _plain(value: Value) -> object:
    properties(value)
    return value.json


def _time(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid({name: [f"The value '{text}' is not valid."]}) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _event_out(event: Event) -> dict[str, object]:
    """An event; the system user is not shown."""
    return {
        "object": "event",
        "type": int(event.type),
        "date": datetime.fromtimestamp(event.date, UTC).isoformat().replace("+00:00", "Z"),
        "memberId": event.member_id,
        "groupId": event.group_id,
        "actingUserId": None,
    }


async def list_events(request: Request) -> Response:
    """GET /public/events: the last 30 days unless asked otherwise, 50 a page, at most 367 days
    (EventsController).
    """
    state = state_of(request)
    end = _time(request, "end")
    start = _time(request, "start")
    end = time.time() + 1 if end is None else end
    start = end - DEFAULT_DAYS * DAY if start is None else start
    if end - start > MAX_DAYS * DAY:
        raise bad_request(f"Range too large. Must be within {MAX_DAYS} days.")
    token = request.query_params.get("continuationToken") or "0"
    if not token.isdecimal():
        raise invalid({"continuationToken": [f"The value '{token}' is not valid."]})
    if request.query_params.get("actingUserId"):
        return json_response({"object": "list", "data": [], "continuationToken": None})
    item = as_uuid(request.query_params.get("itemId", ""))
    wanted = [e for e in reversed(state.events) if start <= e.date <= end and _about(e, item)]
    first = int(token)
    more = str(first + PAGE) if first + PAGE < len(wanted) else None
    data = [_event_out(e) for e in wanted[first : first + PAGE]]
    return json_response({"object": "list", "data": data, "continuationToken": more})


def _about(event: Event, item: str | None) -> bool:
    return item is None or item in (event.member_id, event.group_id)


def _subscription_out(state: State) -> Response:
    organization = state.organization
    seats = {"seats": organization.seats, "maxAutoScale": organization.max_autoscale_seats}
    return json_response({"passwordManager": seats, "secretsManager": None})


async def get_subscription(request: Request) -> Response:
    """GET /public/organization/subscription: reduced to the seats."""
    return _subscription_out(state_of(request))


async def update_subscription(request: Request) -> Response:
    """PUT /public/organization/subscription: seats and their maximum."""
    state = state_of(request)
    asked = (await json_body(request)).value("passwordManager")
    found = properties(asked)
    state.organization.seats = found.number("seats")
    state.organization.max_autoscale_seats = found.number("maxAutoScale")
    return _subscription_out(state)
