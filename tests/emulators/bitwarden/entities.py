"""What an organization consists of. Values are immutable; :mod:`tests.emulators.bitwarden.state` holds
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from uuid import uuid4

PERMISSIONS = (
    "accessEventLogs",
    "accessImportExport",
    "accessReports",
    "createNewCollections",
    "editAnyCollection",
    "deleteAnyCollection",
    "manageGroups",
    "managePolicies",
    "manageSso",
    "manageUsers",
    "manageResetPassword",
    "manageScim",
    "manageAccessRules",
)
"""The keys of a custom member's permissions (PermissionsModel)."""

STAGED_FLAG = "pm-34423-staged-status"
"""Server feature flag: ``inviteUsersAfterProvisioning: false`` makes Staged members."""

TWO_STEP_POLICY = 0
SINGLE_ORGANIZATION_POLICY = 3
POLICY_TYPES = range(23)

SCIM = 1
PUBLIC_API = 3
"""Event system users: who did it when no person did."""

FAIL_FAST_FLAG = "pm-16811-optimize-invite-user-flow-to-fail-fast"
"""Server feature flag: the duplicate check of a SCIM POST ignores case, also for the externalId."""


class Status(IntEnum):
    REVOKED = -1
    INVITED = 0
    ACCEPTED = 1
    CONFIRMED = 2
    STAGED = 3


class Type(IntEnum):
    OWNER = 0
    ADMIN = 1
    USER = 2
    CUSTOM = 4


class EventType(IntEnum):
    GROUP_CREATED = 1400
    GROUP_UPDATED = 1401
    GROUP_DELETED = 1402
    INVITED = 1500
    CONFIRMED = 1501
    UPDATED = 1502
    REMOVED = 1503
    GROUPS_UPDATED = 1504
    REVOKED = 1511
    RESTORED = 1512
    STAGED = 1523


def new_id() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """Access to a collection (AssociationWithPermissionsBaseModel)."""

    id: str
    read_only: bool = False
    hide_passwords: bool = False
    manage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user account. It outlives every membership; ``claimed`` means its address is in a domain that the
    organization claimed.
    """

    id: str = field(default_factory=new_id)
    email: str
    name: str | None = None
    two_factor: bool = False
    master_password: bool = True
    other_organizations: int = 0
    claimed: bool = False
    breaks_auto_confirm: bool = False
    """Whether the organization's auto-confirm policy forbids restoring this person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A membership. ``email`` is the invited address, ``user_id`` the linked account, ``status_before``
    what a restore returns to.
    """

    id: str = field(default_factory=new_id)
    email: str
    user_id: str | None = None
    status: Status = Status.INVITED
    status_before: Status | None = None
    type: Type = Type.USER
    external_id: str | None = None
    permissions: tuple[str, ...] = ()
    collections: tuple[Association, ...] = ()
    access_secrets_manager: bool = False
    reset_password_enrolled: bool = False
    sso_external_id: str | None = None

    def __post_init__(self) -> None:
        # so that whoever seeds a member may write plain numbers
        object.__setattr__(self, "status", Status(self.status))
        object.__setattr__(self, "type", Type(self.type))
        if self.status_before is not None:
            object.__setattr__(self, "status_before", Status(self.status_before))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; who is in it is kept in the state, not here."""

    id: str = field(default_factory=new_id)
    name: str
    external_id: str | None = None
    collections: tuple[Association, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection. ``default_for`` is the member whose personal default collection it is: those are
    hidden.
    """

    id: str = field(default_factory=new_id)
    external_id: str | None = None
    default_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit log. ``system_user`` is stored, but the public API does not show it. ``date``
    is a Unix time.
    """

    type: EventType
    date: float
    member_id: str | None = None
    group_id: str | None = None
    system_user: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """An e-mail that the server would have sent: ``kind`` is ``invite`` or ``reinvite``. Its link dies
    after ``valid_hours``.
    """

    kind: str
    to: str
    member_id: str
    valid_hours: int = 120


@dataclass(slots=True, kw_only=True)
class Organization:
    """The organization's plan, licence, seats and server switches. Everything may be changed while the
    emulator runs.
    """

    id: str = field(default_factory=new_id)
    client_secret: str
    enabled: bool = True
    use_api: bool = True
    use_directory: bool = True
    use_groups: bool = True
    use_custom_permissions: bool = True
    use_events: bool = True
    flags: list[str] = field(default_factory=list)
    """Server feature flags that are on, for instance :data:`STAGED_FLAG`."""

    seats: int | None = None
    """Paid seats; None is unlimited."""
    max_autoscale_seats: int | None = None
    sponsorships: int = 0
    """Admin-initiated family sponsorships: they occupy seats."""
    provider_manages_seats: bool = False
    subscription_cancelled: bool = False
    plan_allows_additional_seats: bool = True
    payment_method: bool = True
    subscription: bool = True
    standalone_secrets_manager: bool = False
    confirmed_provider_user: bool = False
    """A provider's confirmed user counts as an owner."""

    scim_key: str = ""
    use_scim: bool = True
    scim_enabled: bool = True
    """Whether there is a SCIM connection, and it is enabled."""
    scim_invites: bool = True
    """Whether people are invited once SCIM has provisioned them."""

    database: str = "mssql"
    """``mssql``, or ``other``: self-hosted databases that read a missing id list as an error and do not see
    invited addresses.
    """
    failing_mail: list[str] = field(default_factory=list)
    """Addresses to which sending fails."""

    org_groups_enabled: bool = False
    """Vaultwarden's ORG_GROUPS_ENABLED."""
    mail_enabled: bool = True
    """Whether a Vaultwarden server has SMTP configured."""
