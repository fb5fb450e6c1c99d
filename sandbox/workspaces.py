"""Folders for workspaces. Those of one process lie in a folder that it holds a lock on: a runner that was killed holds
none any more, and the next one, or a sweep, removes what it left.
"""

import atexit
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from outlay.sandbox.removal import remove_tree

PREFIX = "outlay-runner-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class _Home:
    """This process's own folder."""

    owner: int
    """Process id: a fork inherits the variable, but shall have a folder of its own."""
    folder: Path
    lock: int
    numbers: Iterator[int] = field(default_factory=count)


_homes: list[_Home] = []


def made_workspace() -> Path:
    """A new empty folder that no other user may enter. Raises `OSError`."""
    while _homes and _homes[0].owner != os.getpid():
        os.close(_homes.pop().lock)
    if not _homes:
        for folder in orphaned_folders():
            with suppress(OSError):
                remove_orphan(folder)
        _homes.append(_made_home())
        atexit.register(_leave, _homes[0])
    home = _homes[0]
    workspace = home.folder / str(next(home.numbers))
    workspace.mkdir(mode=0o700)
    return workspace


def _made_home() -> _Home:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):  # somebody was quicker than we, and took it for an orphan
            lock = os.open(folder, _FOLDER)
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder.chmod(0o711)  # users of sandboxes must get through, but find nothing
            return _Home(os.getpid(), folder, lock)


def _leave(home: _Home) -> None:
    if home.owner == os.getpid():
        remove_tree(home.folder)


def orphaned_folders() -> list[Path]:
    """What runners of this user left that were killed."""
    return [folder for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) if _is_orphaned(folder)]


def remove_orphan(folder: Path) -> None:
    """Raises `OSError` when somebody holds it, or when something cannot be removed."""
    with _taken(folder):
        remove_tree(folder)
    if folder.exists():
        raise OSError(f"{folder} could not be removed")


def _is_orphaned(folder: Path) -> bool:
    try:
        with _taken(folder):
            return True
    except OSError:
        return False


@contextmanager
def _taken(folder: Path) -> Iterator[None]:
    """Holds a folder that a runner of this user held. Raises `OSError` when one does, and for anybody else's folder,
    whatever its name.
    """
    lock = os.open(folder, _FOLDER)
    try:
        if os.fstat(lock).st_uid != os.geteuid():
            raise PermissionError(f"{folder} is another user's")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
