"""The state as one JSON document, and back.

Names are those of the entities in camelCase; a group also has ``memberIds``. A confirmed or accepted member
without ``userId`` gets an account of its own. Ids may be left out of what is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any, TypeVar
from uuid import UUID

from tests.emulators.bitwarden.entities import (
    Account,
    Association,
    Collection,
    Event,
    EventType,
    Group,
    Mail,
    Member,
    Organization,
    Status,
    Type,
)
from tests.emulators.bitwarden.state import State

SECTIONS = ("organization", "accounts", "members", "groups", "collections", "policies", "events")

T = TypeVar("T")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _shown(value: Any) -> Any:
    if is_dataclass(value):
        return {_camel(f.name): _shown(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, tuple):
        return [_shown(item) for item in value]
    return value


def state_out(state: State, mails: Sequence[Mail]) -> dict[str, Any]:
    """Everything, as ``/_emulator/state`` shows it."""
    return {
        "organization": _shown(state.organization),
        "accounts": [_shown(account) for account in state.accounts.values()],
        "members": [_shown(member) for member in state.members.values()],
        "groups": [
            _shown(group) | {"memberIds": sorted(state.members_of(group.id))} for group in state.groups.values()
        ],
        "collections": [_shown(collection) for collection in state.collections.values()],
        "policies": [{"type": type_} | policy for type_, policy in state.policies.items()],
        "events": [_shown(event) for event in state.events],
        "mails": [_shown(mail) for mail in mails],
    }


def _made(kind: type[T], data: Mapping[str, Any]) -> T:
    """An entity of its JSON form. Raises ValueError for unknown names and wrong values."""
    names = {_camel(f.name): f.name for f in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    if unknown := set(data) - set(names):
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    values = {names[key]: _converted(kind, names[key], value) for key, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _converted(kind: type, name: str, value: Any) -> Any:
    if name == "type":
        return EventType(value) if kind is Event else Type(value)
    if name in ("status", "status_before"):
        return None if value is None else Status(value)
    if name == "collections":
        return tuple(_made(Association, item) for item in value)
    if name == "permissions":
        return tuple(value)
    if name == "id" or (name.endswith("_id") and name not in ("external_id", "sso_external_id")):
        return None if value is None else str(UUID(value))
    return value


def _member(state: State, data: Mapping[str, Any]) -> Member:
    member = _made(Member, data)
    linked = member.status in (Status.ACCEPTED, Status.CONFIRMED)
    if linked and "userId" not in data:
        account = state.account_by_email(member.email) or state.put_account(Account(email=member.email))
        return _made(Member, {**data, "userId": account.id})
    if member.user_id and member.user_id not in state.accounts:
        raise ValueError(f"member {member.email} is linked to an account that is not there")
    return member


def changed_state(state: State, posted: Mapping[str, Any]) -> State:
    """A state in which the posted sections take the place of the old ones; of ``organization`` only the
    named settings change.

    Raises ValueError, KeyError or TypeError when the document does not make sense.
    """
    if unknown := set(posted) - {*SECTIONS, "mails"}:
        raise ValueError(f"the state has no {', '.join(sorted(unknown))}")
    current = state_out(state, ())
    document = current | dict(posted)
    organization = current["organization"] | dict(posted.get("organization", {}))
    new = State(_made(Organization, organization))
    for data in document["accounts"]:
        new.put_account(_made(Account, data))
    for data in document["members"]:
        new.put_member(_member(new, data))
    for data in document["groups"]:
        group = new.put_group(_made(Group, {k: v for k, v in data.items() if k != "memberIds"}))
        new.set_members(group.id, data.get("memberIds", ()))
    for data in document["collections"]:
        collection = _made(Collection, data)
        new.collections[collection.id] = collection
    for data in document["policies"]:
        new.set_policy(data["type"], enabled=data["enabled"], data=data.get("data"))
    new.events.extend(_made(Event, data) for data in document["events"])
    return new


def mails_in(posted: Sequence[Mapping[str, Any]]) -> list[Mail]:
    """The mails of a document. Raises ValueError for what is none."""
    return [_made(Mail, data) for data in posted]
