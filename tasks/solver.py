"""The one way for verifiers to run a candidate: a new process per case that gets plain data and hands back plain data.

Three principals: the agent is gone; the solver, here, knows the case it is given and nothing else; the judge, who calls
this, knows the answers and owns the clock and the verdict. Nothing secret guards a result (whatever is in the solver's
process is the candidate's to read): it rests on expected values never entering a sandbox and on cases that nobody
could know beforehand. Whatever a candidate does is an `Answer`, at worst one with a fault; never an exception.
"""

import base64
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.types import Completed, Sandbox
from outlay.tasks.replies import Unreadable, read_reply
from outlay.tasks.types import Bench

HARNESS = Path(__file__).with_name("harness.py").read_text()
LOST = "the sandbox broke down under it, twice"
T = TypeVar("T")


@dataclass(frozen=True)
class Program:
    """What a solver runs."""

    files: Mapping[str, bytes]
    """The candidate's artifacts among the task's own files. Written anew for each process."""
    driver: str
    """Python of the verifier's that imports from `files` and defines `solve(case)`. The candidate can read it."""


@dataclass(frozen=True)
class Answer:
    """What came back for one case."""

    value: Any = None
    """JSON's types only, numbers finite. What it means is for the judge to check."""
    fault: str = ""
    """Why there is no result, in words that may be shown to an agent; empty when there is one."""
    wall_s: float = 0.0
    """Of the whole process, by a clock outside it."""


async def solve(sandbox: Sandbox, program: Program, case: Any, *, wall_s: float) -> Answer:
    """One case in one new process. `case` must be JSON-able. Raises `SandboxLost`."""
    name = secrets.token_hex(8)
    order = {
        "id": name,
        "folder": name,
        "files": {path: base64.b64encode(body).decode() for path, body in program.files.items()},
        "driver": program.driver,
        "case": case,
    }
    argv = ["python3", "-I", "-B", "-c", HARNESS]
    done = await sandbox.exec(argv, stdin=json.dumps(order, allow_nan=False).encode(), wall_s=wall_s)
    if fault := _fault(done, wall_s):
        return Answer(fault=fault, wall_s=done.wall_s)
    try:
        return Answer(read_reply(done.stdout, name), wall_s=done.wall_s)
    except Unreadable as why:
        return Answer(fault=str(why), wall_s=done.wall_s)


async def solve_all(
    bench: Bench, program: Program, cases: Sequence[Any], *, wall_s: float, total_s: float
) -> list[Answer]:
    """An answer per case, in order, from one sandbox, or from a new one after it was lost. A case gets at most
    `wall_s`, all together about `total_s`: so a slow candidate does not run into the verifier's own deadline.
    """
    until = time.monotonic() + total_s
    answers: list[Answer] = []

    async def rest(sandbox: Sandbox) -> bool:
        while len(answers) < len(cases):
            left = until - time.monotonic()
            if left <= 0:
                answers.append(Answer(fault=f"timeout: the cases before took {total_s:.3g} s"))
                continue
            answers.append(await solve(sandbox, program, cases[len(answers)], wall_s=min(wall_s, left)))
        return True

    while len(answers) < len(cases):
        if not await in_fresh(bench, rest):
            answers.append(Answer(fault=LOST))
    return answers


async def in_fresh(bench: Bench, run: Callable[[Sandbox], Awaitable[T]]) -> T | None:
    """What `run` returns in a fresh sandbox, or in a second one when the first was lost. None when both were: then a
    candidate brought them down, not the engine, without which there is no second one and `SandboxLost` is raised.
    """
    for _ in range(2):
        async with bench.fresh() as sandbox:
            try:
                return await run(sandbox)
            except SandboxLost:
                continue
    return None


def _fault(done: Completed, wall_s: float) -> str:
    """Why nothing can have come back; empty when something may have."""
    if done.killed == "flood":
        return "too large: it wrote without end"
    if done.exit_code is None:
        return f"timeout: no result within {wall_s:.3g} s"
    if done.dropped_bytes:
        return "too large: it wrote more than is kept"
    if not done.stdout:
        return "out of memory" if done.out_of_memory else f"no result: its process ended with code {done.exit_code}"
    return ""
