"""The request models of members, groups and collections: how they are read and what makes them invalid.

Errors of validation are collected over the whole document and keyed by the server's property path in
PascalCase.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr

from tests.emulators.bitwarden.answers import bad_request, invalid
from tests.emulators.bitwarden.entities import PERMISSIONS, Association, Type
from tests.emulators.bitwarden.reading import Properties, Value, properties, unreadable

MAX_EXTERNAL_ID = 300
MAX_GROUP_NAME = 100
MAX_EMAIL = 256


class Checks:
    """Collects what is wrong with a document."""

    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}

    def add(self, key: str, message: str) -> None:
        self.errors.setdefault(key, []).append(message)

    def required(self, key: str, value: str | None) -> None:
        if value is None or not value.strip():
            self.add(key, f"The {key.rpartition('.')[2]} field is required.")

    def at_most(self, key: str, value: str | None, length: int) -> None:
        if value is not None and len(value) > length:
            name = key.rpartition(".")[2]
            self.add(key, f"The field {name} must be a string with a maximum length of {length}.")

    def done(self) -> None:
        """Raises the 400 of an invalid model when anything was added."""
        if self.errors:
            raise invalid(self.errors)


def loose_email(email: str) -> bool:
    """One @, neither first nor last (the framework's EmailAddress attribute)."""
    return email.count("@") == 1 and not email.startswith("@") and not email.endswith("@")


def strict_email(email: str) -> bool:
    """ASCII local part, a dot in the domain, ends in a letter, parses to itself
    (StrictEmailAddressAttribute).
    """
    local, _, domain = email.rpartition("@")
    if not loose_email(email) or not local.isascii() or "." not in domain or not email[-1].isalpha():
        return False
    if any(c.isspace() for c in email) or ".." in email or domain.startswith(".") or local.startswith("."):
        return False
    return parseaddr(email)[1] == email


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRequest:
    """The body of member POST and PUT; ``email`` only in a POST. None stands for null and for not sent."""

    email: str | None
    type: Type
    external_id: str | None
    permissions: tuple[str, ...] | None
    collections: tuple[Association, ...] | None
    groups: tuple[str, ...] | None


def member_request(body: Properties, *, create: bool) -> MemberRequest:
    """Read and validate the body of a member POST (``create``) or PUT."""
    if not body.sent("type"):
        # the model demands the property itself, so reading fails at the object
        unreadable("$", "a member: it was missing required properties including: 'type'")
    number = body.number("type")
    email = body.text("email") if create else None
    external_id = body.text("externalId")
    permissions = _permissions(body)
    associations = body.items("collections")
    drafts = None if associations is None else [_draft(item) for item in associations]
    groups = body.uuids("groups")

    checks = Checks()
    if create:
        checks.required("Email", email)
        checks.at_most("Email", email, MAX_EMAIL)
        if email and not strict_email(email):
            checks.add("Email", "The Email field is not a supported e-mail address format.")
    checks.at_most("ExternalId", external_id, MAX_EXTERNAL_ID)
    if number is None:
        checks.add("Type", "The Type field is required.")
    elif number not in list(Type):
        checks.add("Type", "The field Type is invalid.")
    elif permissions is not None and number != Type.CUSTOM:
        checks.add("Permissions", "Permissions are only allowed for members of type Custom.")
    collections = associations_of(drafts, checks)
    checks.done()
    return MemberRequest(
        email=email,
        type=Type(number or 0),
        external_id=external_id,
        permissions=permissions,
        collections=collections,
        groups=None if groups is None else tuple(groups),
    )


def _permissions(body: Properties) -> tuple[str, ...] | None:
    value = body.value("permissions")
    if not body.sent("permissions") or value.json is None:
        return None
    found = properties(value)
    return tuple(name for name in PERMISSIONS if found.flag(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """The body of group POST and PUT."""

    name: str
    external_id: str | None
    collections: tuple[Association, ...] | None


def group_request(body: Properties) -> GroupRequest:
    """Read and validate the body of a group POST or PUT."""
    name = body.text("name")
    external_id = body.text("externalId")
    associations = body.items("collections")
    drafts = None if associations is None else [_draft(item) for item in associations]
    checks = Checks()
    checks.required("Name", name)
    checks.at_most("Name", name, MAX_GROUP_NAME)
    checks.at_most("ExternalId", external_id, MAX_EXTERNAL_ID)
    collections = associations_of(drafts, checks)
    checks.done()
    return GroupRequest(name=name or "", external_id=external_id, collections=collections)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRequest:
    """The body of collection PUT; ``groups`` are the groups that have access."""

    external_id: str | None
    groups: tuple[Association, ...] | None


def collection_request(body: Properties) -> CollectionRequest:
    external_id = body.text("externalId")
    associations = body.items("groups")
    drafts = None if associations is None else [_draft(item) for item in associations]
    checks = Checks()
    checks.at_most("ExternalId", external_id, MAX_EXTERNAL_ID)
    groups = associations_of(drafts, checks, "Groups")
    checks.done()
    return CollectionRequest(external_id=external_id, groups=groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    id: str | None
    read_only: bool | None
    hide_passwords: bool
    manage: bool


def _draft(item: Value) -> _Draft:
    found = properties(item)
    return _Draft(
        id=found.uuid("id"),
        read_only=found.optional_flag("readOnly"),
        hide_passwords=bool(found.optional_flag("hidePasswords")),
        manage=bool(found.optional_flag("manage")),
    )


def associations_of(
    drafts: list[_Draft] | None, checks: Checks, key: str = "Collections"
) -> tuple[Association, ...] | None:
    """Validate associations: ``id`` and ``readOnly`` are required (AssociationWithPermissionsBaseModel)."""
    if drafts is None:
        return None
    for number, draft in enumerate(drafts):
        if draft.id is None:
            checks.add(f"{key}[{number}].Id", "The Id field is required.")
        if draft.read_only is None:
            checks.add(f"{key}[{number}].ReadOnly", "The ReadOnly field is required.")
    return tuple(
        Association(id=d.id or "", read_only=bool(d.read_only), hide_passwords=d.hide_passwords, manage=d.manage)
        for d in drafts
    )


def refuse_contradictions(associations: tuple[Association, ...] | None) -> None:
    """``manage`` together with ``readOnly`` or ``hidePasswords`` is a 400 (CreateGroupCommand)."""
    if any(a.manage and (a.read_only or a.hide_passwords) for a in associations or ()):
        raise bad_request(
            "The Manage property is mutually exclusive and cannot be true "
            "while the ReadOnly or HidePasswords properties are also true."
        )
