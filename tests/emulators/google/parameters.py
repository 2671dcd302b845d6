"""What each call may be asked with, and what fields its answers have: from the API's own description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.emulators.google.replies import bad_request

Params = Mapping[str, str]

COMMON = frozenset(
    [
        "alt",
        "fields",
        "key",
        "prettyPrint",
        "quotaUser",
        "oauth_token",
        "access_token",
        "callback",
        "$.xgafv",
        "uploadType",
        "upload_protocol",
    ]
)
USER_LIST = frozenset(
    [
        "customer",
        "domain",
        "event",
        "maxResults",
        "orderBy",
        "pageToken",
        "projection",
        "customFieldMask",
        "query",
        "showDeleted",
        "sortOrder",
        "viewType",
    ]
)
USER_GET = frozenset(["projection", "customFieldMask", "viewType"])
GROUP_LIST = frozenset(["customer", "domain", "maxResults", "orderBy", "pageToken", "query", "sortOrder", "userKey"])
MEMBER_LIST = frozenset(["includeDerivedMembership", "maxResults", "pageToken", "roles"])
ORGUNIT_LIST = frozenset(["orgUnitPath", "type"])

USER_NAMES = frozenset(
    [
        "addresses",
        "agreedToTerms",
        "aliases",
        "archivalTime",
        "archived",
        "changePasswordAtNextLogin",
        "creationTime",
        "customSchemas",
        "customerId",
        "deletionTime",
        "emails",
        "etag",
        "externalIds",
        "gender",
        "guestAccountInfo",
        "hashFunction",
        "id",
        "ims",
        "includeInGlobalAddressList",
        "ipWhitelisted",
        "isAdmin",
        "isDelegatedAdmin",
        "isEnforcedIn2Sv",
        "isEnrolledIn2Sv",
        "isGuestUser",
        "isMailboxSetup",
        "keywords",
        "kind",
        "languages",
        "lastLoginTime",
        "locations",
        "name",
        "nonEditableAliases",
        "notes",
        "orgUnitPath",
        "organizations",
        "password",
        "phones",
        "posixAccounts",
        "primaryEmail",
        "recoveryEmail",
        "recoveryPhone",
        "relations",
        "sshPublicKeys",
        "suspended",
        "suspensionReason",
        "suspensionTime",
        "thumbnailPhotoEtag",
        "thumbnailPhotoUrl",
        "websites",
    ]
)
GROUP_NAMES = frozenset(
    [
        "adminCreated",
        "aliases",
        "description",
        "directMembersCount",
        "email",
        "etag",
        "externalIds",
        "id",
        "kind",
        "name",
        "nonEditableAliases",
    ]
)
MEMBER_NAMES = frozenset(["delivery_settings", "email", "etag", "id", "kind", "role", "status", "type"])


def checked(pairs: Sequence[tuple[str, str]], known: frozenset[str]) -> dict[str, str]:
    """The parameters as a mapping; a 400 for one that the call does not have, or a value that it cannot have."""
    params: dict[str, str] = {}
    for name, value in pairs:
        if name not in known and name not in COMMON:
            raise bad_request(
                f"Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' "
                "could not be found in request message.",
                "badRequest",
            )
        params[name] = value
    if params.get("alt", "json") != "json":
        raise bad_request("Bad Request", "badRequest")
    allowed = {
        "projection": ("basic", "custom", "full"),
        "viewType": ("admin_view", "domain_public"),
        "orderBy": ("email", "givenName", "familyName"),
        "sortOrder": ("ASCENDING", "DESCENDING"),
        "showDeleted": ("true", "false"),
        "includeDerivedMembership": ("true", "false"),
        "type": ("all", "children", "allIncludingParent"),
    }
    for name, values in allowed.items():
        if name in params and params[name] not in values:
            raise bad_request(f"Invalid value at '{name}', \"{params[name]}\"", "invalidParameter")
    if params.get("projection") == "custom" and not params.get("customFieldMask"):
        raise bad_request("Invalid Input: custom_field_mask")
    return params


def page_size(params: Params, maximum: int, default: int) -> int:
    """How many entries a page may have; a 400 beyond the maximum."""
    text = params.get("maxResults", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= maximum:
        raise bad_request(
            f"Invalid value '{text}'. Values must be within the range: [1, {maximum}]", "invalidParameter"
        )
    return int(text)
