"""Files of a workspace, opened one name at a time and through no link that a command may have planted.

Paths are text, relative to the workspace, with `surrogateescape` for names that are not UTF-8. A workspace is an open
folder's descriptor. All of it runs with the rights of whoever calls: the guest takes those of its commands.
"""

from __future__ import annotations

import os
import stat
from typing import Iterable, Iterator, NamedTuple

CHUNK = 1 << 20
DEPTH = 100
"""Folders within folders; deeper trees are refused rather than walked for ever."""
LISTING_BYTES = 64 << 20
"""The longest manifest."""
FILE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class Refused(Exception):
    """A path or an archive that is not taken: `path`, and `reason` in a few words."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason


class Entry(NamedTuple):
    """One name in a workspace."""

    parts: tuple[bytes, ...]
    kind: str
    size: int
    mode: int
    mtime_ns: int
    changed_ns: int


def shown(parts: Iterable[bytes]) -> str:
    """A path as text."""
    return b"/".join(parts).decode("utf-8", "surrogateescape")


def parts_of(path: str) -> tuple[bytes, ...]:
    """The path's names, none for the workspace itself. Raises `Refused` when it is absolute, climbs or is too deep."""
    try:
        return names(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise Refused(repr(path), "it is not text that a file name could be") from None


def names(raw: bytes) -> tuple[bytes, ...]:
    """`parts_of` for the bytes of a path."""
    parts = tuple(part for part in raw.split(b"/") if part not in (b"", b"."))
    if raw.startswith(b"/") or b".." in parts or b"\0" in raw:
        raise Refused(shown([raw]), "it must be relative to the workspace and stay in it")
    if len(parts) > DEPTH:
        raise Refused(shown(parts), f"it is more than {DEPTH} folders deep")
    return parts


def file_parts(path: str) -> tuple[bytes, ...]:
    """The names of a path to a file. Raises `Refused` also for the workspace itself."""
    parts = parts_of(path)
    if not parts:
        raise Refused(path, "it must name a file in the workspace")
    return parts


def open_folder(root: int, parts: tuple[bytes, ...], *, make: bool = False) -> int:
    """A descriptor of that folder. Raises `FileNotFoundError`, and `Refused` where a part is a link or no folder."""
    folder = os.open(b".", FOLDER_FLAGS, dir_fd=root)
    for part in parts:
        try:
            if make:
                _make_folder(part, folder)
            inner = os.open(part, FOLDER_FLAGS, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Refused(shown(parts), f"{shown([part])!r} cannot be entered ({error.strerror})") from error
        finally:
            os.close(folder)
        folder = inner
    return folder


def _make_folder(name: bytes, parent: int) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return


def read_file(root: int, path: str, cap: int) -> Iterator[bytes]:
    """A regular file in pieces. Raises `FileNotFoundError`, and `Refused` over `cap` bytes or for anything else."""
    *folders, name = file_parts(path)
    folder = open_folder(root, tuple(folders))
    try:
        file = os.open(name, os.O_RDONLY | FILE_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refused(path, f"it is no regular file ({error.strerror})") from error
    finally:
        os.close(folder)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(path, "it is no regular file")
        if status.st_size > cap:
            raise Refused(path, f"it is over {cap} bytes")
        yield from contents(file, status.st_size)
    finally:
        os.close(file)


def contents(file: int, size: int) -> Iterator[bytes]:
    """At most `size` bytes, however the file grows meanwhile."""
    while size > 0:
        chunk = os.read(file, min(size, CHUNK))
        if not chunk:
            return
        size -= len(chunk)
        yield chunk


def write_file(root: int, path: str, body: Iterable[bytes]) -> None:
    """Replaces the file in one step: a reader sees the old or the new. Keeps its mode. Makes folders on the way.

    Raises `Refused`, also when the disk is full, and then leaves the old file.
    """
    *folders, name = file_parts(path)
    folder = open_folder(root, tuple(folders), make=True)
    draft = b"." + os.urandom(8).hex().encode()
    try:
        write_new(folder, draft, body, _mode(folder, name))
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException as error:
        discard(folder, draft)
        if isinstance(error, OSError):
            raise Refused(path, f"it cannot be written ({error.strerror})") from error
        raise
    finally:
        os.close(folder)


def write_new(folder: int, name: bytes, body: Iterable[bytes | memoryview], mode: int) -> None:
    """Raises `OSError`, among them `FileExistsError`."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o600, dir_fd=folder)
    try:
        for chunk in body:
            view = memoryview(chunk)
            while view:
                view = view[os.write(file, view) :]
        os.fchmod(file, mode)
    finally:
        os.close(file)


def discard(folder: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return


def _mode(folder: int, name: bytes) -> int:
    """What the regular file there has, so that a script stays a program; else what a new file gets."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return 0o644
    return mode & 0o777 if stat.S_ISREG(mode) else 0o644


def walk(root: int, *, strict: bool = False) -> Iterator[Entry]:
    """Every entry in a fixed order, a folder before what is in it. What cannot be entered is listed but not walked.

    Raises `Refused` for trees deeper than `DEPTH` and, when `strict`, for a folder that cannot be entered.
    """
    waiting: list[tuple[bytes, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        if len(parts) > DEPTH:
            raise Refused(shown(parts), f"it is more than {DEPTH} folders deep")
        try:
            entries = _listed(root, parts)
        except (OSError, Refused):
            if strict:
                raise Refused(shown(parts), "the folder cannot be entered") from None
            continue
        yield from entries
        waiting += [entry.parts for entry in reversed(entries) if entry.kind == "folder"]


def _listed(root: int, parts: tuple[bytes, ...]) -> list[Entry]:
    """Opened anew from the root, so that no depth exhausts descriptors."""
    folder = open_folder(root, parts)
    try:
        with os.scandir(folder) as found:
            entries = [_entry((*parts, os.fsencode(one.name)), one.stat(follow_symlinks=False)) for one in found]
    finally:
        os.close(folder)
    return sorted(entries)


def _entry(parts: tuple[bytes, ...], status: os.stat_result) -> Entry:
    kind, mode = KINDS.get(stat.S_IFMT(status.st_mode), "other"), stat.S_IMODE(status.st_mode)
    return Entry(parts, kind, status.st_size, mode, status.st_mtime_ns, status.st_ctime_ns)


def manifest(root: int) -> Iterator[bytes]:
    """Every entry as `kind size mode changed_ns path` and a zero byte. Raises `Refused` when that gets too long."""
    lines, size, total = [], 0, 0
    for entry in walk(root):
        facts = f"{entry.kind} {entry.size} {entry.mode} {entry.changed_ns} ".encode()
        lines.append(facts + b"/".join(entry.parts) + b"\0")
        size += len(lines[-1])
        if size >= CHUNK:
            total += size
            if total > LISTING_BYTES:
                raise Refused("", "the workspace has too many names to list")
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)
