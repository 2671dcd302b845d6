"""An organization that says what is about to be sent, and each change when it has been made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from dirconnector.model import Current, Finding, Progress
from dirconnector.organizations import Call, Journal, Ledger, Organization
from dirconnector.output.logs import CHANGE
from dirconnector.output.words import forecast_words
from dirconnector.plan.model import Change, Forecast, Outcome

logger = logging.getLogger(__name__)


class Announced:
    """An :class:`~dirconnector.organizations.Organization` that passes everything on to the real one."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self.settings_class = organization.settings_class
        self.name = organization.name

    def check(self) -> Iterator[Finding]:
        """As the real one."""
        return self._organization.check()

    def read(self, ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        """As the real one."""
        return self._organization.read(ledger, verify=verify, progress=progress)

    def forecast(self, changes: Sequence[Change], current: Current) -> Forecast:
        """As the real one."""
        return self._organization.forecast(changes, current)

    def apply(
        self, changes: Sequence[Change], current: Current, *, journal: Journal, ledger: Ledger, progress: Progress
    ) -> Outcome:
        """As the real one, after saying what it will cost."""
        if logger.isEnabledFor(CHANGE):
            logger.log(CHANGE, "sending %s", forecast_words(self._organization.forecast(changes, current)))
        return self._organization.apply(
            changes, current, journal=_Announcing(journal), ledger=ledger, progress=progress
        )


class _Announcing:
    """A journal that logs the changes of each call that went well."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: dict[int, Call] = {}

    def begin(self, call: Call, digest: str) -> int:
        number = self._journal.begin(call, digest)
        self._open[number] = call
        return number

    def end(self, number: int, result: str) -> None:
        self._journal.end(number, result)
        call = self._open.pop(number)
        if result != "ok":
            logger.warning("%s: %s", call.endpoint, result)
        elif logger.isEnabledFor(CHANGE):
            for change in call.changes:
                logger.log(CHANGE, "%s", change.sentence)
