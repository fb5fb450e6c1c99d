"""A root of one's own: a file tree that holds what a command may see, and nothing else of the machine."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable

from outlay.sandbox.guest.confine import DEVICES
from outlay.sandbox.guest.kernel import call, detach, mount
from outlay.sandbox.guest.syscalls import here

_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_STAGE = "/tmp"
"""Where the new root is built. Everything it shows was opened before, so it may come from below."""
_SCRATCH = "mode=1777,size=64m,nr_inodes=16384"
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_READ_ONLY, _NO_SETUID, _NO_DEVICES = 1, 2, 4
OWN_FOLDERS = ("/tmp", "/dev/shm")
"""In memory, this sandbox's alone, empty at first."""
TERMINALS = "/dev/pts"
_DEVICE_LINKS = (
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)
MACHINE_FILES = tuple(
    f"/proc/{name}"
    for name in ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version", "sys/kernel")
)
"""Of /proc, what tells nothing about processes; shown where the kernel lets us mount no /proc of our own."""


def enter_root(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Makes a tree of these folders and files, each at its own path, the root of this process; the rest of the machine
    is gone from it. Returns whether /proc shows only this process namespace. Raises `OSError`.

    For the first process of new `mount` and `pid` namespaces.
    """
    mount("none", "/", "", _REC | _PRIVATE)
    links = {path: os.readlink(path) for path in readable if os.path.islink(path)}
    shown = [(path, _opened(path), True) for path in readable if path not in links and os.path.exists(path)]
    shown += [(path, _opened(path), False) for path in writable]
    devices = [(path, _opened(path)) for path in DEVICES if os.path.exists(path)]
    machine = [(path, _opened(path), True) for path in MACHINE_FILES if os.path.exists(path)]
    mount("outlay", _STAGE, "tmpfs", _NOSUID | _NODEV, "mode=755,size=4m,nr_inodes=4096")
    for folder in OWN_FOLDERS:
        os.makedirs(_STAGE + folder)
        mount("outlay", _STAGE + folder, "tmpfs", _NOSUID | _NODEV, _SCRATCH)
    for path, descriptor in devices:
        _show(path, descriptor)
    own_proc = _mounted_proc()
    for path, descriptor, read_only in sorted(shown + ([] if own_proc else machine)):
        _show(path, descriptor)
        _protect(_STAGE + path, _READ_ONLY * read_only | _NO_SETUID | _NO_DEVICES, _AT_RECURSIVE)
    _make_terminals()
    for path, target in (*links.items(), *_DEVICE_LINKS):
        os.symlink(target, _STAGE + path)
    _pivot()
    return own_proc


def _opened(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _show(path: str, descriptor: int) -> None:
    """Binds an open folder or file to its path in the new root."""
    target = _STAGE + path
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o644))
    mount(f"/proc/self/fd/{descriptor}", target, "", _BIND | _REC)
    os.close(descriptor)


def _protect(target: str, attributes: int, flags: int) -> None:
    """mount_setattr(2), since Linux 5.12: unlike a remount it also binds what is mounted beneath."""
    settings = struct.pack("=4Q", attributes, 0, 0, 0)
    call(_MOUNT_SETATTR, _AT_FDCWD & 0xFFFFFFFFFFFFFFFF, target.encode(), flags, settings, len(settings))


def _make_terminals() -> None:
    """Pseudo-terminals of one's own: whoever wants one finds no one else's."""
    os.makedirs(_STAGE + TERMINALS)
    mount("devpts", _STAGE + TERMINALS, "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def _mounted_proc() -> bool:
    """In an engine's container /proc is masked, and then the kernel refuses an unmasked one."""
    os.makedirs(_STAGE + "/proc", exist_ok=True)
    try:
        mount("proc", _STAGE + "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    except PermissionError:
        return False
    return True


def _pivot() -> None:
    """Stacks the old root on the new one and drops it: it needs no folder to be put into."""
    machine = here()
    if machine is None:
        raise OSError("pivot_root has no known number here")
    os.chdir(_STAGE)
    call(machine.numbers["pivot_root"], b".", b".")
    detach(".")
    os.chdir("/")
    _protect("/", _READ_ONLY, 0)
