"""The body of the import (OrganizationImportRequestModel): reading and validation of the whole document,
before any work.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.emulators.bitwarden.answers import unhandled
from tests.emulators.bitwarden.reading import Properties, Value, properties
from tests.emulators.bitwarden.validation import (
    MAX_EMAIL,
    MAX_EXTERNAL_ID,
    MAX_GROUP_NAME,
    Checks,
    loose_email,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMember:
    """A member of the import; the email of a live one is in lower case."""

    email: str
    external_id: str
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportGroup:
    """A group of the import. ``members`` are externalIds; None is a null that the server trips over later."""

    name: str
    external_id: str
    members: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    groups: tuple[ImportGroup, ...]
    members: tuple[ImportMember, ...]
    overwrite_existing: bool
    large_import: bool
    invite_after_provisioning: bool


@dataclass(frozen=True, slots=True)
class _Member:
    email: str | None
    external_id: str | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class _Group:
    name: str | None
    external_id: str | None
    members: list[str] | None


def import_request(body: Properties, skipped: frozenset[str]) -> ImportRequest:
    """Read and validate an import. Entries whose externalId is ``skipped`` are then left out, in silence.

    Null or missing arrays pass validation and are a 500; so is an entry that is null.
    """
    groups = body.items("groups")
    members = body.items("members")
    read_groups = [_group(item) for item in groups or ()]
    read_members = [_member(item) for item in members or ()]
    overwrite = body.optional_flag("overwriteExisting")
    large = body.flag("largeImport")
    invite = body.flag("inviteUsersAfterProvisioning", default=True)
    _validate(read_groups, read_members, overwrite)
    if groups is None or members is None:
        raise unhandled("groups or members is null")
    if None in read_groups or None in read_members:
        raise unhandled("an entry of groups or members is null")
    return ImportRequest(
        groups=tuple(_valid_group(g) for g in read_groups if g and g.external_id not in skipped),
        members=tuple(_valid_member(m) for m in read_members if m and m.external_id not in skipped),
        overwrite_existing=bool(overwrite),
        large_import=large,
        invite_after_provisioning=invite,
    )


def _member(item: Value) -> _Member | None:
    if item.json is None:
        return None
    found = properties(item)
    return _Member(found.text("email"), found.permissive_text("externalId"), found.flag("deleted"))


def _group(item: Value) -> _Group | None:
    if item.json is None:
        return None
    found = properties(item)
    return _Group(found.text("name"), found.permissive_text("externalId"), found.permissive_texts("memberExternalIds"))


def _validate(groups: list[_Group | None], members: list[_Member | None], overwrite: bool | None) -> None:
    checks = Checks()
    for number, group in enumerate(groups):
        if group is not None:
            key = f"Groups[{number}]"
            checks.required(f"{key}.Name", group.name)
            checks.at_most(f"{key}.Name", group.name, MAX_GROUP_NAME)
            checks.required(f"{key}.ExternalId", group.external_id)
            checks.at_most(f"{key}.ExternalId", group.external_id, MAX_EXTERNAL_ID)
    for number, member in enumerate(members):
        if member is not None:
            _validate_member(checks, f"Members[{number}]", member)
    if overwrite is None:
        checks.add("OverwriteExisting", "The OverwriteExisting field is required.")
    checks.done()


def _validate_member(checks: Checks, key: str, member: _Member) -> None:
    checks.required(f"{key}.ExternalId", member.external_id)
    checks.at_most(f"{key}.ExternalId", member.external_id, MAX_EXTERNAL_ID)
    if member.email is None:
        if not member.deleted:
            checks.add(f"{key}.Email", "Email is required for enabled members.")
        return
    checks.at_most(f"{key}.Email", member.email, MAX_EMAIL)
    if not loose_email(member.email):
        checks.add(f"{key}.Email", "The Email field is not a valid e-mail address.")


def _valid_group(group: _Group) -> ImportGroup:
    members = None if group.members is None else tuple(group.members)
    return ImportGroup(name=group.name or "", external_id=group.external_id or "", members=members)


def _valid_member(member: _Member) -> ImportMember:
    email = member.email or ""
    return ImportMember(
        email=email if member.deleted else email.lower(),
        external_id=member.external_id or "",
        deleted=member.deleted,
    )
