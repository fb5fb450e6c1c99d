"""Namespaces of one's own: network, processes, queues and mounts that no other sandbox sees."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
from collections.abc import Sequence

from outlay.sandbox.guest.kernel import call, prctl, unshare
from outlay.sandbox.guest.syscalls import here

_FLAGS = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
WITHOUT_USER = ("mount", "uts", "ipc", "pid", "net")
"""For who may make them, which is root as a rule."""
WITH_USER = ("user", *WITHOUT_USER)
"""For anybody, where the system lets everybody have user namespaces."""
HOSTNAME = b"sandbox"
_PR_SET_PDEATHSIG = 1


def possible() -> tuple[str, ...]:
    """Which names `isolate` would not refuse here: all but `user`, or all, or none. Tried in children."""
    return next((names for names in (WITHOUT_USER, WITH_USER) if _succeeds(names)), ())


def isolate(names: Sequence[str]) -> None:
    """Moves this process into new namespaces; into a new `pid` one come only its next children. Raises `OSError`.

    In a new `user` namespace it stays the user it was. In a new `net` namespace only the loopback is up.
    """
    uid, gid = os.geteuid(), os.getegid()
    if "user" in names:
        unshare(_FLAGS["user"])
        _tell("setgroups", "deny")
        _tell("uid_map", f"{uid} {uid} 1")
        _tell("gid_map", f"{gid} {gid} 1")
    rest = [_FLAGS[name] for name in names if name != "user"]
    if rest:
        unshare(sum(rest))
    machine = here()
    if "uts" in names and machine is not None:
        call(machine.numbers["sethostname"], HOSTNAME, len(HOSTNAME))
    if "net" in names:
        _raise_loopback()


def become_first() -> None:
    """Returns in a child, the first process of a new `pid` namespace: nothing in it can signal this one, and all in it
    end with it. This process waits for it and exits as it does; if this process is killed, so is the child.
    """
    child = os.fork()
    if child == 0:
        end_with_parent()
        return
    os.closerange(0, 3)  # else the other side would wait for us to close them
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def end_with_parent() -> None:
    """For a process whose parent only waits for it. The kernel forgets it whenever the user changes."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _succeeds(names: Sequence[str]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            isolate(names)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _tell(name: str, text: str) -> None:
    """Each of these files takes a single write."""
    file = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _raise_loopback() -> None:
    af_inet, sock_dgram, siocsifflags, iff_up = 2, 2, 0x8914, 1
    machine = here()
    if machine is None:
        return
    descriptor = call(machine.numbers["socket"], af_inet, sock_dgram, 0)
    try:
        fcntl.ioctl(descriptor, siocsifflags, struct.pack("16sH22x", b"lo", iff_up))
    finally:
        os.close(descriptor)
