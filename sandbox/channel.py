"""Our end of the channel to a guest: one request at a time, each with a deadline, every byte of a reply distrusted.

A channel lives in the event loop that opened it. It is lost for good when the stream ends, when a reply is late, and
when the other side says anything that the protocol does not allow.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.guest.frames import WINDOW, BadFrame, Frame, Unpacker, packed, pieces

REPLY_HEADER_BYTES = 64 << 10
"""The longest header that a guest may send."""
GRACE_S = 10.0
"""How much longer than a request may take its reply may be under way."""
LEASE_S = 30.0
"""How often an idle guest hears from us; it ends itself when it hears nothing for four times as long."""
STDERR_BYTES = 4096
"""Of what the guest program itself says before it dies."""

Split = Callable[[bytes], Iterable[tuple[int, bytes]]]
"""Cuts what a transport delivers into numbered streams: 1 is the guest's stdout, 2 its stderr."""


def whole(chunk: bytes) -> Iterable[tuple[int, bytes]]:
    """For a transport that carries stdout alone."""
    return ((1, chunk),)


class EngineStreams:
    """Cuts what an engine's attach delivers: number of the stream, three zeros, length (4 bytes, big-endian), body."""

    def __init__(self) -> None:
        self._head = b""
        self._stream, self._left = 0, 0

    def __call__(self, chunk: bytes) -> Iterable[tuple[int, bytes]]:
        at = 0
        while at < len(chunk):
            if self._left == 0:
                taken = chunk[at : at + 8 - len(self._head)]
                self._head, at = self._head + taken, at + len(taken)
                if len(self._head) == 8:
                    self._stream, self._left = self._head[0], int.from_bytes(self._head[4:], "big")
                    self._head = b""
                continue
            body = chunk[at : at + self._left]
            at, self._left = at + len(body), self._left - len(body)
            yield self._stream, body


@dataclass
class Pending:
    """A request whose reply is awaited."""

    id: int
    answer: asyncio.Future[Frame]
    unsent: list[memoryview]
    cap: int
    """Bytes that the reply may have."""
    parts: list[bytes] = field(default_factory=list)
    """Of the reply's body, joined when the last has come."""
    size: int = 0
    """Of these parts, bytes."""


class Channel(asyncio.Protocol):
    """Requests to one guest. Everything raises `SandboxLost` once the guest is lost."""

    def __init__(self, split: Split = whole) -> None:
        self.lost: SandboxLost | None = None
        self.streams: Callable[[Frame], None] = self._no_streams
        """Takes the frames of byte streams that the guest opened beside the requests; none are allowed by default."""
        self._split = split
        self._unpacker = Unpacker(REPLY_HEADER_BYTES)
        self._transport: asyncio.Transport | None = None
        self._turn = asyncio.Lock()
        self._pending: Pending | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._said = b""
        self._last = 0

    async def open(self, shipment: bytes, *, within_s: float) -> Mapping[str, Any]:
        """Sends the guest its program and returns what it says of itself. From here on its lease is renewed."""
        self._write(shipment)
        facts = (await self.request("ping", {}, within_s=within_s)).header
        self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return facts

    async def request(
        self, kind: str, fields: Mapping[str, Any], body: bytes = b"", *, within_s: float, cap: int = 0
    ) -> Frame:
        """The guest's last frame, with the whole body of its reply. Cancelled, it tells the guest to stop.

        Raises `SandboxLost`, also when there is no reply `GRACE_S` after `within_s`.
        """
        async with self._turn:
            await self._settled()
            if self.lost:
                raise self.lost
            return await self._asked(kind, fields, body, within_s + GRACE_S, cap)

    async def _asked(self, kind: str, fields: Mapping[str, Any], body: bytes, within_s: float, cap: int) -> Frame:
        self._last += 1
        first, *rest = pieces(body)
        pending = Pending(self._last, asyncio.get_running_loop().create_future(), rest, cap)
        message = packed({**fields, "id": pending.id, "kind": kind, "size": len(body)}, first)
        self._pending = pending
        self._write(message)
        for _ in range(WINDOW - 1):
            self._send_piece(pending)
        try:
            async with asyncio.timeout(within_s):
                frame = await pending.answer
        except TimeoutError:
            self.lose(f"no reply to {kind} within {within_s:.0f} s")
            raise cast(SandboxLost, self.lost) from None
        except asyncio.CancelledError:
            if not pending.answer.done() or pending.answer.cancelled():
                self._abandon(pending)
            raise
        return frame

    def _abandon(self, pending: Pending) -> None:
        """The reply is still to come; `_settled` waits for it before the next request."""
        pending.answer = asyncio.get_running_loop().create_future()
        pending.unsent.clear()
        self.send({"id": pending.id, "kind": "kill"})

    async def _settled(self) -> None:
        """Waits for the reply to an abandoned request."""
        if self._pending is None:
            return
        answer = self._pending.answer
        try:
            async with asyncio.timeout(GRACE_S):
                await asyncio.wait([answer])
        except TimeoutError:
            self.lose("a request that was cancelled did not end")

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """A frame that asks for no reply. Dropped when the guest is lost."""
        self._write(packed(header, body))

    def _write(self, message: bytes) -> None:
        if self._transport is not None and self.lost is None:
            self._transport.write(message)

    def _send_piece(self, pending: Pending) -> None:
        if pending.unsent:
            self._write(packed({"id": pending.id, "kind": "body"}, pending.unsent.pop(0)))

    async def _renew(self) -> None:
        """Only while idle: a guest with a command counts its lease from the command's end."""
        while self.lost is None:
            await asyncio.sleep(LEASE_S)
            if not self._turn.locked():
                with suppress(SandboxLost):
                    await self.request("ping", {}, within_s=0)

    async def close(self) -> None:
        """Ends the stream, and with it the guest."""
        self.lose("the sandbox was closed")
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])

    def lose(self, reason: str) -> None:
        """Only the first reason counts."""
        if self.lost is not None:
            return
        said = self._said.decode("utf-8", "replace").strip()
        self.lost = SandboxLost(f"{reason}; the guest said: {said}" if said else reason)
        if self._transport is not None:
            self._transport.abort()
        if self._pending is not None and not self._pending.answer.done():
            self._pending.answer.set_exception(self.lost)
            self._pending.answer.exception()  # read, in case nobody waits any more
        self._pending = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hear_last_words()
        self.lose(f"the guest ended{f' ({exc})' if exc else ''}")

    def _hear_last_words(self) -> None:
        """What came before a write failed still lies unread in the socket, and says why."""
        stream = self._transport.get_extra_info("socket") if self._transport is not None else None
        if stream is None or self.lost is not None:
            return
        with suppress(OSError):
            while self.lost is None and (data := os.read(stream.fileno(), STDERR_BYTES)):
                self.data_received(data)

    def data_received(self, data: bytes) -> None:
        try:
            for stream, chunk in self._split(data):
                if stream == 1:
                    for frame in self._unpacker.feed(chunk):
                        self._take(frame)
                else:
                    self._said = (self._said + chunk)[-STDERR_BYTES:]
        except BadFrame as error:
            self.lose(f"the guest broke the protocol: {error}")

    def _take(self, frame: Frame) -> None:
        request, kind = frame.header["id"], frame.header["kind"]
        if request < 0:
            self.streams(frame)
            return
        pending = self._pending
        if pending is None or request != pending.id:
            raise BadFrame(f"{kind!r} for request {request}, which is not asked")
        if pending.size + len(frame.body) > pending.cap:
            raise BadFrame(f"a reply of over {pending.cap} bytes")
        match kind:
            case "more":
                self._send_piece(pending)
            case "part":
                pending.parts.append(frame.body)
                pending.size += len(frame.body)
            case "done" | "refused" | "missing":
                self._pending = None
                if not pending.answer.done():
                    pending.answer.set_result(Frame(frame.header, b"".join([*pending.parts, frame.body])))
            case _:
                raise BadFrame(f"a frame of kind {kind!r}")

    def _no_streams(self, frame: Frame) -> None:
        raise BadFrame(f"a stream, {frame.header['id']}, that was not agreed on")
