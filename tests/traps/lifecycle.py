"""An organization and a directory between which a run makes every call that there is."""

from __future__ import annotations

from collections import Counter

from dirconnector.plan.policy import GroupsGone, Offboard
from tests.bitwarden import Site
from tests.build import group, user
from tests.emulators.bitwarden import Status

CALLS = (
    "POST /connect/token",
    "GET /public/members",
    "GET /public/groups",
    "GET /public/organization/subscription",
    "GET /public/groups/{id}/member-ids",
    "GET /public/members/{id}",
    "GET /public/groups/{id}",
    "POST /public/members/{id}/revoke",
    "POST /public/members/{id}/restore",
    "POST /public/members/{id}/reinvite",
    "PUT /public/members/{id}",
    "DELETE /public/members/{id}",
    "POST /public/organization/import",
    "PUT /public/groups/{id}",
    "PUT /public/groups/{id}/member-ids",
    "DELETE /public/groups/{id}",
)

NEW = tuple(f"new{number}" for number in range(6))


def prepare(site: Site) -> None:
    """Fill the emulator and the directory."""
    state = site.emulator.state
    ana = state.enrol("ana@example.org", external_id="ana")
    state.enrol("off@example.org", external_id="off")
    state.enrol("gone@example.org", external_id="gone")
    state.enrol("old@example.org", external_id="old-key")
    hand = state.enrol("hand@example.org")
    state.enrol(
        "back@example.org", external_id="back", status=Status.REVOKED, status_before=Status.INVITED, user_id=None
    )
    state.add_group("Mixed", [hand, ana], external_id="mixed")
    state.add_group("Hand", [ana])
    state.add_group("Dropped", [ana], external_id="dropped")
    site.offboarding(absent=Offboard.REMOVE, disabled=Offboard.REVOKE, groups=GroupsGone.DELETE)
    people = [user("ana"), user("off", enabled=False), user("new-key", "old@example.org"), user("back")]
    site.wants(
        [*people, *(user(name) for name in NEW)],
        [
            group("mixed", ["ana", "back", "new0"]),
            group("hand", ["ana", "new1"]),
            group("fresh", ["ana", "new-key", *NEW]),
        ],
    )


def is_done(site: Site) -> None:
    """Everything is as the directory wants it, nobody was invited twice, and nobody is gone who should stay."""
    assert site.status("off@example.org") == "revoked"
    assert site.status("gone@example.org") == "gone"
    assert site.status("back@example.org") == "invited"
    assert site.status("hand@example.org") == site.status("owner@example.org") == "confirmed"
    assert site.member("old@example.org").external_id == "new-key"
    names = [f"{name}@example.org" for name in NEW]
    assert site.emails_in("Mixed") == {"hand@example.org", "ana@example.org", "back@example.org", names[0]}
    assert site.emails_in("Hand") == {"ana@example.org", names[1]}
    assert site.emails_in("Fresh") == {"ana@example.org", "old@example.org", *names}
    assert sorted(g.name for g in site.emulator.state.groups.values()) == ["Fresh", "Hand", "Mixed"]
    assert len(site.emulator.state.members) == 12
    assert Counter(m.to for m in site.emulator.mails if m.kind == "invite") == Counter(names)
    assert sum(m.kind == "reinvite" for m in site.emulator.mails) <= 1
