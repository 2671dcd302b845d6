"""What to do when Okta says no, in the words of its admin console. Pure."""

from __future__ import annotations

from dirconnector.readers.okta.client import Refused
from dirconnector.readers.okta.settings import OktaSettings

ROLE = (
    "give it the role Read-only Administrator (Applications, the app, Admin roles, Edit assignments; for an API token: "
    "Security, Administrators, for the person who made the token)"
)


def cure_of(refused: Refused, settings: OktaSettings) -> str:
    """What cures a refusal."""
    if refused.scope or refused.code in ("consent_required", "invalid_scope", "access_denied"):
        scope = refused.scope or " and ".join(settings.scopes)
        return f"grant the scope {scope}: Applications, the app, Okta API Scopes, Grant"
    if refused.code in ("use_dpop_nonce", "invalid_dpop_proof", "dpop_nonce_exhausted"):
        return "the app demands DPoP (General, Proof of possession): set dpop: true, or switch it off there"
    if refused.code == "invalid_client":
        return (
            "client_id and private_key do not fit: look at Applications, the app, General, Client Credentials (Public "
            "key / Private key, the key active, key_id its KID), and at the clock of this computer"
        )
    if refused.code == "E0000011" and settings.token is not None:
        return (
            "the API token is wrong, revoked, or unused for 30 days, or the person who made it is deactivated: make a "
            "new one under Security, API, Tokens"
        )
    if refused.status == 401:
        return "look at Applications, the app: is it active, and does it demand DPoP (then dpop: true)?"
    if refused.status == 403:
        return ROLE
    if refused.code == "E0000031":
        return "mend users.filter, users.search, groups.filter or groups.search: Okta does not understand it"
    if refused.status == 404 and settings.app:
        return "does the app named in app exist, and does the role show it?"
    return "see https://developer.okta.com/docs/reference/error-codes/"
