"""The tar format, as much of it as a workspace needs: regular files, folders, and links that stay inside.

Written is ustar with pax records where a name is long or a time has a fraction. Read are ustar, pax and GNU's long
names; every other kind, absolute names, `..`, doubles, and archives over their caps are refused.
"""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, NamedTuple

from outlay.sandbox.guest.files import Refused, names, shown

BLOCK = 512
END = bytes(2 * BLOCK)
NAME_BYTES, TARGET_BYTES = 255, 4095
RECORDS_BYTES = 64 << 10
"""The longest set of pax records, or long name, before an entry."""
TYPES = {b"0": "file", b"\0": "file", b"5": "folder", b"2": "link"}
LETTERS = {"file": b"0", "folder": b"5", "link": b"2"}
LONG = {b"L": b"path", b"K": b"linkpath"}
EXTENSIONS = {b"x", b"g", *LONG}
REFUSED = {b"1": "hard link", b"3": "device", b"4": "device", b"6": "named pipe", b"S": "sparse file"}
SECOND_NS = 1_000_000_000


class Caps(NamedTuple):
    """How large a tree may be."""

    size_bytes: int
    entries: int


class Member(NamedTuple):
    """One entry of an archive."""

    kind: str
    parts: tuple[bytes, ...]
    mode: int
    mtime_ns: int
    size: int = 0
    target: bytes = b""


def stays_inside(parts: tuple[bytes, ...], target: bytes) -> bool:
    """Whether a link there leads nowhere else: it climbs no further than to the workspace, and only at its start.

    By induction that holds through other such links: each is resolved from the folder in which it really stands.
    """
    steps = [step for step in target.split(b"/") if step not in (b"", b".")]
    climbs = 0
    while climbs < len(steps) and steps[climbs] == b"..":
        climbs += 1
    plain = bool(target) and len(target) <= TARGET_BYTES and not target.startswith(b"/") and b"\0" not in target
    return plain and climbs < len(parts) and b".." not in steps[climbs:]


def header(member: Member) -> bytes:
    """The blocks before a member's content."""
    path = b"/".join(member.parts)
    records = {b"mtime": _seconds(member.mtime_ns)} if member.mtime_ns % SECOND_NS or member.mtime_ns < 0 else {}
    if len(path) > 100:
        records[b"path"] = path
    if len(member.target) > 100:
        records[b"linkpath"] = member.target
    block = _block(path, member.mode, member.size, member.mtime_ns, LETTERS[member.kind], member.target)
    if not records:
        return block
    body = b"".join(_record(key, value) for key, value in records.items())
    return _block(b"pax", 0o644, len(body), 0, b"x", b"") + body + padding(len(body)) + block


def padding(size: int) -> bytes:
    """What fills the last block of that much content."""
    return bytes(-size % BLOCK)


def _block(path: bytes, mode: int, size: int, mtime_ns: int, letter: bytes, target: bytes) -> bytes:
    seconds = min(max(0, mtime_ns // SECOND_NS), 0o77777777777)
    block = b"".join(
        (
            path[:100].ljust(100, b"\0"),
            b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, seconds),
            b" " * 8,
            letter,
            target[:100].ljust(100, b"\0"),
            b"ustar\x0000",
        )
    ).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _seconds(time_ns: int) -> bytes:
    whole, fraction = divmod(abs(time_ns), SECOND_NS)
    return b"%s%d.%09d" % (b"-" if time_ns < 0 else b"", whole, fraction)


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value` and a newline, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    size = rest + len(str(size))
    return b"%d %s=%s\n" % (size, key, value)


class Source:
    """An archive's bytes, taken in order from the pieces in which they come."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")

    def content(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes as they lie. Raises `Refused` when the archive ends before."""
        while size:
            while not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    raise Refused("", "the archive ends in the middle")
                self._piece = memoryview(piece)
            taken, self._piece = self._piece[:size], self._piece[size:]
            size -= len(taken)
            yield taken

    def exactly(self, size: int) -> bytes:
        return b"".join(self.content(size))


def members(source: Source, caps: Caps) -> Iterator[Member]:
    """Every member, checked. Before the next is asked for, `member.size` bytes of content must have been taken.

    Raises `Refused`.
    """
    seen: Dict[tuple[bytes, ...], str] = {}
    left, records = caps.size_bytes, {}
    while (block := source.exactly(BLOCK)).strip(b"\0"):
        letter, size = _letter(block), _number(block[124:136])
        if letter in EXTENSIONS:
            records.update(_extension(letter, source, size))
            continue
        member = _member(block, letter, records)
        records = {}
        if member is None:
            continue
        left -= member.size
        _admit(member, seen)
        if left < 0 or len(seen) > caps.entries:
            raise Refused("", f"the archive is over {caps.size_bytes} bytes or {caps.entries} entries")
        yield member
        source.exactly(len(padding(member.size)))


def check(archive: bytes, caps: Caps) -> None:
    """Raises `Refused` when an archive as a whole must not be unpacked."""
    source = Source([archive])
    for member in members(source, caps):
        for _ in source.content(member.size):
            pass


def _letter(block: bytes) -> bytes:
    """The kind of an entry, of a header that is whole."""
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise Refused("", "it is no tar archive")
    return block[156:157]


def _number(field: bytes) -> int:
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise Refused("", "the archive has a number that is not octal")
    return int(digits or b"0", 8)


def _extension(letter: bytes, source: Source, size: int) -> Dict[bytes, bytes]:
    """What a header that only describes the next entry says of it."""
    if size > RECORDS_BYTES:
        raise Refused("", "the archive has a description that is too long")
    body = source.exactly(size)
    source.exactly(len(padding(size)))
    if letter in LONG:
        return {LONG[letter]: body.rstrip(b"\0")}
    records = _records(body)
    if letter == b"g" and records.keys() - {b"comment"}:
        raise Refused("", "the archive describes all its entries at once")
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise Refused(shown([records.get(b"path", b"")]), "it is a sparse file")
    return records


def _records(body: bytes) -> Dict[bytes, bytes]:
    found, at = {}, 0
    while at < len(body):
        space = body.find(b" ", at, at + 8)
        length = body[at : max(at, space)]
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if not space < end <= len(body) or body[end - 1 : end] != b"\n" or not equals:
            raise Refused("", "the archive has a garbled description")
        found[key], at = value, end
    return found


def _member(block: bytes, letter: bytes, records: Dict[bytes, bytes]) -> Member | None:
    """None for the workspace itself, which some archives begin with."""
    path = records.get(b"path", block[:100].rstrip(b"\0"))
    if b"path" not in records and block[257:263] == b"ustar\0" and block[345:500].strip(b"\0"):
        path = block[345:500].rstrip(b"\0") + b"/" + path
    if letter not in TYPES:
        raise Refused(shown([path]), f"it is a {REFUSED.get(letter, 'thing of an unknown kind')}")
    kind = "folder" if letter == b"\0" and path.endswith(b"/") else TYPES[letter]
    parts, size = names(path), _decimal(records[b"size"]) if b"size" in records else _number(block[124:136])
    if kind != "file" and size:
        raise Refused(shown(parts), f"it is a {kind} with content")
    if not parts and kind == "folder":
        return None
    target = records.get(b"linkpath", block[157:257].rstrip(b"\0")) if kind == "link" else b""
    return Member(kind, parts, _number(block[100:108]) & 0o777, _mtime_ns(block, records), size, target)


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 18:
        raise Refused("", "the archive has a garbled number")
    return int(digits)


def _mtime_ns(block: bytes, records: Dict[bytes, bytes]) -> int:
    if b"mtime" not in records:
        return _number(block[136:148]) * SECOND_NS
    whole, _, fraction = records[b"mtime"].lstrip(b"-").partition(b".")
    time_ns = _decimal(whole) * SECOND_NS + _decimal(fraction[:9].ljust(9, b"0"))
    return -time_ns if records[b"mtime"].startswith(b"-") else time_ns


def _admit(member: Member, seen: Dict[tuple[bytes, ...], str]) -> None:
    """Raises `Refused` when an entry, given those before it, would be written elsewhere than its name says."""
    parts, path = member.parts, shown(member.parts)
    if not parts or any(len(part) > NAME_BYTES for part in parts):
        raise Refused(path, "it has no name, or one that no file can have")
    if member.kind == "link" and not stays_inside(parts, member.target):
        raise Refused(path, "it is a link that leaves the workspace")
    for end in range(1, len(parts)):
        if seen.setdefault(parts[:end], "implied") not in ("folder", "implied"):
            raise Refused(path, "it lies in something that is no folder")
    before = seen.get(parts)
    if before is not None and (before, member.kind) != ("implied", "folder"):
        raise Refused(path, "it is there twice")
    seen[parts] = member.kind
