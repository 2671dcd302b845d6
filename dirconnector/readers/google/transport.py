"""The vendor's client library on our HTTP: TLS and proxy are the config's, whatever the process inherited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httplib2

from dirconnector.http import Http


class Transport:
    """What googleapiclient and google-auth need of an ``httplib2.Http``. Not for more than one thread."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.redirect_codes: frozenset[int] = frozenset()

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_options: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Send one request, once. Raises :class:`~dirconnector.http.NoAnswer`."""
        sent = body.encode() if isinstance(body, str) else body
        answer = self._http.send(method, uri, headers=headers or {}, body=sent)
        return httplib2.Response({"status": answer.status, **answer.headers}), answer.body

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
