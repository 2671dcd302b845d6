"""From a file to a :class:`Config`: parse, validate, convert. Every problem is reported, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import ValidationError

from dirconnector import organizations, readers
from dirconnector.config.document import Document, KeyPath, parse
from dirconnector.config.model import Config, Directory, OrganizationSection
from dirconnector.config.problems import did_you_mean, problems_of
from dirconnector.config.schema import (
    FileSettings,
    GroupRuleSettings,
    LimitSettings,
    LimitsSettings,
    OffboardingSettings,
    SelectSettings,
    UserRuleSettings,
)
from dirconnector.config.state_url import state_url_in, state_url_problem
from dirconnector.errors import ConfigError
from dirconnector.model import MemberType
from dirconnector.plan.policy import GroupsGone, Limit, Limits, Offboard, Offboarding, OnExceed, Policy
from dirconnector.rules.rule import GroupRule, Select, UserRule
from dirconnector.settings import Secret, Settings

S = TypeVar("S", bound=Settings)
Problems = list[tuple[KeyPath, str]]


def load(path: Path) -> Config:
    """Read and validate a configuration. Connects to nothing.

    Secrets stay references, except the one of ``state.url``. Raises :class:`ConfigError` with every problem
    of the file, each as ``file:line: path.in.the.config: sentence``, in the order of the lines.
    """
    document = parse(path)
    folder = path.absolute().parent
    problems: Problems = []
    file = _validated(FileSettings, document.data, (), folder, document, problems)
    directories = list(_directories(document, folder, problems))
    organization = _plugin(document, ("organization",), organizations.KINDS, _organization_settings, folder, problems)
    if document.problems or problems or not file or not organization:
        _refuse(document, problems)
    return Config(
        path=path,
        folder=folder,
        directories=tuple(directories),
        select=_select(file.select),
        organization=OrganizationSection(*organization),
        policy=Policy(offboarding=_offboarding(file.offboarding), limits=_limits(file.limits)),
        state_url=_state_url(file.state.url, folder, document),
    )


def _refuse(document: Document, problems: Problems) -> NoReturn:
    """Raise everything that was found. What is no value at all hides the sentences that follow from it."""
    found = {(line, document.sentence(path, what, line)) for path, line, what in document.problems}
    spoiled = {path for path, _, _ in document.problems if path and document.at(path) is None}
    for path, what in problems:
        if not any(path[:length] in spoiled for length in range(1, len(path) + 1)):
            found.add((document.line(path), document.sentence(path, what)))
    raise ConfigError([sentence for _, sentence in sorted(found)])


# -------------------------------------------------------------------------------------------------------
# validation


def _validated(
    model: type[S], data: object, base: KeyPath, folder: Path, document: Document, problems: Problems
) -> S | None:
    try:
        context = {"folder": folder, "directories": list(_names(document))}
        return model.model_validate(data, context=context)
    except ValidationError as error:
        problems += problems_of(error, model, base, document)
    return None


def _directories(document: Document, folder: Path, problems: Problems) -> Iterator[Directory]:
    for name in _names(document):
        where = ("directories", name)
        if found := _plugin(document, where, readers.KINDS, _reader_settings, folder, problems):
            yield Directory(name, *found, line=document.line(where))


def _names(document: Document) -> Iterator[str]:
    section = document.data.get("directories")
    yield from section if isinstance(section, dict) else ()


def _reader_settings(kind: str) -> type[Settings]:
    return readers.reader_class(kind).settings_class


def _organization_settings(kind: str) -> type[Settings]:
    return organizations.organization_class(kind).settings_class


def _plugin(
    document: Document,
    where: KeyPath,
    kinds: Mapping[str, str],
    settings_of: Callable[[str], type[Settings]],
    folder: Path,
    problems: Problems,
) -> tuple[str, Settings] | None:
    """The kind and the validated settings of the mapping at ``where``; only the module of that kind is imported."""
    if not document.has(where) or not isinstance(section := document.at(where), dict):
        return None  # what the schema of the whole file says about it is enough
    kind = section.get("kind")
    if "kind" not in section:
        problems.append(((*where, "kind"), f"is required, but missing; one of: {', '.join(kinds)}"))
    elif not isinstance(kind, str) or kind not in kinds:
        problems.append(((*where, "kind"), f"unknown kind; {did_you_mean(str(kind), list(kinds))}"))
    else:
        try:
            model = settings_of(kind)
        except ModuleNotFoundError as error:
            problems.append(((*where, "kind"), f"needs the Python package {error.name}, which is not installed"))
            return None
        rest = {key: value for key, value in section.items() if key != "kind"}
        settings = _validated(model, rest, where, folder, document, problems)
        return (kind, settings) if settings else None
    return None


# -------------------------------------------------------------------------------------------------------
# conversion


def _select(select: SelectSettings) -> Select:
    return Select(
        users_include=tuple(_user_rule(rule) for rule in select.users.include),
        users_exclude=tuple(_user_rule(rule) for rule in select.users.exclude),
        groups_include=tuple(_group_rule(rule) for rule in select.groups.include),
        groups_exclude=tuple(_group_rule(rule) for rule in select.groups.exclude),
    )


def _user_rule(rule: UserRuleSettings) -> UserRule:
    attribute = {name.lower(): pattern for name, pattern in (rule.attribute or {}).items()}
    parts = {name: getattr(rule, name) for name in UserRuleSettings.model_fields if name != "attribute"}
    return UserRule(**parts, attribute=attribute or None)


def _group_rule(rule: GroupRuleSettings) -> GroupRule:
    return GroupRule(name=rule.name, entry=rule.entry, directory=rule.directory)


def _offboarding(section: OffboardingSettings) -> Offboarding:
    return Offboarding(
        absent=Offboard(section.absent),
        disabled=Offboard(section.disabled),
        groups=GroupsGone(section.groups),
        protect_types=frozenset(MemberType[word.upper()] for word in section.protect.types),
        protect_emails=frozenset(section.protect.emails),
    )


def _limits(section: LimitsSettings) -> Limits:
    default = Limits()
    return Limits(
        removals=_limit(section.removals, default.removals),
        group_members=_limit(section.group_members, default.group_members),
        shrink=_limit(section.shrink, default.shrink),
        on_exceed=OnExceed(section.on_exceed),
    )


def _limit(section: LimitSettings, default: Limit) -> Limit:
    return replace(default, **section.model_dump(exclude_unset=True))


def _state_url(url: str | Secret, folder: Path, document: Document) -> str:
    where = ("state", "url")
    if isinstance(url, Secret):
        try:
            url = url.reveal()
        except ConfigError as error:
            raise ConfigError(document.sentence(where, str(error))) from None
        if problem := state_url_problem(url):
            raise ConfigError(document.sentence(where, f"what the secret holds {problem}"))
    return state_url_in(folder, url)
