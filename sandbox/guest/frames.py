"""The framed channel between us and a guest: what both sides must agree on.

A frame is two lengths (4 bytes each, big-endian), a JSON object of the first and a body of the second. Every object has
`id` and `kind`. We number requests from 1 up, one at a time:

    ours      ping · exec · read · write · manifest · pack · unpack    with `size`, the bytes of the whole body
              body                                                     the next piece of the request's body
              kill                                                     the request is no longer wanted
    theirs    more                                                     one more piece of the body may be sent
              part                                                     a piece of the reply's body
              done · refused · missing                                 the end of the request, with the last piece

A body over `CHUNK` is cut, and `WINDOW` pieces may be under way; a piece of a reply needs no leave. Ids below 0 belong
to byte streams that run beside the requests.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

CHUNK = 1 << 20
"""The longest body of one frame."""
WINDOW = 4
"""Pieces of a request's body that may be sent before the first `more`."""
HEADER_BYTES = 4 << 20
"""The longest header: arguments and environment of a command stand in it."""
PREFIX_BYTES = 8


class BadFrame(Exception):
    """The other side does not speak this protocol."""


class Frame(NamedTuple):
    """One message."""

    header: dict[str, Any]
    body: bytes


def packed(header: dict[str, Any], body: bytes | memoryview = b"") -> bytes:
    """The frame's bytes. Raises `BadFrame` when the header is too long."""
    return b"".join((head(header, len(body)), body))


def head(header: dict[str, Any], body_bytes: int) -> bytes:
    """What stands before a body of that size. Raises `BadFrame` when the header is too long."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    if len(text) > HEADER_BYTES:
        raise BadFrame(f"a header of {len(text)} bytes")
    return b"".join((len(text).to_bytes(4, "big"), body_bytes.to_bytes(4, "big"), text))


def pieces(body: bytes | memoryview) -> list[memoryview]:
    """The body in parts of at most `CHUNK`; one empty part when it is empty."""
    view = memoryview(body)
    return [view[at : at + CHUNK] for at in range(0, len(body), CHUNK)] or [view]


class Unpacker:
    """Cuts a stream of bytes into frames."""

    def __init__(self, header_bytes: int = HEADER_BYTES) -> None:
        self._header_bytes = header_bytes
        self._buffer = bytearray()
        self._wanted = PREFIX_BYTES

    def feed(self, chunk: bytes | memoryview) -> list[Frame]:
        """The frames that `chunk` completed. Raises `BadFrame`."""
        self._buffer += chunk
        found = []
        while len(self._buffer) >= self._wanted:
            head, body = self._lengths()
            self._wanted = PREFIX_BYTES + head + body
            if len(self._buffer) < self._wanted:
                break
            with memoryview(self._buffer) as view:
                text, rest = (
                    bytes(view[PREFIX_BYTES : PREFIX_BYTES + head]),
                    bytes(view[PREFIX_BYTES + head : self._wanted]),
                )
            del self._buffer[: self._wanted]
            self._wanted = PREFIX_BYTES
            found.append(Frame(_header(text), rest))
        return found

    def _lengths(self) -> tuple[int, int]:
        head, body = int.from_bytes(self._buffer[:4], "big"), int.from_bytes(self._buffer[4:8], "big")
        if head > self._header_bytes or body > CHUNK:
            raise BadFrame(f"a frame of {head} and {body} bytes")
        return head, body


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"a header that is not JSON: {error}") from error
    if not isinstance(header, dict) or type(header.get("id")) is not int or type(header.get("kind")) is not str:
        raise BadFrame("a header without id and kind")
    return header
