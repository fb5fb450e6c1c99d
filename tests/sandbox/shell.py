"""Shell commands in a sandbox, for tests."""

from contextlib import suppress
from pathlib import Path

from outlay.sandbox.types import Completed, Sandbox

ALIVE = 'state=$(cut -d" " -f3 "/proc/$(cat child)/stat" 2>/dev/null); test -n "$state" -a "$state" != Z'
"""Whether the process named in the file `child` runs; a zombie that waits for its reaper does not."""


async def sh(sandbox: Sandbox, command: str, *, stdin: bytes = b"", wall_s: float | None = None) -> Completed:
    return await sandbox.exec(["sh", "-c", command], stdin=stdin, wall_s=wall_s)


def running(word: str) -> list[int]:
    """Processes of this machine with that word among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
