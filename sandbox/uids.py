"""User ids for sandboxes, so that no two on this machine share one: a user's processes may signal each other, and the
kernel counts them together.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

FIRST, BLOCK = 1 << 30, 1 << 12
BLOCKS = 1 << 18
"""Ids from 2^30 to 2^31, in blocks of one runner each. Nobody's accounts and no container's range lie there."""


@dataclass
class _Block:
    """Ids that belong to this process for as long as it lives."""

    owner: int
    """Process id: a fork inherits the variable, but not the right."""
    start: int
    claim: int
    """A socket at an abstract address, which is taken as long as the process lives, however it ends."""
    used: set[int] = field(default_factory=set)


_blocks: list[_Block] = []


def take() -> int:
    """An id that no living sandbox of this machine has. `give_back` it when nothing runs as it any more."""
    while _blocks and _blocks[0].owner != os.getpid():
        os.close(_blocks.pop(0).claim)
    for block in _blocks:
        if len(block.used) < BLOCK:
            break
    else:
        _blocks.append(block := _claimed())
    offset = next(offset for offset in count() if offset not in block.used)
    block.used.add(offset)
    return block.start + offset


def give_back(uid: int) -> None:
    """Ids of another process, before a fork, are left alone."""
    for block in _blocks:
        if block.owner == os.getpid():
            block.used.discard(uid - block.start)


@contextmanager
def owned(folder: Path, *, wanted: bool) -> Iterator[int | None]:
    """Gives the folder to an id of its own, or, where that is not wanted, leaves it to ourselves: None."""
    if not wanted:
        yield None
        return
    uid = take()
    try:
        os.chown(folder, uid, uid)
        yield uid
    finally:
        give_back(uid)


def _claimed() -> _Block:
    """Starts its search at our own process id, so that runners rarely meet."""
    for shift in range(BLOCKS):
        number = (os.getpid() + shift) % BLOCKS
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with suppress(OSError):
            claim.bind(f"\0outlay-uids-{number}")
            return _Block(os.getpid(), FIRST + number * BLOCK, claim.detach())
        claim.close()
    raise OSError("no block of user ids is free")
