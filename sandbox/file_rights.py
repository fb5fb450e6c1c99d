"""File access with another user's rights, for one thread at a time: glibc's `setfsuid` binds only its caller."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_libc = ctypes.CDLL(None)


@contextmanager
def as_user(uid: int | None) -> Iterator[None]:
    """Within it, this thread opens and makes files as user and group `uid`; None changes nothing. Nothing may be
    awaited meanwhile. Raises `PermissionError` when we may not.
    """
    if uid is None:
        yield
        return
    group, user = _libc.setfsgid(uid), _libc.setfsuid(uid)
    try:
        if _libc.setfsuid(-1) != uid:
            raise PermissionError(f"files cannot be opened as user {uid}")
        yield
    finally:
        _libc.setfsuid(user)
        _libc.setfsgid(group)
