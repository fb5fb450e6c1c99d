"""Our end of the main process of a container without a guest: a shell that ends commands, and ends with its stdin."""

import asyncio
from typing import Any, cast

from outlay.sandbox import channel
from outlay.sandbox.channel import STDERR_BYTES, EngineStreams
from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.shell_scripts import MAIN, TOOLS

LINE_BYTES = 4096
"""The longest line that it says."""


def command() -> list[str]:
    """What starts it."""
    return ["sh", "-c", MAIN, "sh", *TOOLS]


class MainShell(asyncio.Protocol):
    """One line out, one line back. Everything raises `SandboxLost` once it is lost."""

    def __init__(self) -> None:
        self.lost: SandboxLost | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is lost."""
        self.oom_kills = 0
        """How many processes of the container the kernel has killed for want of memory, as of the last sweep."""
        self._split = EngineStreams()
        self._transport: asyncio.Transport | None = None
        self._line: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._heard, self._said = b"", b""

    async def open(self, *, within_s: float) -> frozenset[str]:
        """Which of `TOOLS` the image lacks."""
        return frozenset((await self._next_line(within_s)).decode("ascii", "replace").split())

    async def sweep(self) -> None:
        """Returns when every command and all that it left is gone."""
        if self._transport is not None and self.lost is None:
            self._transport.write(b"\n")
        counted = await self._next_line(channel.GRACE_S)
        if not counted.isdigit():
            self.lose(f"the main process said {counted[:100]!r}")
            raise cast(SandboxLost, self.lost)
        self.oom_kills = int(counted)

    async def _next_line(self, within_s: float) -> bytes:
        try:
            async with asyncio.timeout(within_s):
                events: list[asyncio.Future[Any]] = [self._line, self.ended]
                await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            self.lose(f"the main process said nothing for {within_s:.0f} s")
        if self.lost:
            raise self.lost
        line, self._line = self._line.result(), asyncio.get_running_loop().create_future()
        return line

    def lose(self, reason: str) -> None:
        """Only the first reason counts."""
        if self.lost is not None:
            return
        said = self._said.decode("utf-8", "replace").strip()
        self.lost = SandboxLost(f"{reason}; it said: {said}" if said else reason)
        if self._transport is not None:
            self._transport.abort()
        if not self.ended.done():
            self.ended.set_result(None)

    async def close(self) -> None:
        """Ends the stream, and with it the container."""
        self.lose("the sandbox was closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(f"the main process ended{f' ({exc})' if exc else ''}")

    def data_received(self, data: bytes) -> None:
        for stream, chunk in self._split(data):
            if stream == 1:
                self._heard += chunk
            else:
                self._said = (self._said + chunk)[-STDERR_BYTES:]
        line, newline, rest = self._heard.partition(b"\n")
        if len(self._heard) > LINE_BYTES or (newline and self._line.done()):
            self.lose("the main process says more than it was asked")
        elif newline:
            self._heard = rest
            self._line.set_result(line)
