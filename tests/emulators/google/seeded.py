"""An invented company of any size, the same for the same seed, with the odd things that real ones have."""

from __future__ import annotations

from random import Random

from tests.emulators.google.state import JsonObject, State

GIVEN = [
    "Ana",
    "Bo",
    "Chloé",
    "Dmitrij",
    "Émile",
    "Fátima",
    "Göran",
    "Hiroko",
    "Íris",
    "Jürgen",
    "Kateřina",
    "Łukasz",
    "Māra",
    "Ngozi",
    "Ólafur",
    "Priya",
    "Žoë",
]
FAMILY = [
    "Silva",
    "Berg",
    "Novák",
    "O'Neill",
    "Ångström",
    "García-López",
    "Müller",
    "Nguyễn",
    "Smith",
    "Yılmaz",
    "Đorđević",
    "Петрова",
    "田中",
]
UNITS = ["/", "/Sales", "/Sales/EMEA", "/Engineering", "/Engineering/Réseau & Sécurité", "/Contractors"]
TITLES = ["Engineer", "Account, Key", "Lead\u200b", "Intern"]


def fill(state: State, users: int, groups: int, seed: int) -> None:
    """Add so many users and groups."""
    random = Random(f"google/{seed}")
    people = [_user(state, random, number) for number in range(1, users + 1)]
    made: list[JsonObject] = []
    for number in range(1, groups + 1):
        made.append(_group(state, random, number, people, made))
    if len(made) > 2:
        # Google refuses cycles; whoever reads must survive one
        state.join(made[0], made[1])
        state.join(made[1], made[0])
    for number in range(users // 50):
        gone = _user(state, random, users + number + 1)
        state.delete_user(gone["id"])


def _user(state: State, random: Random, number: int) -> JsonObject:
    given, family = random.choice(GIVEN), random.choice(FAMILY)
    unit = random.choice(UNITS)
    odd = random.random()
    fields: JsonObject = {
        "name": f"{given} {family}",
        "orgUnitPath": unit,
        "organizations": [
            {
                "title": random.choice(TITLES),
                "department": unit.rpartition("/")[2] or "Management",
                "costCenter": f"{random.randrange(100)}",
                "primary": True,
            }
        ],
        "externalIds": [{"type": "organization", "value": str(1000 + number)}],
    }
    address = f"user{number:06d}@{state.domains[0]}"
    if odd < 0.02:
        fields |= {"suspended": True, "suspensionReason": "ADMIN"}
    elif odd < 0.03:
        fields |= {"archived": True, "suspended": random.random() < 0.5}
    elif odd < 0.04:
        address = f"user{number:06d}+x@{state.domains[-1]}"
    elif odd < 0.05:
        fields |= {"name": f"{given} {family}, Jr.\x07\u202e", "aliases": [f"alias{number}@{state.domains[0]}"]}
    elif odd < 0.06:
        fields |= {"isMailboxSetup": False, "organizations": [], "relations": [{"type": "manager", "value": "boss"}]}
    elif odd < 0.07:
        fields |= {"isGuestUser": True}
    return state.add_user(address, **fields)


def _group(state: State, random: Random, number: int, people: list[JsonObject], made: list[JsonObject]) -> JsonObject:
    members = random.sample(people, min(len(people), _size(random, number)))
    group = state.add_group(f"group{number:05d}@{state.domains[0]}", name=f"Group {number}, Größe+{number % 7}")
    for member in members:
        state.join(group, member)
    if made and number % 10 == 0:
        state.join(group, random.choice(made))
    if number % 25 == 0:
        state.join(group, f"guest{number}@partner.example")
    if number % 200 == 0:
        state.join(group, "CUSTOMER")
    return group


def _size(random: Random, number: int) -> int:
    """Most groups are small, some are empty, the first is larger than any page."""
    if number == 1:
        return 5200
    if number % 20 == 5:
        return 0
    return random.choice((1, 3, 8, 20, 60, 150))
