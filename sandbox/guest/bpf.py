"""A small assembler for seccomp's classic BPF, and the filter that commands run under.

A program is a list of instructions and labels. Jumps go forward only and at most 255 instructions far.
Offsets and return values: Linux, `include/uapi/linux/seccomp.h` and `filter.h`.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Union

from outlay.sandbox.guest.syscalls import IPC, REFUSED, Architecture

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; an argument has eight bytes, the low half first on the machines we know."""
KILL = 0x80000000
"""The verdict that ends the process."""
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x40000000
"""Bit of system call numbers of the x32 ABI: the same calls under other numbers."""
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_AF_UNIX = 1
_TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: they type into somebody's terminal."""


class Load(NamedTuple):
    """Reads 32 bits at `offset` of the call's description."""

    offset: int


class Jump(NamedTuple):
    """To `target` if the loaded value compares so with `value`, else on."""

    compare: int
    value: int
    target: str


class Return(NamedTuple):
    """Ends the filter."""

    verdict: int


class Label(NamedTuple):
    """A place to jump to."""

    name: str


Line = Union[Load, Jump, Return, Label]


def assemble(lines: Sequence[Line]) -> bytes:
    """`struct sock_filter[]`. Raises `KeyError` for an unknown label, `struct.error` for a jump back or too far."""
    places: dict[str, int] = {}
    count = 0
    for line in lines:
        if isinstance(line, Label):
            places[line.name] = count
        else:
            count += 1
    instructions = (line for line in lines if not isinstance(line, Label))
    return b"".join(_encoded(line, at, places) for at, line in enumerate(instructions))


def _encoded(line: Load | Jump | Return, at: int, places: dict[str, int]) -> bytes:
    if isinstance(line, Load):
        return struct.pack("<HBBI", _LOAD, 0, 0, line.offset)
    if isinstance(line, Jump):
        return struct.pack("<HBBI", line.compare, places[line.target] - at - 1, 0, line.value)
    return struct.pack("<HBBI", _RETURN, 0, 0, line.verdict)


def command_filter(machine: Architecture, *, network: bool, ipc: bool) -> bytes:
    """What a command may call: `struct sock_filter[]`.

    Without `network` no socket can be made; `socketpair(AF_UNIX)` always can. Landlock before ABI 9 lets a command
    connect to any Unix socket it finds, the engine's among them, so that family is refused too. Without `ipc`, System V
    and POSIX queues are refused.
    """
    refused = (*REFUSED, *(() if ipc else IPC), *(() if network else ("socket",)))
    return assemble(
        [
            *_entry(machine),
            *_each(machine, refused, "refuse"),
            *_each(machine, ("clone3",), "absent"),  # its flags lie in memory, which a filter cannot read
            *_each(machine, ("clone",), "clone"),
            *_each(machine, ("socketpair",), "socketpair"),
            *_each(machine, ("ioctl",), "ioctl"),
            *_each(machine, ("prlimit64",), "prlimit64"),
            Return(_ALLOW),
            *_conditional(),
            Label("allow"),
            Return(_ALLOW),
            Label("refuse"),
            Return(_ERRNO | errno.EPERM),
            Label("absent"),
            Return(_ERRNO | errno.ENOSYS),
            Label("kill"),
            Return(KILL),
        ]
    )


def _entry(machine: Architecture) -> Iterable[Line]:
    """Ends calls through another architecture's door (`int 0x80`, x32): their numbers mean other calls."""
    yield Load(_ARCHITECTURE)
    yield Jump(_EQUAL, machine.audit, "ours")
    yield Return(KILL)
    yield Label("ours")
    yield Load(_NUMBER)
    if machine.has_x32:
        yield Jump(_AT_LEAST, _X32, "kill")


def _each(machine: Architecture, names: Iterable[str], target: str) -> Iterable[Line]:
    """Calls that a machine lacks are left out."""
    return (Jump(_EQUAL, machine.numbers[name], target) for name in names if name in machine.numbers)


def _conditional() -> Iterable[Line]:
    """Calls that are refused for some of their arguments."""
    yield from (Label("clone"), Load(_ARGUMENTS), Jump(_ANY_BIT, _NEW_NAMESPACES, "refuse"), Return(_ALLOW))
    yield from (Label("socketpair"), Load(_ARGUMENTS), Jump(_EQUAL, _AF_UNIX, "allow"), Return(_ERRNO | errno.EPERM))
    yield from (Label("ioctl"), Load(_ARGUMENTS + 8))
    yield from (Jump(_EQUAL, request, "refuse") for request in _TERMINAL_INPUT)
    yield Return(_ALLOW)
    # Another process's limits: whoever runs as the same user could strangle us.
    yield from (Label("prlimit64"), Load(_ARGUMENTS), Jump(_EQUAL, 0, "allow"), Return(_ERRNO | errno.EPERM))
