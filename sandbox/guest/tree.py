"""A workspace into an archive and back.

Equal workspaces give equal archives: entries stand in a fixed order and have no owner. Times are kept to the
nanosecond, permission bits without set-uid; files with several names become several files.
"""

from __future__ import annotations

import os
import stat
from typing import Iterable, Iterator

from outlay.sandbox.guest import tar
from outlay.sandbox.guest.files import (
    CHUNK,
    FILE_FLAGS,
    Entry,
    Refused,
    contents,
    discard,
    open_folder,
    shown,
    walk,
    write_new,
)
from outlay.sandbox.guest.tar import Caps, Member, Source


def pack(root: int, caps: Caps) -> Iterator[bytes]:
    """The archive in pieces of about `CHUNK`. Raises `Refused` over its caps, and for what its owner cannot read."""
    pending, size = [], 0
    for piece in _archived(root, _members(root, caps)):
        pending.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join([*pending, tar.END])


def _members(root: int, caps: Caps) -> list[Member]:
    found, left = [], caps.size_bytes
    for entry in walk(root, strict=True):
        member = _member(root, entry)
        if member is None:
            continue
        found.append(member)
        left -= member.size
        if left < 0 or len(found) > caps.entries:
            raise Refused("", f"the workspace is over {caps.size_bytes} bytes or {caps.entries} entries")
    return found


def _member(root: int, entry: Entry) -> Member | None:
    """None for what no archive holds: pipes, sockets, links that leave."""
    mode = entry.mode & 0o777
    if entry.kind == "file":
        return Member("file", entry.parts, mode, entry.mtime_ns, entry.size)
    if entry.kind == "folder":
        return Member("folder", entry.parts, mode, entry.mtime_ns)
    if entry.kind != "link":
        return None
    folder = open_folder(root, entry.parts[:-1])
    try:
        target = os.readlink(entry.parts[-1], dir_fd=folder)
    finally:
        os.close(folder)
    member = Member("link", entry.parts, 0o777, entry.mtime_ns, 0, target)
    return member if tar.stays_inside(entry.parts, target) else None


def _archived(root: int, members: list[Member]) -> Iterator[bytes]:
    for member in members:
        yield tar.header(member)
        if member.size:
            yield from _content(root, member)


def _content(root: int, member: Member) -> Iterator[bytes]:
    """As many bytes as its header says, also if the file is cut meanwhile."""
    left, folder = member.size, open_folder(root, member.parts[:-1])
    try:
        file = os.open(member.parts[-1], os.O_RDONLY | FILE_FLAGS, dir_fd=folder)
    except OSError as error:
        raise Refused(shown(member.parts), f"it cannot be read ({error.strerror})") from error
    finally:
        os.close(folder)
    try:
        for piece in contents(file, member.size):
            left -= len(piece)
            yield piece
    finally:
        os.close(file)
    yield bytes(left) + tar.padding(member.size)


def unpack(root: int, pieces: Iterable[bytes], caps: Caps) -> None:
    """Puts an archive's entries over what is there. Raises `Refused`; what came before the refused entry stays."""
    source, folders = Source(pieces), []
    for member in tar.members(source, caps):
        try:
            _place(root, member, source)
        except OSError as error:
            raise Refused(shown(member.parts), f"it cannot be written ({error.strerror})") from error
        if member.kind == "folder":
            folders.append(member)
    for member in reversed(folders):  # last, since what is put into a folder changes its time, and may not be allowed
        folder = open_folder(root, member.parts)
        try:
            os.fchmod(folder, member.mode)
            os.utime(folder, ns=(member.mtime_ns, member.mtime_ns))
        finally:
            os.close(folder)


def _place(root: int, member: Member, source: Source) -> None:
    parent, name = open_folder(root, member.parts[:-1], make=True), member.parts[-1]
    try:
        if member.kind == "folder":
            _place_folder(parent, name)
            return
        discard(parent, name)
        if member.kind == "link":
            os.symlink(member.target, name, dir_fd=parent)
        else:
            write_new(parent, name, source.content(member.size), member.mode)
        times = (member.mtime_ns, member.mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
    finally:
        os.close(parent)


def _place_folder(parent: int, name: bytes) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=parent)  # its own mode comes when all is in it
            return
        os.unlink(name, dir_fd=parent)
        os.mkdir(name, 0o700, dir_fd=parent)
