"""What every directory kind must do. A kind joins with one class and one fixture::

    class TestLdapReader(ReaderContract):
        @pytest.fixture
        def subject(self, slapd): return Subject(alive=..., dead=...)

The fixture lays :data:`WORLD` out in a directory of its kind. :func:`world_ldif` writes it as LDIF.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dirconnector.errors import DirectoryError
from dirconnector.model import Evidence, Group, Snapshot, User, no_progress
from dirconnector.readers import Reader

SECRET = "correct-horse-battery-staple"
"""A password that is in the directory, and must be nowhere else."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person of the world. ``uuid`` is the immutable id where the directory lets us choose it."""

    username: str
    name: str
    email: str
    department: str
    uuid: str
    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class Team:
    """One group of the world: user names of direct members, names of groups that are direct members."""

    name: str
    uuid: str
    members: frozenset[str]
    subgroups: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class World:
    """A directory small enough to keep in mind."""

    people: tuple[Person, ...]
    teams: tuple[Team, ...]


WORLD = World(
    people=(
        Person(
            username="ana",
            name="Ana Silva",
            email="Ana.Silva@Example.org",
            department="Engineering",
            uuid="6d1f6d9e-3c07-4f5a-9d51-0a6f2c7b1e01",
        ),
        Person(
            username="bo",
            name="Bo Berg",
            email="bo.berg@example.org",
            department="Sales",
            uuid="6d1f6d9e-3c07-4f5a-9d51-0a6f2c7b1e02",
            enabled=False,
        ),
        Person(
            username="cee",
            name="Cee Novák, Jr.",
            email="",
            department="Sales",
            uuid="6d1f6d9e-3c07-4f5a-9d51-0a6f2c7b1e03",
        ),
        Person(
            username="zoe",
            name="Žoë Ångström",
            email="zoe@example.org",
            department="Engineering",
            uuid="6d1f6d9e-3c07-4f5a-9d51-0a6f2c7b1e04",
        ),
    ),
    teams=(
        Team(
            name="Vault-Users",
            uuid="6d1f6d9e-3c07-4f5a-9d51-0a6f2c7b1e11",
            members=frozenset({"ana", "zoe"}),
            subgroups=frozenset({"Vault-Ops"}),
        ),
        Team(
            name="Vault-Ops",
            uuid="6d1f6d9e-3c07-4f5a-9d51-0a6f2c7b1e12",
            members=frozenset({"bo", "cee"}),
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A kind of directory under test.

    ``alive`` makes a new reader of the same directory at each call, named ``hq``, that was asked for these
    attributes; ``dead`` one, also named ``hq``, of a directory that is not there. ``department`` is the
    attribute (lower case) that holds the department.
    """

    alive: Callable[[frozenset[str]], Reader]
    dead: Callable[[], Reader]
    department: str = "departmentnumber"


class ReaderContract:
    """Inherit, and define the fixture ``subject``."""

    @pytest.fixture
    def snapshot(self, subject: Subject) -> Snapshot:
        return subject.alive(frozenset({subject.department})).read(no_progress)

    def test_everybody_is_read_as_written(self, snapshot: Snapshot) -> None:
        found = {(u.username, u.name, u.email, u.enabled) for u in snapshot.users.values()}
        assert found == {(p.username, p.name, p.email, p.enabled) for p in WORLD.people}
        assert not snapshot.problems
        assert not snapshot.unsyncable

    def test_objects_are_under_their_keys_and_name_their_directory(self, snapshot: Snapshot) -> None:
        objects: list[User | Group] = [*snapshot.users.values(), *snapshot.groups.values()]
        assert [found.key for found in objects] == [*snapshot.users, *snapshot.groups]
        for found in objects:
            assert found.key
            assert found.directory == "hq"
            assert found.entry, "messages need a name for the entry"

    def test_members_are_keys_of_users_and_subgroups_keys_of_groups(self, snapshot: Snapshot) -> None:
        usernames = {key: user.username for key, user in snapshot.users.items()}
        names = {key: group.name for key, group in snapshot.groups.items()}
        found = {
            (
                group.name,
                frozenset(usernames[key] for key in group.members),
                frozenset(names[key] for key in group.subgroups),
            )
            for group in snapshot.groups.values()
        }
        assert found == {(team.name, team.members, team.subgroups) for team in WORLD.teams}

    def test_the_end_of_the_data_is_proven(self, snapshot: Snapshot) -> None:
        by_query: dict[str, list[Evidence]] = {}
        for evidence in snapshot.evidence:
            assert evidence.directory == "hq"
            assert evidence.complete, evidence.why
            assert evidence.pages >= 1
            assert evidence.why, "the end that was recognised has a name"
            by_query.setdefault(evidence.query, []).append(evidence)
        assert {"users", "groups"} <= by_query.keys()
        assert sum(e.entries for e in by_query["users"]) >= len(WORLD.people)
        assert snapshot.complete

    def test_two_reads_are_equal(self, subject: Subject) -> None:
        reader = subject.alive(frozenset())
        first, again = reader.read(no_progress), reader.read(no_progress)
        other = subject.alive(frozenset()).read(no_progress)
        assert (first.users, first.groups) == (again.users, again.groups) == (other.users, other.groups)
        assert [e.complete for e in first.evidence] == [e.complete for e in again.evidence]

    def test_attributes_that_were_asked_for(self, subject: Subject, snapshot: Snapshot) -> None:
        departments = {p.username: p.department for p in WORLD.people}
        for user in snapshot.users.values():
            assert dict(user.attributes) == {subject.department: (departments[user.username],)}

    def test_no_other_attributes(self, subject: Subject) -> None:
        users = subject.alive(frozenset()).read(no_progress).users.values()
        assert [dict(user.attributes) for user in users] == [{}] * len(WORLD.people)

    def test_an_attribute_that_nobody_has_is_no_error(self, subject: Subject) -> None:
        users = subject.alive(frozenset({"shoesize"})).read(no_progress).users.values()
        assert not any(user.attributes.get("shoesize") for user in users)

    def test_progress_is_reported(self, subject: Subject) -> None:
        calls: list[tuple[str, int, int | None]] = []
        subject.alive(frozenset()).read(lambda phase, done, total: calls.append((phase, done, total)))
        assert calls
        for phase, done, total in calls:
            assert phase
            assert 0 <= done <= (total if total is not None else done)

    def test_check_of_a_good_directory(self, subject: Subject) -> None:
        findings = list(subject.alive(frozenset()).check())
        assert findings
        for finding in findings:
            assert finding.ok, finding
            assert not finding.cure
            assert finding.subject
            assert finding.detail

    def test_check_of_a_dead_directory_names_a_cure(self, subject: Subject) -> None:
        try:
            failed = [finding for finding in subject.dead().check() if not finding.ok]
        except DirectoryError as error:
            assert error.directory == "hq"
            return
        assert failed
        assert all(finding.cure for finding in failed)

    def test_a_dead_directory_is_an_error_and_not_an_empty_one(self, subject: Subject) -> None:
        with pytest.raises(DirectoryError) as raised:
            subject.dead().read(no_progress)
        assert raised.value.directory == "hq"
        assert str(raised.value).startswith("hq: ")
        assert SECRET not in str(raised.value)

    def test_secrets_stay_in_the_directory(self, subject: Subject, snapshot: Snapshot) -> None:
        reader = subject.alive(frozenset())
        seen = [repr(snapshot), repr(reader), repr(vars(reader)), *map(repr, reader.check())]
        encoded = base64.b64encode(SECRET.encode()).decode()
        for text in seen:
            assert SECRET not in text
            assert encoded not in text

    def test_nothing_happens_before_check_or_read(self, subject: Subject) -> None:
        subject.dead()

    def test_users_are_plain_values(self, snapshot: Snapshot) -> None:
        assert all(type(user) is User for user in snapshot.users.values())
        assert len({user.key for user in snapshot.users.values()}) == len(WORLD.people)


def world_ldif(
    base: str = "dc=example,dc=org", *, disabled: tuple[str, str] = ("nsAccountLock", "TRUE"), uuids: bool = True
) -> str:
    """:data:`WORLD` as LDIF under ``base``, for a file or to load into a server.

    ``disabled`` is the attribute and the value by which this server knows disabled accounts. Without
    ``uuids`` the server chooses entryUUID. Passwords are in it: :data:`SECRET` for everybody.
    """
    suffix = base.partition("=")[2].partition(",")[0]
    lines = ["version: 1", ""]

    def entry(dn: str, attributes: list[tuple[str, str]]) -> None:
        for name, value in [("dn", dn), *((name, value) for name, value in attributes if value)]:
            if value.isascii():
                lines.append(f"{name}: {value}")
            else:
                lines.append(f"{name}:: {base64.b64encode(value.encode()).decode()}")
        lines.append("")

    entry(
        base,
        [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", suffix), ("o", suffix)],
    )
    for ou in ("people", "groups"):
        entry(f"ou={ou},{base}", [("objectClass", "organizationalUnit"), ("ou", ou)])
    for person in WORLD.people:
        attributes = [
            ("objectClass", "inetOrgPerson"),
            ("uid", person.username),
            ("cn", person.name),
            ("sn", person.name.split()[-1]),
            ("displayName", person.name),
            ("mail", person.email),
            ("departmentNumber", person.department),
            ("userPassword", SECRET),
            ("entryUUID", person.uuid if uuids else ""),
        ]
        entry(f"uid={person.username},ou=people,{base}", attributes + ([] if person.enabled else [disabled]))
    for team in WORLD.teams:
        members = [f"uid={name},ou=people,{base}" for name in sorted(team.members)]
        members += [f"cn={name},ou=groups,{base}" for name in sorted(team.subgroups)]
        attributes = [("objectClass", "groupOfNames"), ("cn", team.name), *(("member", m) for m in members)]
        attributes += [("entryUUID", team.uuid)] if uuids else []
        entry(f"cn={team.name},ou=groups,{base}", attributes)
    return "\n".join(lines) + "\n"
