"""How long candidates take, by a clock outside their sandboxes.

Each timed run has a case that nobody could know, in a process of its own; an untouched program starts in the same
sandbox just before, and what it took is subtracted: so a slow import gains nothing, and every run finds its sandbox
equally warm. Whoever compares programs alternates their order from round to round and checks every timed answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from outlay.sandbox.types import Sandbox
from outlay.tasks.solver import LOST, Answer, Program, in_fresh, solve
from outlay.tasks.types import Bench

LEAST_S = 1e-3
"""No process is believed to be faster than this; it bounds every ratio."""


@dataclass(frozen=True)
class Timed:
    """One run and the start-up before it."""

    answer: Answer
    start_up_s: float = 0.0


async def timed(sandbox: Sandbox, untouched: Program, program: Program, case: Any, *, wall_s: float) -> Timed:
    """The answer of `program`. `untouched` is the task's own; its driver must answer the case None at once."""
    idle = await solve(sandbox, untouched, None, wall_s=wall_s)
    if idle.fault:
        raise RuntimeError(f"the untouched program does not start: {idle.fault}")
    return Timed(await solve(sandbox, program, case, wall_s=wall_s), idle.wall_s)


async def timed_apart(bench: Bench, untouched: Program, program: Program, case: Any, *, wall_s: float) -> Timed:
    """The same in a sandbox of its own, gone afterwards: for candidates, who could leave files and processes there to
    help their next run or to slow down another's.
    """

    async def run(sandbox: Sandbox) -> Timed:
        return await timed(sandbox, untouched, program, case, wall_s=wall_s)

    return await in_fresh(bench, run) or Timed(Answer(fault=LOST))


def net_seconds(runs: Sequence[Timed], start_up_s: float) -> list[float]:
    """What each run took beyond starting up."""
    return [max(LEAST_S, run.answer.wall_s - start_up_s) for run in runs]


def start_up(runs: Sequence[Timed]) -> float:
    """Median over all programs' runs: a single one is noisier than what it is subtracted from."""
    return median(run.start_up_s for run in runs)
