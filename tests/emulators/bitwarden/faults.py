"""Faults that a test injects: which calls they hit, and what happens then. The language is in the package's
docstring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any

PLAIN = frozenset({"401", "500", "500_after", "502_before", "502_after", "504_after", "drop_before", "drop_after"})
WITH_NUMBER = frozenset({"slow", "504_during", "429"})
AFTER = frozenset({"500_after", "502_after", "504_after", "drop_after"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: at which of the matching calls ``fault`` strikes, and at most how many ``times``."""

    match: str
    fault: str
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    times: int | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.nth, self.every, self.probability)) > 1:
            raise ValueError("a rule has at most one of nth, every, probability")
        if any(value is not None and value < 1 for value in (self.nth, self.every, self.times)):
            raise ValueError("nth, every and times count from 1")
        Fault.parse(self.fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A parsed fault: ``number`` are seconds, ``external_id`` who is skipped."""

    name: str
    number: float = 0.0
    external_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Raises ValueError for words that are not of the fault language."""
        name, colon, argument = text.partition(":")
        if name == "skip" and argument:
            return cls(name=name, external_id=argument)
        if name in WITH_NUMBER and (argument or name == "429"):
            return cls(name=name, number=float(argument or 1))
        if name in PLAIN and not colon:
            return cls(name=name)
        raise ValueError(f"{text!r} is not a fault")


@dataclass(slots=True, kw_only=True)
class _Armed:
    rule: Rule
    random: Random
    seen: int = 0
    struck: int = 0

    def strikes(self) -> bool:
        rule = self.rule
        self.seen += 1
        if rule.times is not None and self.struck >= rule.times:
            return False
        if rule.nth is not None:
            hit = self.seen == rule.nth
        elif rule.every is not None:
            hit = self.seen % rule.every == 0
        else:
            hit = rule.probability is None or self.random.random() < rule.probability
        self.struck += hit
        return hit


@dataclass(slots=True)
class Faults:
    """The rules in force."""

    _armed: list[_Armed] = field(default_factory=list)

    def add(self, match: str, fault: str, **conditions: Any) -> None:
        """Add a rule; the keywords are those of :class:`Rule`."""
        rule = Rule(match=match, fault=fault, **conditions)
        self._armed.append(_Armed(rule=rule, random=Random(rule.seed)))

    def replace(self, rules: list[Mapping[str, Any]]) -> None:
        """Put these rules in the place of all others. Raises ValueError, and changes nothing, when one of
        them is no rule.
        """
        known = {f.name for f in fields(Rule)}
        fresh = Faults()
        for rule in rules:
            if unknown := set(rule) - known:
                raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
            if missing := {"match", "fault"} - set(rule):
                raise ValueError(f"a rule needs {', '.join(sorted(missing))}")
            fresh.add(**rule)
        self._armed = fresh._armed

    def clear(self) -> None:
        self._armed = []

    def strike(self, label: str) -> list[Fault]:
        """What happens to this call; counts it for every rule that it matches."""
        return [Fault.parse(armed.rule.fault) for armed in self._matching(label) if armed.strikes()]

    def shown(self) -> list[dict[str, Any]]:
        """The rules with how many calls each has ``seen`` and ``struck``."""
        return [asdict(a.rule) | {"seen": a.seen, "struck": a.struck} for a in self._armed]

    def _matching(self, label: str) -> Iterator[_Armed]:
        return (armed for armed in self._armed if fnmatchcase(label, armed.rule.match))
