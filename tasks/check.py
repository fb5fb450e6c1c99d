"""Is a task fit for use? Its reference must beat its baseline, and say the same twice."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from outlay.tasks.errors import VerifierError
from outlay.tasks.judge import verify
from outlay.tasks.registry import load_task
from outlay.tasks.types import Direction, Split, Submission, Task, Verdict


@dataclass(frozen=True)
class CheckRow:
    """One line of `outlay tasks check`."""

    task: str
    ok: bool
    reason: str
    baseline: float | None = None
    reference: float | None = None
    reference_again: float | None = None
    seconds: float = 0.0
    """Of the three verifications together."""


async def check(name: str, *, sandbox: str) -> CheckRow:
    """Verifies the baseline once and the reference twice, on one draw of the final split of seed 0, new each time."""
    task = load_task(name, 0)
    judge_seed = secrets.token_hex()

    async def judged(files: Mapping[str, bytes]) -> Verdict:
        return await verify(name, 0, Submission(files), split=Split.FINAL, judge_seed=judge_seed, sandbox=sandbox)

    try:
        verdicts = [await judged(files) for files in (task.baseline, task.reference, task.reference)]
    except VerifierError as error:
        return CheckRow(name, ok=False, reason=str(error))
    baseline, reference, again = (verdict.score for verdict in verdicts)
    seconds = sum(verdict.seconds for verdict in verdicts)
    if baseline is None or reference is None or again is None:
        invalid = "baseline" if baseline is None else "reference"
        said = next(verdict.feedback for verdict in verdicts if verdict.score is None)
        return CheckRow(name, False, f"the {invalid} is not valid: {said}", baseline, reference, again, seconds)
    fault = _fault(task, baseline, reference, again)
    reason = fault or "the reference beats the baseline"
    return CheckRow(name, not fault, reason, baseline, reference, again, seconds)


def _fault(task: Task, baseline: float, reference: float, again: float) -> str:
    """What is wrong with the scores; empty when nothing is."""
    sign = 1 if task.direction is Direction.HIGHER else -1
    if min(sign * reference, sign * again) <= sign * baseline:
        return f"the reference ({reference:g}) does not beat the baseline ({baseline:g}); {task.direction} is better"
    apart = abs(reference - again) / (max(abs(reference), abs(again)) or 1.0)
    if apart > task.repeatable_within:
        return f"two verifications of the reference differ by {apart:.2%}; allowed is {task.repeatable_within:.2%}"
    return ""
