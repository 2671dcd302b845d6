"""Which properties there are, which of them are returned without ``$select``, and how Graph's error bodies look."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

USER_DEFAULT = [
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
]
USER = {
    *USER_DEFAULT,
    *[
        "accountEnabled",
        "ageGroup",
        "assignedLicenses",
        "assignedPlans",
        "city",
        "companyName",
        "consentProvidedForMinor",
        "country",
        "createdDateTime",
        "creationType",
        "deletedDateTime",
        "department",
        "employeeHireDate",
        "employeeId",
        "employeeLeaveDateTime",
        "employeeOrgData",
        "employeeType",
        "externalUserState",
        "externalUserStateChangeDateTime",
        "faxNumber",
        "identities",
        "imAddresses",
        "isManagementRestricted",
        "isResourceAccount",
        "lastPasswordChangeDateTime",
        "legalAgeGroupClassification",
        "licenseAssignmentStates",
        "mailNickname",
        "onPremisesDistinguishedName",
        "onPremisesDomainName",
        "onPremisesExtensionAttributes",
        "onPremisesImmutableId",
        "onPremisesLastSyncDateTime",
        "onPremisesProvisioningErrors",
        "onPremisesSamAccountName",
        "onPremisesSecurityIdentifier",
        "onPremisesSyncEnabled",
        "onPremisesUserPrincipalName",
        "otherMails",
        "passwordPolicies",
        "passwordProfile",
        "postalCode",
        "preferredDataLocation",
        "provisionedPlans",
        "proxyAddresses",
        "securityIdentifier",
        "serviceProvisioningErrors",
        "showInAddressList",
        "signInActivity",
        "signInSessionsValidFromDateTime",
        "state",
        "streetAddress",
        "usageLocation",
        "userType",
    ],
}
NOT_IN_DIRECTORY = frozenset(
    [
        "aboutMe",
        "birthday",
        "hireDate",
        "interests",
        "mySite",
        "pastProjects",
        "preferredName",
        "responsibilities",
        "schools",
        "skills",
        "mailboxSettings",
    ]
)
"""Kept elsewhere: in the ``$select`` of a list they are answered with 501."""

GROUP_DEFAULT = [
    "id",
    "deletedDateTime",
    "classification",
    "createdDateTime",
    "creationOptions",
    "description",
    "displayName",
    "expirationDateTime",
    "groupTypes",
    "isAssignableToRole",
    "mail",
    "mailEnabled",
    "mailNickname",
    "membershipRule",
    "membershipRuleProcessingState",
    "onPremisesDomainName",
    "onPremisesLastSyncDateTime",
    "onPremisesNetBiosName",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "preferredDataLocation",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "resourceBehaviorOptions",
    "resourceProvisioningOptions",
    "securityEnabled",
    "securityIdentifier",
    "theme",
    "uniqueName",
    "visibility",
    "onPremisesProvisioningErrors",
    "serviceProvisioningErrors",
]
GROUP = {*GROUP_DEFAULT, "assignedLabels", "assignedLicenses", "hasMembersWithLicenseErrors", "licenseProcessingState"}

UNIT_DEFAULT = ["id", "deletedDateTime", "displayName", "description", "visibility", "membershipType", "membershipRule"]
OTHER_DEFAULT = ["id", "deletedDateTime", "displayName"]

DEFAULTS = {"user": USER_DEFAULT, "group": GROUP_DEFAULT, "administrativeUnit": UNIT_DEFAULT}
KNOWN = {"user": USER, "group": GROUP, "administrativeUnit": {*UNIT_DEFAULT, "isMemberManagementRestricted"}}


class Refused(Exception):
    """What the service answers instead of doing what it was asked."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    @property
    def response(self) -> Response:
        return graph_error(self.status, self.code, self.message, self.headers)


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response as Graph writes JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    media = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    given = {"request-id": str(uuid.uuid4()), "OData-Version": "4.0", **(headers or {})}
    return Response(body, status, headers=given, media_type=media)


def error_body(code: str, message: str) -> dict[str, Any]:
    """``{"error": {"code", "message", "innerError"}}``."""
    inner = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
        "request-id": str(uuid.uuid4()),
        "client-request-id": str(uuid.uuid4()),
    }
    return {"error": {"code": code, "message": message, "innerError": inner}}


def graph_error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error of Graph."""
    return json_response(error_body(code, message), status, headers)


def unsupported(message: str) -> Refused:
    """A query that the directory does not support, or only as an advanced one."""
    return Refused(400, "Request_UnsupportedQuery", message)


def bad(message: str) -> Refused:
    """A request that is wrong in itself."""
    return Refused(400, "BadRequest", message)


def not_found(id: str) -> Refused:
    """No such object."""
    message = f"Resource '{id}' does not exist or one of its queried reference-property objects are not present."
    return Refused(404, "Request_ResourceNotFound", message)


def forbidden() -> Refused:
    """A permission is missing; the text never says which."""
    return Refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
