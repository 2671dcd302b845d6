"""Seeded users and groups, odd ones among them."""

from __future__ import annotations

from typing import Any

from tests.emulators.okta.state import State

FIRST = ("Ana", "Bo", "Žoë", "José", "李", "Ólafur", "Siân", "Ngọc", "Umar", "Ivy")
LAST = ("Silva", "Berg", "Ångström", "O'Neil", "王", "Novák, Jr.", "de la Cruz", "Müller-Lüdenscheidt", "Khan", "Ek")
DEPARTMENTS = ("Engineering", "Sales", "Finance, Tax & Legal", "Støtte")
ODD: tuple[dict[str, Any], ...] = (
    {"login": "no.mail@example.org", "email": None},
    {"login": "control@example.org", "firstName": "Con\u0007trol", "lastName": "Tab\tbed"},
    {"login": "plus+tag@example.org", "email": "plus+tag@example.org"},
    {"login": "comma@example.org", "lastName": 'Comma, the "Third"'},
    {"login": "zoë@exämple.org", "email": "zoë@exämple.org", "displayName": "Zoë Ångström"},
    {"login": "twin.one@example.org", "email": "twin@example.org"},
    {"login": "twin.two@example.org", "email": "Twin@Example.org"},
    {"login": "kim#EXT#@example.org", "email": "kim@partner.example"},
    {"login": "staged@example.org", "status": "STAGED"},
    {"login": "provisioned@example.org", "status": "PROVISIONED"},
    {"login": "recovery@example.org", "status": "RECOVERY"},
    {"login": "locked@example.org", "status": "LOCKED_OUT"},
    {"login": "expired@example.org", "status": "PASSWORD_EXPIRED"},
    {"login": "suspended@example.org", "status": "SUSPENDED"},
    {"login": "gone@example.org", "status": "DEPROVISIONED"},
    {"login": "n" * 88 + "@example.org", "displayName": "N" * 300},
)


def seed(state: State, users: int, groups: int) -> None:
    """Fill a state with so many users and groups (Everyone not counted). Of the groups one is empty, one is big, one
    comes from Active Directory; two have the same name.
    """
    random = state.random
    for number in range(users):
        if number < len(ODD):
            state.add_user(**ODD[number])
            continue
        first, last = random.choice(FIRST), random.choice(LAST)
        state.add_user(
            f"user{number:06}@example.org",
            status=random.choices(("ACTIVE", "SUSPENDED", "DEPROVISIONED"), (94, 2, 4))[0],
            firstName=first,
            lastName=last,
            department=random.choice(DEPARTMENTS),
            employeeNumber=str(number),
        )
    living = [key for key in state.order if state.users[key]["status"] != "DEPROVISIONED"]
    for number in range(groups):
        _group(state, number, living)


def _group(state: State, number: int, living: list[str]) -> None:
    random = state.random
    if number == 0:
        state.add_group("Empty, but here")
    elif number == 1:
        state.add_group("Big", random.sample(living, min(len(living), max(1600, len(living) // 4))))
    elif number == 2:
        state.add_group(
            "CN=Vault + Friends,OU=Größe",
            random.sample(living, min(len(living), 5)),
            type="APP_GROUP",
            samAccountName="VaultFriends",
            dn="CN=Vault \\+ Friends,OU=Größe,DC=corp,DC=example",
            groupType="Security",
        )
    else:
        name = "Twins" if number in (3, 4) else f"Team {number:04}"
        state.add_group(name, random.sample(living, random.randint(0, min(len(living), 40))))
