"""Runs verifiers in warm processes of their own, so that one that crashes or hangs takes nothing down with it.

Deadlines stand at three depths: the verifier is cancelled at `verify_s`, so that it can remove its sandboxes; a timer
signal kills a process that does not listen `GRACE_S` later; `START_S` more covers importing the task.
"""

import asyncio
import json
import math
import os
import signal
import time
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import Any

import anyio
import anyio.to_process
from anyio.lowlevel import RunVar

from outlay.sandbox.choose import sandbox_maker
from outlay.sandbox.errors import OutlayError
from outlay.tasks.bench import CleanBench
from outlay.tasks.errors import VerifierError
from outlay.tasks.registry import anchored, load_task
from outlay.tasks.types import Split, Submission, Task, Verdict

GRACE_S = 2.0
START_S = 60.0
_places: RunVar[anyio.CapacityLimiter] = RunVar("judge_places")
_load = lru_cache(maxsize=64)(load_task)


async def verify(
    task_name: str,
    seed: int,
    submission: Submission,
    *,
    split: Split,
    judge_seed: str,
    sandbox: str,
) -> Verdict:
    """Judges a submission. `sandbox` names the kind that candidates' code runs in, as for `sandbox_maker`.

    `judge_seed` decides all hidden draws: it must hold something that nobody outside the judge can know beforehand,
    and be equal where verdicts are to be compared or repeated.

    At most one verification per core (and two at least) runs at a time; others queue, and the deadline starts only
    when the judge does. Raises `VerifierError` when the verifier crashed, hung or returned a malformed verdict.
    """
    name = anchored(task_name)
    task = _load(name, seed)
    async with _limiter():
        with anyio.move_on_after(task.verify_s + GRACE_S + START_S):
            plain = Submission(dict(submission.files), dict(submission.refused))
            outcome = await _outcome(task, name, seed, plain, str(split), judge_seed, sandbox)
            if "refused" in outcome:
                raise VerifierError(task.id, outcome["refused"])
            return Verdict(**outcome)
    raise VerifierError(task.id, _late(task))


async def warm(sandbox: str) -> None:
    """Starts a judge process before there is anything to judge: it takes as long as many a rollout."""
    with suppress(anyio.BrokenWorkerProcess):  # the first verification will say so
        await anyio.to_process.run_sync(_ready, sandbox, cancellable=True, limiter=anyio.CapacityLimiter(1))


def _ready(sandbox: str) -> None:
    """Finds out once what this machine can do, after the imports."""
    with suppress(OutlayError):
        sandbox_maker(sandbox)


async def _outcome(task: Task, *question: Any) -> dict[str, Any]:
    started = time.monotonic()
    unlimited = anyio.CapacityLimiter(math.inf)  # `_limiter` has done the queueing
    try:
        answer = await anyio.to_process.run_sync(_judged, *question, cancellable=True, limiter=unlimited)
    except anyio.BrokenWorkerProcess:
        late = time.monotonic() - started >= task.verify_s
        raise VerifierError(task.id, _late(task) if late else "its process died") from None
    outcome: dict[str, Any] = json.loads(answer)
    return outcome


def _limiter() -> anyio.CapacityLimiter:
    try:
        return _places.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(max(2, os.cpu_count() or 2))
        _places.set(limiter)
        return limiter


def _late(task: Task) -> str:
    return f"it was not done after its deadline of {task.verify_s:g} s (`verify_s`)"


def _judged(name: str, seed: int, submission: Submission, split: str, judge_seed: str, sandbox: str) -> str:
    """Runs in the judge process. Plain data in, JSON out: the verdict's fields, or `refused` with the reason."""
    try:
        task = _load(name, seed)
        rng = Random(f"{judge_seed}/{task.id}/{task.version}/{split}")
        bench = CleanBench(Split(split), rng, sandbox_maker(sandbox), task.sandbox)
        signal.setitimer(signal.ITIMER_REAL, task.verify_s + GRACE_S)
        started = time.monotonic()
        try:
            verdict = asyncio.run(_timed(task, submission, bench))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return json.dumps(_plain(verdict) | {"seconds": time.monotonic() - started}, allow_nan=False)
    except (Exception, SystemExit) as error:
        return json.dumps({"refused": f"{type(error).__name__}: {error}"})


async def _timed(task: Task, submission: Submission, bench: CleanBench) -> Verdict:
    deadline = asyncio.timeout(task.verify_s)
    try:
        async with deadline:
            return await task.verifier(submission, bench)
    except TimeoutError:
        if deadline.expired():
            raise TimeoutError(_late(task)) from None
        raise


def _plain(verdict: object) -> dict[str, Any]:
    if not isinstance(verdict, Verdict):
        raise TypeError(f"it returned a {type(verdict).__name__}, not a Verdict")
    if verdict.valid != (verdict.score is not None):
        raise ValueError(f"a verdict has a score exactly when it is valid; got {verdict.valid=}, {verdict.score=}")
    return {
        "valid": bool(verdict.valid),
        "score": _finite("score", verdict.score),
        "passed": None if verdict.passed is None else bool(verdict.passed),
        "normalised": _finite("normalised", verdict.normalised),
        "metrics": {str(name): _finite(name, value) for name, value in verdict.metrics.items()},
        "feedback": str(verdict.feedback),
        "evidence": dict(verdict.evidence),
    }


def _finite(name: str, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return None if value is None else float(value)
