"""Judges a faster `core.py`: restored tests, hidden inputs, then time by the judge's own clock.

The contract follows SWE-fficiency (arXiv 2511.06090): correctness first; each repetition in a fresh process; before
and after side by side; a discarded warm-up. The clock runs outside the sandbox, around whole processes; the start-up
of an untouched package is subtracted, so a slow import gains nothing. Programs with equal bytes are timed once.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

from outlay.sandbox.types import Sandbox
from outlay.tasks.code.indexing.guard import refusal
from outlay.tasks.types import Bench, Split, Submission, Verdict

ARTIFACT = "textindex/core.py"
REPETITIONS = {Split.SEARCH: 3, Split.FINAL: 5}
LEAST_S = 1e-3
"""No process is believed to be faster than this; it bounds the score."""
_HERE = Path(__file__).parent

RUN = """
import json, sys
sys.path.insert(0, ".")
from textindex.core import build, together
documents = json.load(sys.stdin)
if documents:
    index = build(documents)
    sys.stdout.write("\\n" + json.dumps([list(index.items()), together(index, 50)]))
"""


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
        return Verdict(False, feedback=f"{ARTIFACT} is missing")
    if complaint := refusal(source):
        return Verdict(False, feedback=f"{ARTIFACT}: {complaint}")
    rounds = [documents(bench.rng) for _ in range(1 + REPETITIONS[bench.split])]
    try:
        before, after, expert = await _times((workspace()[ARTIFACT], source, reference()), rounds, bench)
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
    return [" ".join(rng.choices(vocabulary, weights, k=rng.randint(45, 65))).capitalize() + "." for _ in range(200)]


def _ratio(before: Sequence[float], after: Sequence[float]) -> float:
    """Median over rounds: each compares two programs on one input."""
    return median(b / a for b, a in zip(before, after, strict=True))


async def _times(programs: Sequence[bytes], rounds: Sequence[Sequence[str]], bench: Bench) -> list[list[float]]:
    """Seconds of each program in each round but the first, start-up subtracted. Raises `Wrong`."""
    async with AsyncExitStack() as stack:
        boxes: dict[bytes, Sandbox] = {}
        for program in dict.fromkeys(programs):
            boxes[program] = await stack.enter_async_context(bench.fresh())
            await _fill(boxes[program], {**workspace(), ARTIFACT: program})
        await _run_tests(boxes[programs[1]])
        taken: dict[bytes, list[float]] = {program: [] for program in boxes}
        start_ups = [(await _run(boxes[programs[0]], []))[1] for _ in rounds]
        for documents in rounds:
            answers = {}
            for program, box in boxes.items():
                answers[program], seconds = await _run(box, documents)
                taken[program].append(seconds)
            if answers[programs[1]] != answers[programs[2]]:
                raise Wrong("a hidden input gave another result than the untouched package")
    start_up = median(start_ups)
    return [[max(LEAST_S, seconds - start_up) for seconds in taken[program][1:]] for program in programs]


async def _fill(box: Sandbox, files: Mapping[str, bytes]) -> None:
    for path, body in files.items():
        await box.write(path, body)


async def _run_tests(box: Sandbox) -> None:
    done = await box.exec(["python3", "-m", "unittest", "tests.test_core"], wall_s=20)
    if done.exit_code != 0:
        failed = [
            line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith(("FAIL", "ERROR"))
        ]
        raise Wrong(f"the package's tests fail: {'; '.join(failed) or 'they did not end'}")


async def _run(box: Sandbox, documents: Sequence[str]) -> tuple[Any, float]:
    """What the program found, and how long its process took."""
    done = await box.exec(["python3", "-I", "-c", RUN], stdin=json.dumps(documents).encode(), wall_s=30)
    if done.exit_code != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Wrong(f"a hidden input failed: {last or 'it was killed by its deadline'}")
    try:
        return (json.loads(done.stdout.rpartition(b"\n")[2]) if documents else None), done.wall_s
    except ValueError:
        raise Wrong("a hidden input gave no result") from None
