"""Batches of one API: many calls in one ``multipart/mixed`` (Directory API: "Send batch requests")."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from tests.emulators.google.replies import Reply, bad_request

MOST = 1000

Answer = Callable[[str, str, Sequence[tuple[str, str]], Mapping[str, str]], Reply]


def answer(body: bytes, content_type: str, outer: Mapping[str, str], answer_one: Answer) -> tuple[bytes, str]:
    """The body and the content type of the answer to a batch. Raises a 400 for what is none."""
    whole = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not whole.is_multipart():
        raise bad_request("Failed to parse batch request, error: 0 items. Received batch body: (empty)", "badRequest")
    parts = [part for part in whole.get_payload() if isinstance(part, Message)]
    if len(parts) > MOST:
        raise bad_request(
            f"The batch request contains too many calls ({len(parts)}), the maximum is {MOST}.", "badRequest"
        )
    boundary = f"batch_{secrets.token_hex(12)}"
    pieces = [_piece(part, outer, answer_one) for part in parts]
    text = "".join(f"--{boundary}\r\n{piece}\r\n" for piece in pieces) + f"--{boundary}--\r\n"
    return text.encode(), f"multipart/mixed; boundary={boundary}"


def _piece(part: Message, outer: Mapping[str, str], answer_one: Answer) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    head, _, _ = payload.decode().replace("\r\n", "\n").partition("\n\n")
    lines = head.strip().split("\n")
    method, target, *_ = lines[0].split(" ")
    own = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    headers = {"authorization": outer.get("authorization", "")} | own
    url = urlsplit(target)
    reply = answer_one(method, url.path, parse_qsl(url.query, keep_blank_values=True), headers)
    inner = json.dumps(reply.body)
    content_id = str(part.get("Content-ID", "<item>"))
    own_id = "<response-" + content_id.lstrip("<")
    return (
        f"Content-Type: application/http\r\nContent-ID: {own_id}\r\n\r\n"
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(inner.encode())}\r\n\r\n{inner}\r\n"
    )
