"""System calls that Python's library lacks, through libc's `syscall` and `prctl`."""

from __future__ import annotations

import ctypes
import os
from typing import Union

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
Argument = Union[int, bytes, None]


def call(number: int, *arguments: Argument) -> int:
    """Returns what the kernel returned. Raises `OSError`."""
    return _checked(_libc.syscall(number, *map(_word, arguments)))


def prctl(option: int, *arguments: Argument) -> int:
    """Raises `OSError`."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_libc.prctl(option, *map(_word, padded)))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2). Raises `OSError`."""
    texts = [text.encode() for text in (source, target, kind)]
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), options.encode()))


def detach(target: str) -> None:
    """umount2(2) of what may be in use still. Raises `OSError`."""
    mnt_detach = 2
    _checked(_libc.umount2(target.encode(), mnt_detach))


def unshare(flags: int) -> None:
    """unshare(2). Raises `OSError`."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def _word(argument: Argument) -> ctypes.c_ulong | ctypes.c_char_p:
    """A whole machine word: ctypes would pass an int as 32 bits, and the kernel reads 64."""
    if isinstance(argument, int):
        return ctypes.c_ulong(argument)
    return ctypes.c_char_p(argument)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)
