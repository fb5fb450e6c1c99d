"""Starts a container's commands from a process that is already their user, and need not be copied for each of them.

It dies by the first command that kills all it can, being of its user. Its orphans then become the guest's children,
and the next command gets another. What a command changed in it would last (priority, processors, limits): then, and
when a command left anything running, it reports so, and is swept away with the rest.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import socket
import struct
from contextlib import suppress
from typing import Any, Callable, List, Tuple

from outlay.sandbox.guest.command import kill_all_others
from outlay.sandbox.guest.kernel import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl
from outlay.sandbox.guest.loop import READABLE, Loop
from outlay.sandbox.guest.program import Program, Streams, Watcher

REPORT = struct.Struct("=qq?")
"""Of a command that is over: wait status; processor time, microseconds; whether all is as before it."""
NUMBER = struct.Struct("=q")
LENGTH = struct.Struct("=I")
DESCRIPTORS = 4
"""Sent with an order: the folder, and the three streams."""
MOST_OPEN = 1024
"""The guest has far fewer descriptors."""
LIMITS = 16
"""Resources that Linux can limit per process (`RLIM_NLIMITS`)."""


class Spawner:
    """The guest's end. The process is there from the first command on."""

    def __init__(self, loop: Loop, fork: Callable[[], int], enter: Callable[[], None]) -> None:
        self._loop, self._fork, self._enter = loop, fork, enter
        self._stream: socket.socket | None = None
        self._pid = 0
        self._leader = mmap.mmap(-1, NUMBER.size)
        """Where the process notes its command's id: in memory that both have, so that nobody must wake up for it."""
        self._heard = b""
        self._watcher: Watcher | None = None
        self._clean = True

    def start(self, program: Program, folder: int, streams: Streams, watcher: Watcher) -> Callable[[], int]:
        """As `program.Start`."""
        body = json.dumps(program.asked).encode("ascii")
        order, descriptors = LENGTH.pack(len(body)) + body, [folder, *streams]
        NUMBER.pack_into(self._leader, 0, 0)
        try:
            self._give(order, descriptors)
        except (BrokenPipeError, ConnectionResetError):  # it died while it had nothing to do
            self._forget()
            self._give(order, descriptors)
        self._watcher, self._clean = watcher, False
        return self._noted

    def kill(self) -> bool:
        """As `Place.kill`."""
        if self._clean:
            return False
        self._forget()
        return kill_all_others()

    def _noted(self) -> int:
        return int(NUMBER.unpack(self._leader)[0])

    def _give(self, order: bytes, descriptors: List[int]) -> None:
        stream = self._stream or self._begun()
        sent = socket.send_fds(stream, [order], descriptors)
        stream.sendall(memoryview(order)[sent:])

    def _begun(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._pid = self._fork()
            except OSError:
                ours.close()
                raise
            if self._pid == 0:
                serve(theirs, self._leader, self._enter)
        self._stream = ours
        self._loop.watch(ours.fileno(), READABLE, lambda: self._hear(ours))
        return ours

    def _hear(self, stream: socket.socket) -> None:
        try:
            heard = stream.recv(REPORT.size)
        except ConnectionResetError:
            heard = b""
        if not heard:
            self._mourn()
        self._heard += heard
        if len(self._heard) == REPORT.size and self._watcher is not None:
            status, cpu_us, clean = REPORT.unpack(self._heard)
            watcher, self._watcher, self._clean, self._heard = self._watcher, None, clean, b""
            watcher.over(status, cpu_us / 1e6)

    def _mourn(self) -> None:
        """Only when it is gone for good are its orphans ours."""
        watcher = self._watcher
        self._forget()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        if watcher is not None:
            watcher.unwatched()

    def _forget(self) -> None:
        if self._stream is not None:
            self._loop.forget(self._stream.fileno())
            self._stream.close()
        self._stream, self._watcher, self._heard = None, None, b""


def serve(stream: socket.socket, note: mmap.mmap, enter: Callable[[], None]) -> None:
    """In the new process; does not return. `enter` makes it the commands' user."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1):
            os.dup2(null, descriptor)
        os.closerange(3, stream.fileno())
        os.closerange(stream.fileno() + 1, MOST_OPEN)
        enter()
        prctl(PR_SET_DUMPABLE, 0)  # the user's other processes shall not look into this one
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        unspoilt = _state()
        while True:
            program, descriptors = _received(stream)
            status, cpu_us = _run(program, descriptors, note)
            clean = _nothing_left() and _state() == unspoilt
            stream.sendall(REPORT.pack(status, cpu_us, clean))
    finally:
        os._exit(1)


def _received(stream: socket.socket) -> Tuple[Program, List[int]]:
    """Raises `EOFError` when the guest wants no more."""
    order, descriptors, _, _ = socket.recv_fds(stream, 1 << 16, DESCRIPTORS)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    while len(order) < LENGTH.size or len(order) < LENGTH.size + LENGTH.unpack_from(order)[0]:
        more = stream.recv(1 << 20)
        if not more:
            raise EOFError
        order += more
    return Program(*json.loads(order[LENGTH.size :])), descriptors


def _run(program: Program, descriptors: List[int], note: mmap.mmap) -> Tuple[int, int]:
    """Its wait status, and the processor time, microseconds, of it and all it waited for."""
    folder, *streams = descriptors
    stdin, stdout, stderr = streams
    try:
        leader = program.spawn(folder, (stdin, stdout, stderr))
    except (OSError, ValueError) as error:
        program.complain(error, stderr)
        return 127 << 8, 0
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    NUMBER.pack_into(note, 0, leader)
    while True:
        pid, status, usage = os.wait4(-1, 0)
        if pid == leader:
            return status, round(1e6 * (usage.ru_utime + usage.ru_stime))


def _nothing_left() -> bool:
    """All that a command leaves becomes our child, whatever it did to hide."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _state() -> Tuple[Any, ...]:
    """What others of the same user can change in this process, and its children would inherit."""
    limits = [resource.getrlimit(kind) for kind in range(LIMITS)]
    scheduling = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)
    return (*scheduling, *limits)
