"""A tenant made of a seed: people, groups, and every oddity that real tenants have."""

from __future__ import annotations

import uuid
from random import Random
from typing import Any

from tests.emulators.entra.state import App, Tenant

DOMAIN = "contoso.onmicrosoft.com"
FIRST = ("Ana", "Bo", "Žoë", "李", "François", "Søren", "Iñes", "O'Neil", "Jean-Luc", "Ümit", "Nadia", "Tom")
LAST = ("Silva", "Berg", "Ångström", "Novák, Jr.", "van der Berg", "Smith", "Müller", "Carvalho", "Ōta", "Lee")
DEPARTMENTS = ("Engineering", "Sales", "Finance", "R&D", "Légal")


def seeded(users: int, groups: int, seed: int) -> Tenant:
    """A tenant with so many users and groups, and about sixty memberships for each group."""
    random = Random(seed)
    tenant = Tenant(id=_uuid(random), domain=DOMAIN, app=App(client_id=_uuid(random), secret=_secret(random)))
    people = [_user(tenant, random, number) for number in range(users)]
    teams = [_group(tenant, random, number) for number in range(groups)]
    _members(tenant, random, people, teams)
    for id_ in people[5:7] if users > 20 else []:
        tenant.delete(id_)
    tenant.log.clear()
    return tenant


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _secret(random: Random) -> str:
    return "".join(random.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789~_.-", k=40))


def _user(tenant: Tenant, random: Random, number: int) -> str:
    first, last = random.choice(FIRST), random.choice(LAST)
    properties: dict[str, Any] = {
        "id": _uuid(random),
        "displayName": f"{first} {last}",
        "givenName": first,
        "surname": last,
        "mail": f"User{number:05}@example.org",
        "userPrincipalName": f"user{number:05}@example.org",
        "mailNickname": f"user{number:05}",
        "department": random.choice(DEPARTMENTS),
        "employeeId": str(1000 + number),
        "jobTitle": None,
        "accountEnabled": random.random() > 0.05,
    }
    return tenant.add("user", **properties | _odd_user(number, random.randrange(10**6)))


def _odd_user(number: int, salt: int) -> dict[str, Any]:
    match number % 100:
        case 7:
            return {"mail": None, "userPrincipalName": f"nomail{salt}.{number}@{DOMAIN}"}
        case 11:
            upn = f"guest{number}_partner.example.net#EXT#@{DOMAIN}"
            return {"mail": f"guest{number}@partner.example.net", "userPrincipalName": upn, "userType": "Guest"}
        case 13:
            return {"displayName": f"Control\u0007 {number}\u2028", "jobTitle": "tab\there"}
        case 17:
            return {"mail": f"plus+tag{number}@example.org", "displayName": f"Comma, {number}"}
        case 19:
            return {"mail": None}
        case 23:
            return {"mail": f"ünïcode{number}@example.org"}
        case 29:
            return {"mail": f"user{number - 1:05}@example.org"}
        case 31:
            return {"userType": None, "employeeId": None}
    return {}


def _group(tenant: Tenant, random: Random, number: int) -> str:
    properties: dict[str, Any] = {"id": _uuid(random), "displayName": f"Group {number:04}", "description": None}
    match number % 10:
        case 3:
            properties |= {"groupTypes": ["Unified"], "mailEnabled": True, "securityEnabled": False}
            properties |= {"mail": f"group{number}@example.org", "visibility": "Private"}
        case 5:
            properties |= {"mailEnabled": True, "securityEnabled": False, "mail": f"list{number}@example.org"}
        case 7:
            properties |= {"mailEnabled": True, "securityEnabled": True, "displayName": f"Ops, \u00c4rger + {number}"}
        case 9:
            properties |= {"groupTypes": ["DynamicMembership"], "membershipRule": '(user.department -eq "Sales")'}
    return tenant.add("group", **properties)


def _members(tenant: Tenant, random: Random, people: list[str], teams: list[str]) -> None:
    """A group with everybody, an empty one, a cycle of three, members that are no users, and the others."""
    others = [
        tenant.add("device", id=_uuid(random), displayName="LAPTOP-1"),
        tenant.add("orgContact", id=_uuid(random), displayName="A contact", mail="contact@partner.example.net"),
        tenant.add("servicePrincipal", id=_uuid(random), displayName="An app"),
    ]
    for number, team in enumerate(teams):
        if number == 0:
            members = list(people)
        elif number == 1:
            members = []
        else:
            members = random.sample(people, min(len(people), random.randrange(20, 60)))
        tenant.set_members(team, members)
        if number > 10 and number % 4 == 0:
            tenant.add_member(team, teams[random.randrange(2, number)])
        if number % 20 == 2:
            for other in others:
                tenant.add_member(team, other)
    if len(teams) > 4:
        for one, next_one in ((2, 3), (3, 4), (4, 2)):
            tenant.add_member(teams[one], teams[next_one])
