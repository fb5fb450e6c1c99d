"""Workspaces as the tools of an image tell of them, into manifests and archives, and archives into what its tar takes.

An archive is the one that a guest would make of the same workspace.
"""

import io
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from outlay.sandbox.errors import PathRefused
from outlay.sandbox.guest import tar
from outlay.sandbox.guest.files import KINDS, Refused, names, shown
from outlay.sandbox.guest.tar import SECOND_NS, Member, Source
from outlay.sandbox.guest_sandbox import TREE_CAPS
from outlay.sandbox.types import FileStat, Manifest

TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


@dataclass(frozen=True)
class Entry:
    """One name in a workspace."""

    parts: tuple[bytes, ...]
    kind: str
    size: int
    mode: int
    """Permission bits."""
    changed_ns: int
    mtime_ns: int


def listed(text: bytes) -> list[Entry]:
    """What `shell_scripts.LIST` printed, in that order. Raises `ValueError`, `Refused` for what it would not."""
    found, _, facts = text.partition(b"\0\0")
    paths, lines = found.split(b"\0"), facts.splitlines()
    if len(paths) != len(lines):
        raise ValueError(f"{len(paths)} names with {len(lines)} lines about them")
    entries = [_entry(path, line) for path, line in zip(paths, lines, strict=True)]
    return [entry for entry in entries if entry.parts]


def _entry(path: bytes, line: bytes) -> Entry:
    raw, size, changed, content = line.split(b" ")
    mode = int(raw, 16)
    kind = KINDS.get(stat.S_IFMT(mode), "other")
    return Entry(names(path), kind, int(size), stat.S_IMODE(mode), _nanoseconds(changed), _nanoseconds(content))


def _nanoseconds(seconds: bytes) -> int:
    """Some tools know no fractions."""
    whole, _, fraction = seconds.partition(b".")
    return int(whole) * SECOND_NS + int(fraction[:9].ljust(9, b"0"))


def manifest(entries: Sequence[Entry]) -> Manifest:
    return {
        shown(entry.parts): FileStat(entry.kind, entry.size, entry.mode, entry.changed_ns)  # type: ignore[arg-type]
        for entry in entries
    }


def check_size(entries: Sequence[Entry]) -> None:
    """Raises `PathRefused` for a workspace that is too large to be packed."""
    size = sum(entry.size for entry in entries if entry.kind == "file")
    if size > TREE_CAPS.size_bytes or len(entries) > TREE_CAPS.entries:
        caps = f"{TREE_CAPS.size_bytes} bytes or {TREE_CAPS.entries} entries"
        raise PathRefused("", f"the workspace is over {caps}")


def packed(entries: Sequence[Entry], contents: bytes) -> bytes:
    """The archive, from what `shell_scripts.CONTENTS` printed. Raises `ValueError` when the two do not agree."""
    links = [entry for entry in entries if entry.kind == "link"]
    *targets, rest = contents.split(b"\0", len(links))
    files = [entry for entry in entries if entry.kind == "file"]
    if len(targets) != len(links) or len(rest) != sum(entry.size for entry in files):
        raise ValueError("contents of another size than the workspace has")
    target_of = {entry.parts: target for entry, target in zip(links, targets, strict=True)}
    starts, at = {}, 0
    for entry in files:
        starts[entry.parts], at = at, at + entry.size
    pieces = []
    for entry in sorted(entries, key=lambda entry: (entry.parts[:-1], entry.parts)):  # as a guest walks
        member = _member(entry, target_of.get(entry.parts, b""))
        if member is not None:
            start = starts.get(entry.parts, 0)
            pieces += [tar.header(member), rest[start : start + member.size], tar.padding(member.size)]
    return b"".join([*pieces, tar.END])


def _member(entry: Entry, target: bytes) -> Member | None:
    """None for what no archive holds: pipes, sockets, links that leave."""
    if entry.kind == "file":
        return Member("file", entry.parts, entry.mode & 0o777, entry.mtime_ns, entry.size)
    if entry.kind == "folder":
        return Member("folder", entry.parts, entry.mode & 0o777, entry.mtime_ns)
    if entry.kind != "link" or not tar.stays_inside(entry.parts, target):
        return None
    return Member("link", entry.parts, 0o777, entry.mtime_ns, 0, target)


@dataclass(frozen=True)
class Unpacking:
    """How an archive comes into a workspace that is not empty."""

    obstacles: tuple[bytes, ...]
    """Paths of files and links to be removed before."""
    everything: bytes
    """An archive in which every folder can be entered."""
    folders: bytes
    """An archive of the folders alone, innermost first, with the times that they are to have; maybe empty."""
    modes: bytes
    """For `shell_scripts.MODES`: of folders that are there already, or that their owner may not enter or change."""


def unpacking(archive: bytes, entries: Sequence[Entry], *, gnu: bool) -> Unpacking:
    """Raises `PathRefused` when an entry is none of ours, or lies in something that is no folder."""
    there = {entry.parts: entry.kind for entry in entries}
    try:
        found = list(_read(archive))
    except Refused as error:
        raise PathRefused(error.path, error.reason) from error
    _check_places([member for member, _ in found], there)
    open_to_us = [(m._replace(mode=0o700) if m.kind == "folder" else m, body) for m, body in found]
    folders = [(member, body) for member, body in reversed(found) if member.kind == "folder"]
    return Unpacking(
        obstacles=tuple(_named(member) for member, _ in found if there.get(member.parts, "folder") != "folder"),
        everything=_written(open_to_us, gnu=gnu),
        folders=_written(folders, gnu=gnu) if folders else b"",
        modes=b"".join(
            b"%o\0%s\0" % (member.mode, _named(member))
            for member, _ in folders
            if member.parts in there or member.mode & 0o700 != 0o700
        ),
    )


def _read(archive: bytes) -> Iterator[tuple[Member, bytes]]:
    source = Source([archive])
    for member in tar.members(source, TREE_CAPS):
        yield member, source.exactly(member.size)


def _check_places(members: Sequence[Member], there: Mapping[tuple[bytes, ...], str]) -> None:
    to_be = {member.parts for member in members if member.kind == "folder"}
    for member in members:
        for end in range(1, len(member.parts)):
            outer = member.parts[:end]
            if outer not in to_be and there.get(outer, "folder") != "folder":
                raise PathRefused(shown(member.parts), f"{shown(outer)!r} cannot be entered")
        if member.kind != "folder" and there.get(member.parts) == "folder":
            raise PathRefused(shown(member.parts), "it cannot be written (it is a folder)")


def _named(member: Member) -> bytes:
    """As an argument that no program takes for an option."""
    return b"./" + b"/".join(member.parts)


def _written(found: Sequence[tuple[Member, bytes]], *, gnu: bool) -> bytes:
    """GNU's tar takes times to the nanosecond; others know neither those nor the records that they stand in."""
    buffer = io.BytesIO()
    kind = tarfile.PAX_FORMAT if gnu else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=buffer, mode="w", format=kind, encoding="utf-8", errors="surrogateescape") as writer:
        for member, body in found:
            entry = tarfile.TarInfo(shown(member.parts))
            entry.type, entry.mode, entry.size = TYPES[member.kind], member.mode, member.size
            entry.linkname = shown([member.target])
            entry.mtime = member.mtime_ns // SECOND_NS
            if gnu:
                entry.pax_headers = {"mtime": f"{entry.mtime}.{member.mtime_ns % SECOND_NS:09d}"}
            writer.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()
