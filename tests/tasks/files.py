"""Task files whose verifiers do what a test asks for."""

from pathlib import Path

_TASK = """
import asyncio, os, random
from outlay.tasks.types import Direction, Task, Verdict

async def verify(submission, bench):
    body = submission.files.get("a", b"").decode()
{verifier}

def task(seed):
    return Task(id="test/task", version="1", prompt="", verifier=verify, artifacts=("a",), baseline={{"a": b"1"}},
                reference={{"a": b"2"}}, verify_s={verify_s}, direction=Direction("{direction}"))
"""


def task_file(folder: Path, verifier: str, *, verify_s: float = 20.0, direction: str = "higher") -> str:
    """The name of a new task with this verifier body, which sees `body` and `bench`."""
    file = folder / "written.py"
    indented = "\n".join(f"    {line}" for line in verifier.splitlines())
    file.write_text(_TASK.format(verifier=indented, verify_s=verify_s, direction=direction))
    return f"{file}:task"
