"""Folders for workspaces. Those of one process lie in a folder that it holds a lock on: a runner that was killed holds
none any more, and the janitor removes what it left.
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
    """Folders of this user that no process holds. Nobody else's is looked into, whatever its name."""
    return [folder for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) if _hold(folder)]


def remove_orphan(folder: Path) -> None:
    """Does nothing when it is gone, or held again."""
    with _held(folder) as orphaned:
        if orphaned:
            remove_tree(folder)


def _hold(folder: Path) -> bool:
    with _held(folder) as orphaned:
        return orphaned


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Takes the lock for a moment; whether that was possible, which it is for nobody's folder."""
    try:
        lock = os.open(folder, _FOLDER)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.fstat(lock).st_uid == os.geteuid()
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)
