"""Landlock: what a command may open, connect to and signal, whatever its user may.

Names and numbers: Linux, `include/uapi/linux/landlock.h` and `Documentation/userspace-api/landlock.rst`.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable
from typing import NamedTuple

from outlay.sandbox.guest.kernel import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_RIGHTS_BY_ABI = {1: _REFER - 1, 2: _TRUNCATE - 1, 3: _IOCTL_DEV - 1, 5: (_IOCTL_DEV << 1) - 1}
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_UNIX, _SIGNALS = 1 << 0, 1 << 1


class Allowed(NamedTuple):
    """Paths that may be opened; those that do not exist are passed over."""

    read: tuple[str, ...]
    """To read and execute, with all beneath."""
    write: tuple[str, ...]
    """To do anything but make devices, with all beneath."""
    devices: tuple[str, ...]
    """To read and write, but not to control."""


def abi() -> int:
    """The version the kernel speaks; 0 without Landlock."""
    try:
        return call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def ruleset(version: int, allowed: Allowed, *, network: bool) -> int:
    """A descriptor for `restrict`, made once for many commands, with what `abi()` or an older version has.

    Raises `OSError`.
    """
    rights = max(rights for since, rights in _RIGHTS_BY_ABI.items() if since <= version)
    attributes = [rights]
    if version >= 4:
        attributes.append(0 if network else _BIND_TCP | _CONNECT_TCP)
    if version >= 6:
        attributes.append(_SIGNALS if network else _SIGNALS | _ABSTRACT_UNIX)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    descriptor = call(_CREATE_RULESET, packed, len(packed), 0)
    os.set_inheritable(descriptor, False)
    _allow(descriptor, allowed.read, rights & _READ)
    _allow(descriptor, allowed.write, rights & ~(_MAKE_CHAR | _MAKE_BLOCK))
    _allow(descriptor, allowed.devices, rights & (_READ_FILE | _WRITE_FILE | _TRUNCATE))
    return descriptor


def restrict(descriptor: int) -> None:
    """For this process and all it starts, for good. It must have given up new privileges. Raises `OSError`."""
    call(_RESTRICT_SELF, descriptor, 0)


def _allow(descriptor: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue  # what we cannot reach, a command cannot either
        try:
            folder = stat.S_ISDIR(os.fstat(place).st_mode)
            rule = struct.pack("=Qi", rights if folder else rights & _OF_FILES, place)
            call(_ADD_RULE, descriptor, _PATH_BENEATH, rule, 0)
        finally:
            os.close(place)
