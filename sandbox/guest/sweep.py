"""Ends everything that commands left running, however it hid, and nothing else. What `Place.kill` is to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

from outlay.sandbox.guest.command import kill_all_others
from outlay.sandbox.guest.launch import Launch

MOVING = {"R", "S"}
"""States of processes that may yet fork. One in D waits for its vfork, or for a disk."""
PASSES = 100
"""Of stopping what still moves; a bomb of a few hundred processes stands still after fewer than ten."""


def killer(launch: Launch) -> Callable[[], bool]:
    """What sends SIGKILL to all of it and returns whether anything was there. To be called until nothing is."""
    if "pid" in launch.namespaces:
        return kill_all_others
    if (uid := launch.confinement.uid) is not None:
        return lambda: _kill_all_of(uid)
    return _kill_descendants


def _kill_all_of(uid: int) -> bool:
    """By a child that becomes that user: as root, the same call would end the machine."""
    if not _has_children():
        return False
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(uid, uid, uid)
            kill_all_others()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return True


def _kill_descendants() -> bool:
    """As their subreaper we inherit all that lose their parent. Nothing is killed before all stand still: each that
    is gone would make room for a fork bomb's next, and the bomb has more of the processors than we.
    """
    if not _has_children():
        return False
    found = _below(os.getpid())
    for _ in range(PASSES):
        if MOVING.isdisjoint(found.values()):
            break
        _signal(found, signal.SIGSTOP)
        found = _below(os.getpid())
    _signal(found, signal.SIGKILL)
    return bool(found)


def _signal(pids: Iterable[int], ending: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, ending)


def _has_children() -> bool:
    """Without any, nothing is left: as subreaper we become the parent of all that lose theirs."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _below(root: int) -> dict[int, str]:
    """Living descendants and their states, by what each process says of its parent."""
    parents: dict[int, int] = {}
    states: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError), open(f"/proc/{name}/stat") as stat:
                state, parent = stat.read().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(name)], states[int(name)] = int(parent), state
    found, fresh = set[int](), {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return {pid: states[pid] for pid in found}
