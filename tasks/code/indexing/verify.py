"""Judges a faster `core.py`: restored tests, hidden inputs, then time by the judge's own clock.

The contract follows SWE-fficiency (arXiv 2511.06090): correctness first, then on every timed call; each repetition in a
fresh process; before and after side by side, in alternating order; a discarded warm-up. Programs with equal bytes are
timed once.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean, median

from outlay.tasks.code.indexing.guard import refusal
from outlay.tasks.replies import same, shown
from outlay.tasks.solver import Program, solve_all
from outlay.tasks.timing import Timed, net_seconds, start_up, timed, timed_apart
from outlay.tasks.types import Bench, Split, Submission, Verdict

ARTIFACT = "textindex/core.py"
REPETITIONS = {Split.SEARCH: 2, Split.FINAL: 5}
RUN_S = 15.0
"""Deadline of one process; the untouched module needs about half a second."""
_HERE = Path(__file__).parent

SOLVE = """
from textindex.core import build, together
def solve(documents):
    if documents is not None:
        index = build(documents)
        return [list(index.items()), together(index, 50)]
"""
TEST = """
import unittest
def solve(name):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName(name).run(result)
    return [result.testsRun, [test.id() for test, _ in result.failures + result.errors]]
"""
TESTS = ("tests.test_core", 5)
"""The module with the package's tests, and how many there are."""


class Wrong(Exception):
    """The submission is not correct; the message is for the agent."""


def workspace() -> dict[str, bytes]:
    """The pristine package, with its tests."""
    root = _HERE / "workspace"
    paths = (path for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths)}


def reference() -> bytes:
    return (_HERE / "reference" / ARTIFACT).read_bytes()


async def verify(submission: Submission, bench: Bench) -> Verdict:
    """Score: time of the untouched module over time of the submitted one. Normalised on a log scale."""
    source = submission.files.get(ARTIFACT)
    if source is None:
        return Verdict(False, feedback=submission.lack(ARTIFACT))
    if complaint := refusal(source):
        return Verdict(False, feedback=f"{ARTIFACT}: {complaint}")
    rounds = [documents(bench.rng) for _ in range(1 + REPETITIONS[bench.split])]
    try:
        await _run_tests(source, bench)
        before, after, expert = await _times(workspace()[ARTIFACT], source, reference(), rounds, bench)
    except Wrong as wrong:
        return Verdict(False, feedback=str(wrong))
    speedup, most = _ratio(before, after), _ratio(before, expert)
    return Verdict(
        valid=True,
        score=speedup,
        normalised=math.log(speedup) / math.log(most),
        metrics={"before_s": fmean(before), "after_s": fmean(after), "reference_s": fmean(expert), "best": most},
        feedback="All tests pass.",
    )


def documents(rng: Random) -> list[str]:
    """One hidden input. Sizes, vocabulary and its skew all vary."""
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(300)]
    weights = [1 / (rank + 1) ** rng.uniform(0.2, 0.6) for rank in range(len(vocabulary))]
    return [" ".join(rng.choices(vocabulary, weights, k=rng.randint(45, 65))).capitalize() + "." for _ in range(120)]


def _ratio(before: Sequence[float], after: Sequence[float]) -> float:
    """Median over rounds: each compares two programs on one input."""
    return median(b / a for b, a in zip(before, after, strict=True))


def _program(source: bytes, driver: str = SOLVE) -> Program:
    return Program({**workspace(), ARTIFACT: source}, driver)


async def _run_tests(source: bytes, bench: Bench) -> None:
    """The package's own tests, for the agent's sake: they share a process with the candidate. Raises `Wrong`."""
    module, count = TESTS
    (answer,) = await solve_all(bench, _program(source, TEST), [module], wall_s=RUN_S, total_s=RUN_S)
    if answer.fault or not same(answer.value, [count, []]):
        raise Wrong(f"the package's tests fail: {shown(answer.fault or answer.value)}")


async def _times(
    before: bytes, after: bytes, expert: bytes, rounds: Sequence[Sequence[str]], bench: Bench
) -> list[list[float]]:
    """Net seconds of each program in each round but the first. Raises `Wrong`."""
    programs = {source: _program(source) for source in (before, after, expert)}
    taken: dict[bytes, list[Timed]] = {source: [] for source in programs}
    async with bench.fresh() as ours:
        for number, documents in enumerate(rounds):
            for source in list(programs)[:: 1 if number % 2 else -1]:
                if source in (before, expert):
                    run = await timed(ours, programs[before], programs[source], documents, wall_s=RUN_S)
                else:
                    run = await timed_apart(bench, programs[before], programs[source], documents, wall_s=RUN_S)
                taken[source].append(run)
            _check(taken[before][-1], taken[after][-1])
    idle = start_up([run for runs in taken.values() for run in runs])
    return [net_seconds(taken[source][1:], idle) for source in (before, after, expert)]


def _check(before: Timed, after: Timed) -> None:
    if before.answer.fault:
        raise RuntimeError(f"the untouched package failed: {before.answer.fault}")
    if after.answer.fault:
        raise Wrong(f"a hidden input failed: {after.answer.fault}")
    if not same(after.answer.value, before.answer.value):
        raise Wrong("a hidden input gave another result than the untouched package")
