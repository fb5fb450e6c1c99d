"""Files of a workspace on the host, opened without following any link an untrusted command may have planted."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from outlay.sandbox.errors import PathRefused

FILE_BYTES = 100 << 20
"""The largest file that is read out of a workspace."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(path: str) -> tuple[str, ...]:
    """The path's names. Raises `PathRefused` when it is absolute, empty, or climbs."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise PathRefused(path, "it must be relative to the workspace and stay in it")
    return pure.parts


def read_regular(root: Path, path: str) -> bytes:
    """Raises `PathRefused` for links and other non-files, `FileNotFoundError`."""
    with _parent(root, path, make=False) as (folder, name):
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise PathRefused(path, f"it is no regular file ({error.strerror})") from error
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise PathRefused(path, "it is no regular file")
            if len(body := stream.read(FILE_BYTES + 1)) > FILE_BYTES:
                raise PathRefused(path, "it is too large")
            return body


def write_regular(root: Path, path: str, body: bytes) -> None:
    """Renamed into place: a reader sees the old file or the new one. Raises `PathRefused`."""
    with _parent(root, path, make=True) as (folder, name):
        draft = f".{secrets.token_hex(8)}"
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
        with os.fdopen(file, "wb") as stream:
            stream.write(body)
        try:
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            os.unlink(draft, dir_fd=folder)
            raise PathRefused(path, f"it cannot be replaced by a file ({error.strerror})") from error


@contextmanager
def _parent(root: Path, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that holds `path`, reached one name at a time."""
    *folders, name = parts_of(path)
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            if make:
                _make(part, folder)
            try:
                inner = os.open(part, _FOLDER, dir_fd=folder)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise PathRefused(path, f"{part!r} is a link or no folder") from error
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


def _make(name: str, parent: int) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return
