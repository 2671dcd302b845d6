"""A configuration that has been validated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dirconnector.plan.policy import Policy
from dirconnector.rules.rule import Select
from dirconnector.settings import Settings


class Directory(NamedTuple):
    """One entry of ``directories``. ``settings`` is of the kind's own settings class; ``line`` is where it starts."""

    name: str
    kind: str
    settings: Settings
    line: int


class OrganizationSection(NamedTuple):
    """The ``organization`` section. ``settings`` is of the kind's own settings class."""

    kind: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One file, one organization.

    ``path`` is the file as it was named, ``folder`` the absolute folder that it lies in and that relative
    paths start from. ``directories`` are in the order of the file. ``state_url`` is a SQLAlchemy URL and may
    hold a password, so it is in no repr and is not for printing.
    """

    path: Path
    folder: Path
    directories: tuple[Directory, ...]
    select: Select
    organization: OrganizationSection
    policy: Policy
    state_url: str = field(repr=False)
