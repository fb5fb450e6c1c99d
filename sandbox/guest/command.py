"""One running command: feeds its stdin, keeps the first bytes of its output, ends it and all that it started."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Callable, Dict, List, NamedTuple

from outlay.sandbox.guest.files import open_folder, parts_of
from outlay.sandbox.guest.loop import READABLE, WRITABLE, Loop
from outlay.sandbox.guest.program import Program, Start, Streams

PIPE_BYTES = 64 << 10
DRAIN_S = 1.0
"""How long the pipes of dead processes may take to end."""
SWEEP_S = 5.0
"""How long killed processes may take to go."""


class Place(NamedTuple):
    """Where commands run: what differs between a container and a confined process."""

    root: int
    """The workspace, an open folder."""
    start: Start
    """How commands begin: in a session of their own, as their user, within their limits."""
    kill: Callable[[], bool]
    """Sends SIGKILL to everything that commands started, without a fork. Returns whether anything was there."""
    oom_kills: Callable[[], int]
    """How many processes of this sandbox the kernel has killed for want of memory."""
    facts: Callable[[], Dict[str, Any]]
    """What a ping answers: the guest's own view of itself."""


class Unkillable(Exception):
    """Something was there `SWEEP_S` after SIGKILL."""


class Output:
    """The first `cap` bytes of one stream, and how many there were."""

    def __init__(self, descriptor: int, cap: int) -> None:
        self.descriptor, self.cap = descriptor, cap
        self.kept, self.total, self.ended = bytearray(), 0, False

    def read(self) -> None:
        chunk = os.read(self.descriptor, PIPE_BYTES)
        self.total += len(chunk)
        self.ended = not chunk
        if len(self.kept) < self.cap:
            self.kept += chunk[: self.cap - len(self.kept)]


class Input:
    """What a command is to read; pieces may come while it runs."""

    def __init__(self, loop: Loop, descriptor: int, size: int, consumed: Callable[[], None]) -> None:
        self._loop, self._descriptor, self._left, self._consumed = loop, descriptor, size, consumed
        self._pieces: List[memoryview] = []
        self._open = True
        os.set_blocking(descriptor, False)

    def add(self, piece: bytes) -> None:
        if self._open and piece:
            self._pieces.append(memoryview(piece))
            self._loop.watch(self._descriptor, WRITABLE, self._write)

    def close(self) -> None:
        if self._open:
            self._loop.forget(self._descriptor)
            os.close(self._descriptor)
            self._open = False

    def _write(self) -> None:
        try:
            written = os.write(self._descriptor, self._pieces[0][:PIPE_BYTES])
        except BlockingIOError:
            return
        except OSError:  # the command does not read, which is its own affair
            self.close()
            return
        self._left -= written
        self._pieces[0] = self._pieces[0][written:]
        if self._left == 0:
            self.close()
        elif not self._pieces[0]:
            self._pieces.pop(0)
            self._consumed()
            if not self._pieces:
                self._loop.forget(self._descriptor)


class Command:
    """From fork to reply. Raises `ValueError`, `OSError` or `Refused` when it cannot even be tried."""

    def __init__(self, loop: Loop, place: Place, order: Dict[str, Any], consumed: Callable[[], None]) -> None:
        self.id: int = order["id"]
        self.killed: str | None = None
        self.ended = False
        self._loop, self._place, self._flood = loop, place, order["flood"]
        self._ooms = place.oom_kills()
        self._status, self._wall_s, self._cpu_s, self._reaped = 0, 0.0, 0.0, False
        program = Program(order["argv"], order["env"])
        folder = open_folder(place.root, parts_of(order["cwd"]))
        try:
            self._start(program, folder, order, consumed)
        finally:
            os.close(folder)
        self.deadline = self._began + order["wall_s"]

    def _start(self, program: Program, folder: int, order: Dict[str, Any], consumed: Callable[[], None]) -> None:
        (stdin, feed), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        self._outputs = [Output(out, order["cap"]), Output(err, order["cap"])]
        self._input = Input(self._loop, feed, order["size"], consumed)
        self._began = time.monotonic()
        try:
            self._leader = self._begun(program, folder, (stdin, stdout, stderr))
        except OSError:
            self._close()
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)
        if order["size"] == 0:
            self._input.close()
        for output in self._outputs:
            self._loop.watch(output.descriptor, READABLE, self._reader(output))

    def _begun(self, program: Program, folder: int, streams: Streams) -> Callable[[], int]:
        """Tried again after a sweep: what an earlier command left may hold the last process that is allowed."""
        try:
            return self._place.start(program, folder, streams, self)
        except BlockingIOError:
            sweep(self._place, lambda _pid, _status, _usage: None)
            return self._place.start(program, folder, streams, self)

    def over(self, status: int, cpu_s: float) -> None:
        self._record(status, cpu_s)
        self._finish()

    def unwatched(self) -> None:
        """By its own doing. If it is not a child of ours, it was over before anybody could say how."""
        pid = self._leader()
        if pid == 0 or not _is_child(pid):
            self.over(signal.SIGKILL, 0.0)

    def feed(self, piece: bytes) -> None:
        self._input.add(piece)

    def _reader(self, output: Output) -> Callable[[], None]:
        return lambda: self._read(output)

    def _read(self, output: Output) -> None:
        output.read()
        if output.ended:
            self._loop.forget(output.descriptor)
        elif sum(each.total for each in self._outputs) > self._flood:
            self.kill("flood")

    def kill(self, reason: str) -> None:
        """Ends it; what it wrote so far counts."""
        self.killed = reason
        self._finish()

    def reap(self) -> None:
        """To be called when a child has ended: this one perhaps."""
        collect(self._note)
        if self._reaped and not self.ended:
            self._finish()

    def _note(self, pid: int, status: int, usage: Any) -> None:
        if pid == self._leader():
            self._record(status, usage.ru_utime + usage.ru_stime)

    def _record(self, status: int, cpu_s: float) -> None:
        self._reaped = True
        self._wall_s = time.monotonic() - self._began
        self._status, self._cpu_s = status, cpu_s

    def _finish(self) -> None:
        sweep(self._place, self._note)
        if not self._reaped:
            self._wall_s = time.monotonic() - self._began
        until = time.monotonic() + DRAIN_S
        for output in self._outputs:
            os.set_blocking(output.descriptor, False)
            while not output.ended and time.monotonic() < until:
                try:
                    output.read()
                except BlockingIOError:
                    time.sleep(0.001)
        self._close()
        self.ended = True

    def _close(self) -> None:
        self._input.close()
        for output in self._outputs:
            self._loop.forget(output.descriptor)
            os.close(output.descriptor)

    def result(self) -> Dict[str, Any]:
        """The reply's fields; `sizes` are the lengths of stdout and stderr in `output`."""
        code = os.WEXITSTATUS(self._status)
        if os.WIFSIGNALED(self._status):
            code = 128 + os.WTERMSIG(self._status)  # as a shell counts it
        return {
            "code": None if self.killed else code,
            "killed": self.killed,
            "wall_s": self._wall_s,
            "cpu_s": self._cpu_s,
            "dropped": sum(each.total - len(each.kept) for each in self._outputs),
            "oom": self._place.oom_kills() > self._ooms,
            "sizes": [len(each.kept) for each in self._outputs],
        }

    def output(self) -> bytes:
        return b"".join(each.kept for each in self._outputs)


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def collect(note: Callable[[int, int, Any], None]) -> None:
    """Takes leave of every child that has ended: process, status, resource usage."""
    try:
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            note(pid, status, usage)
    except ChildProcessError:
        return


def sweep(place: Place, note: Callable[[int, int, Any], None]) -> None:
    """Kills until nothing is left that could be killed. Raises `Unkillable`."""
    until, pause_s = time.monotonic() + SWEEP_S, 0.0005
    while True:
        collect(note)
        if not place.kill():
            return
        if time.monotonic() > until:
            raise Unkillable
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.02)


def kill_all_others() -> bool:
    """In a namespace of its own: reaches everything there but the first process and this one, without a fork."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
