"""Serves requests that come as frames on stdin, one at a time, and answers on stdout.

It ends with its stdin, also while a command runs, and when nothing was heard for `LEASE_S`: whoever asked is gone.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List

from outlay.sandbox.guest import files
from outlay.sandbox.guest.command import PIPE_BYTES, Command, Place, collect
from outlay.sandbox.guest.files import Refused
from outlay.sandbox.guest.frames import Frame, Unpacker, head, packed, pieces
from outlay.sandbox.guest.loop import READABLE, Loop
from outlay.sandbox.guest.tar import Caps

LEASE_S = 120.0
"""A guest that heard nothing for so long, while idle, ends."""


class Abandoned(Exception):
    """A request that is no longer wanted."""


class Server:
    """The loop, the requests, and the command that runs, if any."""

    def __init__(self, loop: Loop, place: Place) -> None:
        self.loop = loop
        self.place = place
        self.command: Command | None = None
        self.streams: Callable[[Frame], None] = lambda _frame: None
        """Takes the frames of byte streams beside the requests, those with ids below 0."""
        self._unpacker = Unpacker()
        self._inbox: List[Frame] = []
        self._heard = time.monotonic()

    def serve(self) -> None:
        """Does not return."""
        for descriptor in (0, 1):
            os.set_blocking(descriptor, False)
        children, signalled = os.pipe()
        os.set_blocking(children, False)
        os.set_blocking(signalled, False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
        self.loop.watch(children, READABLE, lambda: self._child_ended(children))
        self.loop.watch(0, READABLE, self._receive)
        while True:
            self._wait()
            while self._inbox:
                self._answer(self._inbox.pop(0))

    def send(self, header: Dict[str, Any], body: bytes | memoryview = b"") -> None:
        """Waits while the other side does not read, but no longer than the lease."""
        if len(body) <= PIPE_BYTES:
            self._write(packed(header, body))
        else:  # not copied behind its header
            self._write(head(header, len(body)))
            self._write(body)

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(1, left) :]
            except BlockingIOError:
                ready = select.poll()
                ready.register(1, select.POLLOUT)
                if not ready.poll(LEASE_S * 1000):
                    self._leave()
            except OSError:
                self._leave()

    def _wait(self) -> None:
        """Until something happened; ends an overdue command, and this process when its lease is over."""
        ends = self.command.deadline if self.command else self._heard + LEASE_S
        self.loop.turn(ends - time.monotonic())
        if self.command and time.monotonic() >= self.command.deadline and not self.command.ended:
            self.command.kill("deadline")
        if self.command and self.command.ended:
            self._heard = time.monotonic()
            self._reply(self.command.id, pieces(self.command.output()), self.command.result())
            self.command = None
        elif not self.command and time.monotonic() >= self._heard + LEASE_S:
            self._leave()

    def _leave(self) -> None:
        self.place.kill()
        os._exit(0)

    def _receive(self) -> None:
        try:
            chunk = os.read(0, PIPE_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self._leave()
        self._heard = time.monotonic()
        for frame in self._unpacker.feed(chunk):
            if frame.header["id"] < 0:
                self.streams(frame)  # at once: they must not stand between the pieces of a request
            else:
                self._inbox.append(frame)

    def _child_ended(self, children: int) -> None:
        os.read(children, 512)
        if self.command:
            self.command.reap()
        else:
            collect(lambda _pid, _status, _usage: None)

    def _answer(self, frame: Frame) -> None:
        request = frame.header["id"]
        if frame.header["kind"] in ("body", "kill"):
            self._continue(frame)
        else:
            try:
                self._begin(frame)
            except Abandoned:
                self.send({"id": request, "kind": "refused", "path": "", "reason": "it was abandoned"})
            except FileNotFoundError:
                self.send({"id": request, "kind": "missing"})
            except Refused as error:
                self.send({"id": request, "kind": "refused", "path": error.path, "reason": error.reason})
            except (OSError, MemoryError) as error:
                self.send({"id": request, "kind": "refused", "path": "", "reason": str(error) or "no memory is left"})

    def _continue(self, frame: Frame) -> None:
        """For the command that runs; what belongs to a request that is over is dropped."""
        if self.command is None or self.command.id != frame.header["id"] or self.command.ended:
            return
        if frame.header["kind"] == "kill":
            self.command.kill("unwanted")
        else:
            self.command.feed(frame.body)

    def _begin(self, frame: Frame) -> None:
        order, root = frame.header, self.place.root
        kind, request = order["kind"], order["id"]
        if kind == "exec":
            self._execute(frame)
        elif kind == "ping":
            self._reply(request, (), self.place.facts())
        elif kind == "read":
            self._reply(request, files.read_file(root, order["path"], order["cap"]))
        elif kind == "write":
            files.write_file(root, order["path"], self._body(frame))
            self._reply(request)
        elif kind == "manifest":
            self._reply(request, files.manifest(root))
        elif kind == "pack":
            from outlay.sandbox.guest import tree  # loaded by those who need it

            self._reply(request, tree.pack(root, Caps(*order["caps"])))
        elif kind == "unpack":
            from outlay.sandbox.guest import tree

            tree.unpack(root, self._body(frame), Caps(*order["caps"]))
            self._reply(request)

    def _execute(self, frame: Frame) -> None:
        """A command that cannot even be tried ends as in a shell: 127, and the reason on stderr."""
        order = frame.header
        request = order["id"]
        try:
            self.command = Command(self.loop, self.place, order, lambda: self.send({"id": request, "kind": "more"}))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            text = f"{''.join(order['argv'][:1])}: {reason}\n".encode("utf-8", "replace")
            failed = {"code": 127, "killed": None, "wall_s": 0.0, "cpu_s": 0.0, "dropped": 0, "oom": False}
            self._reply(request, [text], {**failed, "sizes": [0, len(text)]})
        else:
            self.command.feed(frame.body)

    def _body(self, frame: Frame) -> Iterator[bytes]:
        """The request's body in pieces, as they come."""
        request, left = frame.header["id"], frame.header["size"] - len(frame.body)
        yield frame.body
        while left > 0:
            while not self._inbox:
                self._wait()
            following = self._inbox.pop(0)
            if following.header["kind"] == "kill":
                raise Abandoned
            left -= len(following.body)
            self.send({"id": request, "kind": "more"})
            yield following.body

    def _reply(
        self, request: int, body: Iterable[bytes | memoryview] = (), fields: Dict[str, Any] | None = None
    ) -> None:
        last: bytes | memoryview = b""
        for piece in body:
            for part in pieces(piece):
                if last:
                    self.send({"id": request, "kind": "part"}, last)
                last = part
        self.send({**(fields or {}), "id": request, "kind": "done"}, last)
