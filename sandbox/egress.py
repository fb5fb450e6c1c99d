"""The way out of a sandbox, where a task allows one: an HTTP proxy at our end of the channel.

The sandbox has no network at all. Its commands find a proxy on their own loopback (`PORT`); the guest carries the
bytes, and here it is decided, connected and recorded. Only the listed `host:port` pairs are reached; a name that
resolves to an address of this machine or its network is refused, unless the list names that address itself.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from outlay.sandbox.channel import Channel
from outlay.sandbox.guest.frames import WINDOW, Frame
from outlay.sandbox.guest.tunnel import MOST, PIECE_BYTES
from outlay.sandbox.types import Connection

PORT = 3128
ENVIRONMENT: Mapping[str, str] = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), f"http://127.0.0.1:{PORT}"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1"),
}
HEAD_BYTES = 16 << 10
HEAD_S, CONNECT_S, IDLE_S = 20.0, 20.0, 120.0
"""How long a request may take to be told, a connection to be made, a connection to be silent."""


class Refused(Exception):
    """A connection that is not made; the message is for the agent."""


@dataclass(eq=False)
class Pipe:
    """One connection from inside, as bytes."""

    channel: Channel
    number: int
    arrived: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(WINDOW + 1))
    credit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WINDOW))
    ended: bool = False

    async def read(self) -> bytes:
        """The next piece; empty at the end. Raises `TimeoutError` when nothing came for `IDLE_S`."""
        async with asyncio.timeout(IDLE_S):
            piece = await self.arrived.get()
        if piece:
            self.send("more")
        return piece

    async def write(self, body: bytes) -> None:
        for at in range(0, len(body), PIECE_BYTES):
            async with asyncio.timeout(IDLE_S):
                await self.credit.acquire()
            self.send("data", body[at : at + PIECE_BYTES])

    def end(self) -> None:
        """Nothing more will be written."""
        if not self.ended:
            self.ended = True
            self.send("end")

    def send(self, kind: str, body: bytes = b"") -> None:
        self.channel.send({"id": self.number, "kind": kind}, body)


@dataclass(eq=False)
class Tally:
    """Bytes that went each way so far."""

    sent: int = 0
    received: int = 0


@dataclass(eq=False)
class Egress:
    """All connections of one sandbox."""

    channel: Channel
    allowed: frozenset[str]
    connections: list[Connection] = field(default_factory=list)
    """Those that ended, or were refused, in that order."""
    _pipes: dict[int, Pipe] = field(default_factory=dict)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def take(self, frame: Frame) -> None:
        """For `Channel.streams`: whatever the guest says of its connections. It may be lying."""
        number, kind = frame.header["id"], frame.header["kind"]
        pipe = self._pipes.get(number)
        if kind == "open" and pipe is None and len(self._pipes) < MOST:
            self._open(number)
        elif pipe is not None and kind == "more":
            pipe.credit.release()
        elif pipe is not None and kind in ("data", "end", "close"):
            try:
                pipe.arrived.put_nowait(frame.body if kind == "data" else b"")
            except asyncio.QueueFull:
                self.channel.lose("the guest sent more than it may")

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def _open(self, number: int) -> None:
        pipe = self._pipes[number] = Pipe(self.channel, number)
        task = asyncio.create_task(self._serve(pipe))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, pipe: Pipe) -> None:
        began = time.monotonic()
        record = Connection(host="", port=0, allowed=False)
        tally = Tally()
        try:
            async with asyncio.timeout(HEAD_S):
                target = await _target(pipe)
            record = replace(record, host=target.host, port=target.port)
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await self._connected(target)
            record = replace(record, allowed=True)
            await _relayed(pipe, target, reader, writer, tally)
        except Refused as error:
            record = replace(record, failure=str(error))
            await _tell(pipe, str(error))
        except (OSError, TimeoutError) as error:
            record = replace(record, failure=f"{type(error).__name__}: {error}")
        finally:
            pipe.end()
            del self._pipes[pipe.number]
            seconds = time.monotonic() - began
            record = replace(record, sent_bytes=tally.sent, received_bytes=tally.received, seconds=seconds)
            self.connections.append(record)

    async def _connected(self, target: "_Target") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        named = f"{target.host}:{target.port}"
        if named not in self.allowed:
            raise Refused(f"{named} is not among what this task may reach: {', '.join(sorted(self.allowed))}")
        address = await _address(target.host, target.port)
        return await asyncio.open_connection(address, target.port)


@dataclass(frozen=True)
class _Target:
    """What a request to a proxy asks for."""

    host: str
    port: int
    tunnels: bool
    first: bytes
    """What goes to the other side before anything else."""


async def _target(pipe: Pipe) -> _Target:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await pipe.read()
        head += piece
        if not piece or len(head) > HEAD_BYTES + PIECE_BYTES:
            raise Refused("this is no request to an HTTP proxy")
    lines, _, rest = head.partition(b"\r\n\r\n")
    first, *fields = lines.decode("latin-1").split("\r\n")
    try:
        method, url, version = first.split(" ")
        parts = urlsplit(f"//{url}" if method == "CONNECT" else url)
        host, port = parts.hostname, parts.port or (80 if parts.scheme == "http" else None)
    except ValueError:
        raise Refused("this is no request to an HTTP proxy") from None
    if not host or not port or not version.startswith("HTTP/1."):
        raise Refused("write CONNECT host:port, or a method with an absolute http:// address")
    if method == "CONNECT":
        return _Target(host, port, True, rest)
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    kept = [line for line in fields if not line.lower().startswith(("proxy-", "connection:"))]
    request = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close"])
    return _Target(host, port, False, request.encode("latin-1") + b"\r\n\r\n" + rest)


async def _address(host: str, port: int) -> str:
    """Where to connect. Raises `Refused` for a name that leads to this machine or its network."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(host))  # listed as it is
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Refused(f"{host} has no address ({error})") from error
    addresses = [str(entry[4][0]) for entry in found]
    if host != "localhost" and not all(ipaddress.ip_address(address).is_global for address in addresses):
        raise Refused(f"{host} leads to an address that is not public")
    return addresses[0]


async def _tell(pipe: Pipe, reason: str) -> None:
    body = f"{reason}\n".encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with suppress(TimeoutError):
        await pipe.write(head.encode() + body)


async def _relayed(
    pipe: Pipe, target: _Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tally: Tally
) -> None:
    """Until the other side is done; what this side still had to say then is of no use to anybody."""

    async def up() -> None:
        while piece := await pipe.read():
            writer.write(piece)
            tally.sent += len(piece)
            await writer.drain()
        writer.write_eof()

    writer.write(target.first)
    tally.sent += len(target.first)
    going_up = asyncio.ensure_future(up())
    try:
        if target.tunnels:
            await pipe.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while piece := await reader.read(PIECE_BYTES):
            tally.received += len(piece)
            await pipe.write(piece)
    finally:
        going_up.cancel()
        await asyncio.wait([going_up])
        writer.close()
