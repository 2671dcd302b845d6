"""Random directories and organizations, small enough to collide often."""

from __future__ import annotations

from hypothesis import strategies as st

from dirconnector.model import Current, MemberType, Snapshot, Status
from dirconnector.plan.policy import GroupsGone, Offboard, Offboarding, Policy
from dirconnector.plan.recall import Remembered
from tests.build import NO_LIMITS, current, group, member, org_group, snapshot, user

KEYS = [f"k{n}" for n in range(7)]
GROUP_KEYS = [f"g{n}" for n in range(4)]
EMAILS = [f"e{n}@example.org" for n in range(7)]
NAMES = ["Sales", "Ops", "Dev"]

key = st.sampled_from(KEYS)
email = st.sampled_from([*EMAILS, "", "not an address"])


@st.composite
def snapshots(draw: st.DrawFn, directory: str = "hq", complete: bool = True) -> Snapshot:
    """A directory whose people share addresses, whose groups nest and cycle."""
    keys = draw(st.lists(key, unique=True))
    users = [
        user(k, draw(email), enabled=draw(st.booleans()), name=draw(st.sampled_from(["Ana", "Ben", ""]))) for k in keys
    ]
    groups = [
        group(
            k,
            draw(st.lists(st.sampled_from(KEYS))),
            draw(st.lists(st.sampled_from(GROUP_KEYS))),
            name=draw(st.sampled_from(NAMES)),
        )
        for k in draw(st.lists(st.sampled_from(GROUP_KEYS), unique=True))
    ]
    return snapshot(users, groups, directory=directory, complete=complete)


@st.composite
def organizations(draw: st.DrawFn) -> Current:
    """An organization that was filled by us, by hand, and by chance. Addresses are unique, external ids need not be."""
    members = [
        member(
            draw(st.sampled_from([*KEYS, "", ""])),
            address,
            id=f"m{n}",
            status=draw(st.sampled_from([Status.REVOKED, Status.INVITED, Status.CONFIRMED, Status.STAGED])),
            type=draw(st.sampled_from([MemberType.USER, MemberType.USER, MemberType.OWNER, MemberType.ADMIN])),
        )
        for n, address in enumerate(draw(st.lists(st.sampled_from(EMAILS), unique=True)))
    ]
    ids = [m.id for m in members]
    groups = [
        org_group(
            draw(st.sampled_from([*GROUP_KEYS, ""])),
            draw(st.lists(st.sampled_from(ids))) if ids else [],
            name=draw(st.sampled_from(NAMES)),
            id=f"g{n}",
            collections=draw(st.integers(0, 1)),
        )
        for n in range(draw(st.integers(0, 4)))
    ]
    return current(members, groups)


policies = st.builds(
    Policy,
    offboarding=st.builds(
        Offboarding,
        absent=st.sampled_from(Offboard),
        disabled=st.sampled_from(Offboard),
        groups=st.sampled_from(GroupsGone),
        protect_emails=st.frozensets(st.sampled_from(EMAILS), max_size=1),
    ),
    limits=st.just(NO_LIMITS),
)

memories = st.dictionaries(
    key,
    st.builds(Remembered, directory=st.just("hq"), name=st.sampled_from(["Ana", "Ben", "Zoe"])),
)
