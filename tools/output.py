"""A finished command as an observation: both streams, how it ended, and the full text kept when it is long."""

import re

from outlay.sandbox.types import Completed, Sandbox
from outlay.tools.truncate import cut_middle
from outlay.tools.types import ToolResult

SHOWN_CHARS = 8_000
"""What a model sees of one output; about 2,000 tokens."""
_KEPT = re.compile(r"\.outlay/output-(\d+)\.txt")


async def observe(completed: Completed, sandbox: Sandbox) -> ToolResult:
    """Writes the full text to `.outlay/output-<n>.txt` when it is too long to show."""
    text = _text(completed)
    if len(text) > SHOWN_CHARS:
        kept_at = f".outlay/output-{await _next_number(sandbox)}.txt"
        await sandbox.write(kept_at, text.encode())
        text = cut_middle(text, SHOWN_CHARS, kept_at)
    data = {
        "exit_code": completed.exit_code,
        "wall_s": completed.wall_s,
        "dropped_bytes": completed.dropped_bytes,
    }
    return ToolResult(text + _ending(completed), data, is_error=completed.exit_code != 0)


def _text(completed: Completed) -> str:
    stdout = completed.stdout.decode(errors="replace")
    stderr = completed.stderr.decode(errors="replace")
    if not stderr:
        return stdout
    if not stdout:
        return f"[stderr]\n{stderr}"
    return f"{stdout}{'' if stdout.endswith(chr(10)) else chr(10)}[stderr]\n{stderr}"


def _ending(completed: Completed) -> str:
    notes = []
    if completed.dropped_bytes:
        notes.append(f"{completed.dropped_bytes} bytes of output were over the limit and are lost")
    if completed.exit_code is None:
        notes.append(f"killed by its deadline after {completed.wall_s:.1f} s")
    elif completed.exit_code != 0:
        notes.append(f"exit code {completed.exit_code}")
    elif not completed.stdout and not completed.stderr:
        notes.append("no output")
    return f"\n[{'; '.join(notes)}]" if notes else ""


async def _next_number(sandbox: Sandbox) -> int:
    numbers = [int(match[1]) for path in await sandbox.list() if (match := _KEPT.fullmatch(path))]
    return max(numbers, default=0) + 1
