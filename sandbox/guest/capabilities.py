"""Capabilities: what is left of root's powers. Layout: Linux, `include/uapi/linux/capability.h`, version 3."""

from __future__ import annotations

import ctypes
import struct

from outlay.sandbox.guest.kernel import call
from outlay.sandbox.guest.syscalls import here

SETGID, SETUID, KILL, CHOWN = 1 << 6, 1 << 7, 1 << 5, 1 << 0
NONE = 0
_HEADER = struct.pack("=Ii", 0x20080522, 0)


def permitted() -> int:
    """Those this process may use, as a bit mask; none on a machine whose calls we do not know."""
    machine = here()
    if machine is None:
        return NONE
    sets = ctypes.create_string_buffer(24)
    call(machine.numbers["capget"], _HEADER, ctypes.addressof(sets))
    low, high = struct.unpack("=4xI8xI4x", sets.raw)
    return int(low | high << 32)


def capset(kept: int) -> tuple[int, bytes, bytes] | None:
    """The arguments of the `call` that gives up all but `kept`, of those permitted; inherited ones too."""
    machine = here()
    if machine is None:
        return None
    kept &= permitted()
    low, high = kept & 0xFFFFFFFF, kept >> 32
    return machine.numbers["capset"], _HEADER, struct.pack("=6I", low, low, 0, high, high, 0)
