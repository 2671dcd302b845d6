"""Microsoft Graph v1.0: single requests, and lists and delta queries read to their end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from dirconnector.errors import ConfigError, DirectoryRefused, DirectoryUnreachable
from dirconnector.http import Answer, Http
from dirconnector.model import Evidence, Progress
from dirconnector.readers.entra.calls import Calls, GaveUp, Stopped, Timing
from dirconnector.readers.entra.credentials import Tokens, roles_of
from dirconnector.readers.entra.refusals import Need, Refusal, Resync, graph_refusal, is_resync
from dirconnector.readers.entra.settings import EntraSettings

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Item = dict[str, Any]
Receive = Callable[[Sequence[Item]], None]

NEXT, DELTA, COUNT = "@odata.nextLink", "@odata.deltaLink", "@odata.count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a list or a round of a delta query ended. ``broken`` says what cut it short, and is empty when the service
    marked the end itself. ``link`` is where the next round begins.
    """

    pages: int
    entries: int
    broken: str = ""
    link: str = ""

    def evidence(self, directory: str, query: str, *, gaps: Sequence[str] = (), notes: Sequence[str] = ()) -> Evidence:
        """``gaps`` are reasons why the data is not complete although the end was marked; ``notes`` are not."""
        reasons = [*([self.broken] if self.broken else []), *gaps]
        end = "the last page says where the next changes begin" if self.link else "the last page links to no other"
        return Evidence(
            directory=directory,
            query=query,
            complete=not reasons,
            pages=self.pages,
            entries=self.entries,
            why="; ".join([*(reasons or [end]), *notes]),
        )


class Graph:
    """Graph as one application sees it; threads may share it. Opened when it is first needed."""

    def __init__(self, directory: str, settings: EntraSettings, timing: Timing, progress: Progress) -> None:
        self.directory = directory
        self._settings = settings
        self._report_lock = threading.Lock()
        self._progress = progress
        http = Http(settings.tls, proxy=settings.proxy_url, timeout=float(settings.timeout))
        self._calls = Calls(http, timing, self._report)
        self._tokens = Tokens(directory, settings, self._calls)
        self.roles: frozenset[str] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def progress(self, phase: str, done: int, total: int | None) -> None:
        """Tell how far a stage of this directory is."""
        self._report(f"{self.directory}: {phase}", done, total)

    def _report(self, phase: str, done: int, total: int | None) -> None:
        # several threads, and whoever watches knows of one
        with self._report_lock:
            self._progress(phase, done, total)

    def url(self, path: str, **options: str) -> str:
        """The URL of a path below the version; the options get their ``$``."""
        query = "&".join(f"${name}={quote(value, safe=',')}" for name, value in options.items())
        return f"{self._settings.graph}/v1.0/{path}{'?' if query else ''}{query}"

    def sign_in(self) -> None:
        """Get a token, and with it :attr:`roles`."""
        self.roles = roles_of(self._bearer())

    def _bearer(self) -> str:
        try:
            return self._tokens.bearer()
        except ConfigError as error:
            problems = [p.replace("organization.tls", f"directories.{self.directory}.tls") for p in error.problems]
            failure = ConfigError(problems)
        raise failure

    # ------------------------------------------------------------------------------------------------- single requests

    def get(self, url: str, need: Need, *, advanced: bool = False) -> dict[str, Any]:
        """One GET. Raises :class:`Refusal`, :class:`Resync`, :class:`GaveUp`; a token that was refused is replaced
        once.
        """
        answer = self._get(url, advanced=advanced)
        if answer.status == 401:
            self._tokens.renew()
            answer = self._get(url, advanced=advanced)
        try:
            body = answer.json()
        except ValueError:
            body = None
        if answer.status == 200 and isinstance(body, dict):
            return body
        if answer.status == 200:
            raise Refusal(
                f"{need.what}: the answer is none of Graph's; is the URL right, and does nothing between answer for it?"
            )
        raise _refusal(answer.status, body, need)

    def _get(self, url: str, *, advanced: bool) -> Answer:
        headers = {"Authorization": f"Bearer {self._bearer()}", "Accept": "application/json"}
        if advanced:
            # Graph, "Advanced query capabilities on directory objects"
            headers["ConsistencyLevel"] = "eventual"
        return self._calls.send("GET", url, headers=headers)

    # -------------------------------------------------------------------------------------------------- whole answers

    def walk(self, url: str, need: Need, receive: Receive, *, delta: bool = False, advanced: bool = False) -> Ending:
        """Every page from ``url`` on. A page may be empty and still link to another. What fails on the first page is
        raised (:class:`DirectoryRefused`, :class:`DirectoryUnreachable`); what fails later ends the answer early.
        Raises :class:`Resync`.
        """
        seen: set[str] = set()
        pages = entries = counted = 0
        while True:
            seen.add(url)
            try:
                body = self.get(url, need, advanced=advanced)
                value = body.get("value")
                if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                    raise Refusal(f"{need.what}: the answer has no list of objects; is this Graph?")
            except (Refusal, GaveUp) as error:
                failure: Refusal | GaveUp = error
            else:
                receive(value)
                pages, entries = pages + 1, entries + len(value)
                counted = max(counted, body[COUNT]) if isinstance(body.get(COUNT), int) else counted
                following, link = body.get(NEXT), body.get(DELTA)
                if following:
                    broken = self._broken_link(str(following), seen)
                    url = str(following)
                    if not broken:
                        continue
                elif delta and not link:
                    broken = "broken off: the last page has neither a link to another page nor one to the next changes"
                elif entries < counted:
                    broken = f"Graph counted {counted} and sent {entries}"
                else:
                    broken = ""
                return Ending(pages=pages, entries=entries, broken=broken, link="" if broken else str(link or ""))
            if pages == 0:
                raise self.translated(failure)
            return Ending(pages=pages, entries=entries, broken=f"broken off after {pages} pages: {failure}")

    def _broken_link(self, link: str, seen: set[str]) -> str:
        """Why a link is not followed. The token goes wherever a link leads."""
        if not self.ours(link):
            return "the link to the next page leads to another server, and was not followed"
        return "the link to the next page leads back to a page that was read already" if link in seen else ""

    def ours(self, link: str) -> bool:
        """The link leads to Graph itself."""
        mine, its = urlsplit(self._settings.graph), urlsplit(link)
        return (mine.scheme, mine.netloc.lower()) == (its.scheme, its.netloc.lower())

    def translated(self, error: Refusal | GaveUp) -> DirectoryRefused | DirectoryUnreachable:
        """The error that leaves the reader."""
        if isinstance(error, GaveUp) or error.status >= 500:
            return DirectoryUnreachable(self.directory, str(error))
        return DirectoryRefused(self.directory, str(error))

    def together(self, first: Callable[[], A], second: Callable[[], B], third: Callable[[], C]) -> tuple[A, B, C]:
        """Several streams at once, each of which is a chain of pages. The first failure ends them all."""
        with ThreadPoolExecutor(max_workers=3, thread_name_prefix="entra") as threads:
            one, two, three = threads.submit(first), threads.submit(second), threads.submit(third)
            streams: tuple[Future[Any], ...] = (one, two, three)
            try:
                done = wait(streams, return_when=FIRST_EXCEPTION).done
                failures = [error for future in done if (error := future.exception()) is not None]
            except BaseException:
                self._calls.stop()
                raise
            if failures:
                self._calls.stop()
        # who was stopped because of another says nothing of its own
        failures.sort(key=lambda error: isinstance(error, Stopped))
        if failures:
            raise failures[0]
        return one.result(), two.result(), three.result()


def _refusal(status: int, body: object, need: Need) -> Refusal | Resync:
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, dict) else {}
    code, message = str(told.get("code") or ""), str(told.get("message") or "")
    if is_resync(status, code):
        return Resync(code)
    return Refusal(graph_refusal(status, code, message, need), status=status, code=code)
