"""A sandbox that a guest program serves: commands and files as requests over a channel, and its answers checked."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from outlay.sandbox.channel import Channel
from outlay.sandbox.errors import PathRefused, SandboxLost
from outlay.sandbox.guest.files import LISTING_BYTES, Refused, file_parts, names, parts_of
from outlay.sandbox.guest.frames import BadFrame, Frame
from outlay.sandbox.guest.tar import BLOCK, Caps, check
from outlay.sandbox.types import (
    TREE_BYTES,
    TREE_ENTRIES,
    Completed,
    Connection,
    FileStat,
    Isolation,
    Limits,
    Manifest,
    Snapshot,
)

T = TypeVar("T")
Kind = Literal["file", "folder", "link", "other"]
KINDS: Mapping[bytes, Kind] = {b"file": "file", b"folder": "folder", b"link": "link", b"other": "other"}

FILE_BYTES = 100 << 20
"""The largest file that is read out of a workspace."""
FILE_S = 60.0
"""How long one file, a listing or an archive may take."""
TREE_CAPS = Caps(TREE_BYTES, TREE_ENTRIES)
ARCHIVE_BYTES = TREE_BYTES + TREE_ENTRIES * 16 * BLOCK
"""The longest archive of such a tree: names and times have blocks of their own."""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/work",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class GuestSandbox:
    """One workspace behind a channel. Whoever opened it closes it."""

    channel: Channel
    limits: Limits
    isolation: Isolation
    record: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)
    """What commands get beside what a call gives them."""
    connections: Sequence[Connection] = ()

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = ".",
        wall_s: float | None = None,
    ) -> Completed:
        deadline = self.limits.wall_s if wall_s is None else min(self.limits.wall_s, wall_s)
        order = {
            "argv": list(argv),
            "env": {**self.environment, **(env or {})},
            "cwd": checked(cwd, parts_of),
            "wall_s": deadline,
            "cap": self.limits.output_bytes,
            "flood": self.limits.flood_bytes,
        }
        try:
            frame = await self._ask("exec", order, stdin, path=cwd, within_s=deadline, cap=2 * self.limits.output_bytes)
        except BadFrame:  # no kernel takes arguments of that size either
            return Completed(127, b"", f"{argv[0][:100]}: Argument list too long\n".encode(errors="replace"), 0.0)
        return self._believed(lambda: _completed(frame))

    async def read(self, path: str) -> bytes:
        fields = {"path": checked(path, file_parts), "cap": FILE_BYTES}
        return (await self._ask("read", fields, path=path, cap=FILE_BYTES)).body

    async def write(self, path: str, data: bytes) -> None:
        await self._ask("write", {"path": checked(path, file_parts)}, data, path=path)

    async def list(self) -> Sequence[str]:
        return files_in(await self.manifest())

    async def manifest(self) -> Manifest:
        frame = await self._ask("manifest", {}, cap=2 * LISTING_BYTES)
        return self._believed(lambda: manifest_of(frame.body))

    async def snapshot(self) -> Snapshot:
        frame = await self._ask("pack", {"caps": TREE_CAPS}, cap=ARCHIVE_BYTES)
        return Snapshot(frame.body)

    async def restore(self, snapshot: Snapshot) -> None:
        try:
            check(snapshot.tar, TREE_CAPS)
        except Refused as error:
            raise PathRefused(error.path, error.reason) from error
        await self._ask("unpack", {"caps": TREE_CAPS}, snapshot.tar)

    async def _ask(
        self,
        kind: str,
        fields: Mapping[str, Any],
        body: bytes = b"",
        *,
        path: str = "",
        within_s: float = FILE_S,
        cap: int = 0,
    ) -> Frame:
        """A reply that is not a refusal. Raises `FileNotFoundError`, `PathRefused`, `SandboxLost`."""
        frame = await self.channel.request(kind, fields, body, within_s=within_s, cap=cap)
        if frame.header["kind"] == "missing":
            raise FileNotFoundError(path)
        if frame.header["kind"] == "refused":
            raise self._believed(lambda: _refusal(frame, path))
        return frame

    def _believed(self, read: Callable[[], T]) -> T:
        """What a reply says. Raises `SandboxLost` when it says what no guest of ours would."""
        try:
            return read()
        except (BadFrame, Refused, ValueError, LookupError, TypeError, OverflowError) as error:
            self.channel.lose(f"the guest gave an impossible answer: {error}")
            raise cast(SandboxLost, self.channel.lost) from error


def checked(path: str, parts: Callable[[str], object]) -> str:
    """The path itself. Raises `PathRefused` where `parts`, of `guest.files`, refuses it."""
    try:
        parts(path)
    except Refused as error:
        raise PathRefused(path, error.reason) from error
    return path


def _refusal(frame: Frame, path: str) -> PathRefused:
    named, reason = frame.header["path"], frame.header["reason"]
    if not isinstance(named, str) or not isinstance(reason, str):
        raise BadFrame("a refusal without a reason")
    return PathRefused(named or path, reason)


def _completed(frame: Frame) -> Completed:
    header = frame.header
    code, killed, out_of_memory = header["code"], header["killed"], header["oom"]
    stdout_bytes, stderr_bytes = (_count(size) for size in header["sizes"])
    if stdout_bytes + stderr_bytes != len(frame.body):
        raise BadFrame("an output of another length than it says")
    if killed not in (None, "deadline", "flood") or (code is None) != (killed is not None):
        raise BadFrame(f"an end of {code!r} and {killed!r}")
    if type(out_of_memory) is not bool:
        raise BadFrame("no word about memory")
    return Completed(
        exit_code=code if code is None else _count(code),
        stdout=frame.body[:stdout_bytes],
        stderr=frame.body[stdout_bytes:],
        wall_s=_seconds(header["wall_s"]),
        dropped_bytes=_count(header["dropped"]),
        cpu_s=_seconds(header["cpu_s"]),
        killed=killed,
        out_of_memory=out_of_memory,
    )


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise BadFrame(f"a count of {value!r}")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise BadFrame(f"a time of {value!r}")
    return float(value)


def manifest_of(body: bytes) -> Manifest:
    """What `guest.files.manifest` listed. Raises `ValueError`, `Refused`, `BadFrame` for what it would not say."""
    found = {}
    for line in body.split(b"\0")[:-1]:
        kind, size, mode, changed_ns, path = line.split(b" ", 4)
        parts = names(path)
        if kind not in KINDS or not parts:
            raise BadFrame(f"an entry of kind {kind!r}")
        entry = FileStat(KINDS[kind], int(size), int(mode), int(changed_ns))
        found[b"/".join(parts).decode("utf-8", "surrogateescape")] = entry
    return found


def files_in(manifest: Manifest) -> list[str]:
    """Paths of its regular files, sorted."""
    return sorted(path for path, entry in manifest.items() if entry.kind == "file")
