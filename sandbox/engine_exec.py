"""One command through the engine's exec API: its streams, capped at our side, and how it ended."""

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

from outlay.sandbox import channel, engine
from outlay.sandbox.channel import EngineStreams
from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.main_shell import MainShell
from outlay.sandbox.threads import callers, in_thread

DRAIN_S = 1.0
"""How long the streams of dead processes may take to end."""
POLL_S = 0.005
"""How soon the engine is asked again how a command ended whose streams have."""


@dataclass(frozen=True)
class Order:
    """What is to run, and how much of it is wanted."""

    argv: Sequence[str]
    wall_s: float
    cap: int
    """Bytes kept per stream."""
    flood: int
    """Bytes over both streams at which it is ended."""
    stdin: bytes = b""
    folder: str = ""
    """Where it starts, below the workspace."""


@dataclass(frozen=True)
class Ended:
    """How it went."""

    exit_code: int | None
    """None when we ended it."""
    killed: Literal["deadline", "flood"] | None
    stdout: bytes
    stderr: bytes
    total_bytes: int
    """Over both streams, kept or not."""
    wall_s: float
    out_of_memory: bool


class Streams(asyncio.Protocol):
    """Keeps the first bytes of each of them."""

    def __init__(self, order: Order) -> None:
        self.kept = {1: bytearray(), 2: bytearray()}
        self.total = 0
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.flooded: asyncio.Future[None] = loop.create_future()
        self._order = order
        self._split = EngineStreams()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        if self._order.stdin:
            stream.write(self._order.stdin)
            stream.write_eof()

    def data_received(self, data: bytes) -> None:
        for stream, chunk in self._split(data):
            kept = self.kept.setdefault(stream, bytearray())
            kept += chunk[: max(0, self._order.cap - len(kept))]
            self.total += len(chunk)
        if self.total > self._order.flood and not self.flooded.done():
            self.flooded.set_result(None)

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def run(container: Any, uid: int, main: MainShell, order: Order) -> Ended:
    """From begin to end, with everything it started. Raises `SandboxLost`; cancelled, the command is to be swept."""
    begun, stream = await _begun(container, uid, main, order)
    began, ooms = time.monotonic(), main.oom_kills
    transport, streams = await asyncio.get_running_loop().create_connection(lambda: Streams(order), sock=stream)
    try:
        await _first(order.wall_s, streams.ended, streams.flooded, main.ended)
        wall_s = time.monotonic() - began
        if main.lost:
            raise main.lost
        killed: Literal["deadline", "flood"] | None = None
        if not streams.ended.done() or streams.flooded.done():
            killed = "flood" if streams.flooded.done() else "deadline"
        code = None if killed else await _exit_code(container, begun, main)
        await main.sweep()
        await _first(DRAIN_S, streams.ended)
    finally:
        transport.abort()
    out, err = bytes(streams.kept[1]), bytes(streams.kept[2])
    return Ended(code, killed, out, err, streams.total, wall_s, main.oom_kills > ooms)


async def _first(within_s: float, *events: "asyncio.Future[None]") -> None:
    await asyncio.wait(events, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)


async def _begun(container: Any, uid: int, main: MainShell, order: Order) -> tuple[str, socket.socket]:
    """Cancelled, it waits for the engine nevertheless, so that the command can be swept."""
    begin = partial(engine.executed, container, list(order.argv), uid, folder=order.folder, reads=bool(order.stdin))
    beginning = asyncio.ensure_future(in_thread(callers(), begin))
    try:
        async with asyncio.timeout(order.wall_s + channel.GRACE_S):
            return await asyncio.shield(beginning)
    except TimeoutError:
        beginning.add_done_callback(_discard)
        main.lose(f"no command could be begun within {order.wall_s + channel.GRACE_S:.0f} s")
        raise cast(SandboxLost, main.lost) from None
    except asyncio.CancelledError:
        beginning.add_done_callback(_discard)
        await asyncio.wait([beginning], timeout=channel.GRACE_S)
        raise


def _discard(beginning: "asyncio.Future[tuple[str, socket.socket]]") -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        beginning.result()[1].close()


async def _exit_code(container: Any, begun: str, main: MainShell) -> int:
    """The engine may take a moment to notice."""
    try:
        async with asyncio.timeout(channel.GRACE_S):
            while (code := await in_thread(callers(), lambda: engine.exit_code(container, begun))) is None:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            return code
    except TimeoutError:
        main.lose("the engine does not say how a command ended")
        raise cast(SandboxLost, main.lost) from None
