"""Carries connections from a port on the sandbox's own loopback through the channel; where they lead is not known here.

A connection is a byte stream with a negative id. Each side sends `data` (at most `WINDOW` pieces ahead of the other's
`more`), `end` when it will send nothing further, and `close` to give the stream up. We begin one with `open`.
"""

from __future__ import annotations

import socket
from typing import Dict, List

from outlay.sandbox.guest.frames import WINDOW, Frame
from outlay.sandbox.guest.loop import READABLE, WRITABLE
from outlay.sandbox.guest.server import Server

PIECE_BYTES = 64 << 10
MOST = 64
"""Connections at a time; further ones are closed at once."""


class Tunnel:
    """Listens, and keeps the connections that are open."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self._listener = socket.create_server(("127.0.0.1", port), backlog=MOST)
        self._listener.setblocking(False)
        self._connections: Dict[int, Connection] = {}
        self._last = 0
        server.streams = self._take
        server.loop.watch(self._listener.fileno(), READABLE, self._accept)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= MOST:
            accepted.close()
            return
        self._last -= 1
        self._connections[self._last] = Connection(self, self._last, accepted)
        self.send(self._last, "open")
        self._connections[self._last].pump()

    def _take(self, frame: Frame) -> None:
        """What is said of a connection that is gone already is dropped."""
        connection = self._connections.get(frame.header["id"])
        if connection is not None:
            connection.take(frame.header["kind"], frame.body)

    def send(self, number: int, kind: str, body: bytes = b"") -> None:
        self.server.send({"id": number, "kind": kind}, body)

    def forget(self, number: int) -> None:
        self._connections.pop(number, None)


class Connection:
    """One accepted connection."""

    def __init__(self, tunnel: Tunnel, number: int, accepted: socket.socket) -> None:
        self._tunnel, self._number, self._socket = tunnel, number, accepted
        self._socket.setblocking(False)
        self._credit = WINDOW
        self._unsent: List[memoryview] = []
        self._ended_here = self._ended_there = self._closed = False

    def take(self, kind: str, body: bytes) -> None:
        if kind == "data":
            self._unsent.append(memoryview(body))
        elif kind == "more":
            self._credit += 1
        elif kind == "end":
            self._ended_there = True
        else:
            self._close()
        self.pump()

    def pump(self) -> None:
        """Moves what can be moved now, and asks to be called again for the rest."""
        try:
            self._write()
            self._read()
        except BlockingIOError:
            pass
        except OSError:
            self._give_up()
        if self._ended_here and self._ended_there and not self._unsent:
            self._close()
        self._watch()

    def _read(self) -> None:
        if self._closed or self._ended_here or not self._credit:
            return
        chunk = self._socket.recv(PIECE_BYTES)
        self._credit -= 1
        self._ended_here = not chunk
        self._tunnel.send(self._number, "data" if chunk else "end", chunk)

    def _write(self) -> None:
        while self._unsent and not self._closed:
            try:
                sent = self._socket.send(self._unsent[0])
            except BlockingIOError:
                return
            self._unsent[0] = self._unsent[0][sent:]
            if not self._unsent[0]:
                self._unsent.pop(0)
                self._tunnel.send(self._number, "more")
        if self._ended_there and not self._closed and not self._ended_here:
            self._socket.shutdown(socket.SHUT_WR)

    def _watch(self) -> None:
        wanted = (READABLE if self._credit and not self._ended_here else 0) | (WRITABLE if self._unsent else 0)
        if self._closed:
            return
        if wanted:
            self._tunnel.server.loop.watch(self._socket.fileno(), wanted, self.pump)
        else:
            self._tunnel.server.loop.forget(self._socket.fileno())

    def _give_up(self) -> None:
        self._tunnel.send(self._number, "close")
        self._close()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._tunnel.server.loop.forget(self._socket.fileno())
        self._socket.close()
        self._tunnel.forget(self._number)
