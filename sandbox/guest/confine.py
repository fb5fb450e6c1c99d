"""Confines a command between fork and exec: what it may open, call and use up.

`prepare` allocates and opens; `apply` only makes system calls, so it may stand between a fork and an exec.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from typing import NamedTuple

from outlay.sandbox.guest import landlock
from outlay.sandbox.guest.bpf import KILL, command_filter
from outlay.sandbox.guest.capabilities import NONE, capset
from outlay.sandbox.guest.kernel import call, prctl
from outlay.sandbox.guest.syscalls import Architecture, here

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL = 1, 2


class Confinement(NamedTuple):
    """What one sandbox's commands may do."""

    workspace: str
    """Absolute; may be read, written and executed."""
    writable: tuple[str, ...] = ()
    """As the workspace: its temporary folder, and shared memory where that is its own."""
    readable: tuple[str, ...] = ()
    """May be read and executed, with all beneath."""
    network: bool = False
    """Whether sockets can be made at all."""
    ipc: bool = False
    """Whether System V queues and memory may be used: when they are not everybody's."""
    uid: int | None = None
    """User and group to become, of no other sandbox; None to stay who we are."""
    address_space_bytes: int | None = None
    """Per process."""
    file_bytes: int | None = None
    """Of one file."""
    open_files: int | None = None
    processes: int | None = None
    """Of the user as whom commands run. The kernel does not count root's."""


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Prepared(NamedTuple):
    """Everything `apply` needs, in the kernel's own form."""

    limits: tuple[tuple[int, tuple[int, int]], ...]
    ruleset: int | None
    """Landlock's descriptor, kept open for as long as commands are started."""
    uid: int | None
    seccomp: tuple[int, bytes] | None
    """Number of the call, and a `struct sock_fprog`."""
    program: _Program | None
    """Owns the memory that `seccomp` points into."""
    capset: tuple[int, bytes, bytes] | None


def prepare(confinement: Confinement) -> Prepared:
    """Opens the allowed paths and builds the filter, once for all commands of a sandbox. Raises `OSError`.

    A kernel without Landlock, or a machine whose calls we do not know, gives less; `levels.probe` finds out.
    """
    readable = (confinement.workspace, *confinement.readable)
    writable = (confinement.workspace, *confinement.writable)
    machine = here()
    program = None
    if machine is not None and _filters(machine):
        body = command_filter(machine, network=confinement.network, ipc=confinement.ipc)
        program = _Program(len(body) // 8, body)
    version, allowed = landlock.abi(), landlock.Allowed(readable, writable, DEVICES)
    return Prepared(
        limits=_limits(confinement),
        ruleset=landlock.ruleset(version, allowed, network=confinement.network) if version else None,
        uid=confinement.uid,
        seccomp=None if machine is None or program is None else (machine.seccomp, bytes(program)),
        program=program,
        capset=capset(NONE),
    )


def apply(prepared: Prepared) -> None:
    """Confines this process and all it starts, for good. Raises `OSError`: then nothing may be executed."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for kind, caps in prepared.limits:
        resource.setrlimit(kind, caps)
    if prepared.ruleset is not None:
        landlock.restrict(prepared.ruleset)
    if prepared.uid is not None:
        os.setgroups([])
        os.setresgid(prepared.uid, prepared.uid, prepared.uid)
        os.setresuid(prepared.uid, prepared.uid, prepared.uid)
    if prepared.capset is not None:
        call(*prepared.capset)
    if prepared.seccomp is not None:
        number, program = prepared.seccomp
        call(number, _SECCOMP_SET_MODE_FILTER, 0, program)


def _filters(machine: Architecture) -> bool:
    """Whether the kernel takes filters that can kill."""
    try:
        call(machine.seccomp, _SECCOMP_GET_ACTION_AVAIL, 0, struct.pack("=I", KILL))
    except OSError:
        return False
    return True


def _limits(confinement: Confinement) -> tuple[tuple[int, tuple[int, int]], ...]:
    """Within what binds us already: that cannot be raised."""
    wanted = (
        (resource.RLIMIT_AS, confinement.address_space_bytes),
        (resource.RLIMIT_FSIZE, confinement.file_bytes),
        (resource.RLIMIT_NOFILE, confinement.open_files),
        (resource.RLIMIT_NPROC, confinement.processes),
        (resource.RLIMIT_CORE, 0),
    )
    limits = []
    for kind, cap in wanted:
        if cap is None:
            continue
        hard = resource.getrlimit(kind)[1]
        most = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        limits.append((kind, (most, most)))
    return tuple(limits)
