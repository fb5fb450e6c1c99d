"""Judges a schedule: the candidate's code only turns step numbers into multipliers, in a sandbox; the judge trains."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from outlay.tasks.replies import is_number, shown
from outlay.tasks.solver import Answer, Program, solve_all
from outlay.tasks.types import Bench, Split, Submission, Verdict

EPOCHS = (3, 8, 20)
"""Training budgets."""
PUBLIC_SEEDS = tuple(range(6))
HIDDEN_SEEDS = 12
LARGEST = 10.0
ARTIFACT = "schedule.py"
_HERE = Path(__file__).parent

DRIVER = """
from schedule import lr
def solve(total):
    return [lr(step, total) for step in range(total)]
"""
SOLVER_S = 20.0
"""All budgets together."""


def shipped(kind: str) -> bytes:
    """The artifact as `baseline` or `reference`."""
    return (_HERE / kind / ARTIFACT).read_bytes()


async def verify(submission: Submission, bench: Bench) -> Verdict:
    """Score: mean test error in percent. Normalised on the same seeds, so the reference is at 1 exactly."""
    from outlay.tasks.optim.schedule.training import mean_test_error

    source = submission.files.get(ARTIFACT)
    if source is None:
        return Verdict(False, feedback=submission.lack(ARTIFACT))
    try:
        schedules = await multipliers(source, bench)
    except ValueError as error:
        return Verdict(False, feedback=str(error))
    seeds = PUBLIC_SEEDS if bench.split is Split.SEARCH else hidden_seeds(bench)
    score, spread = mean_test_error(schedules, seeds)
    zero, one = [
        mean_test_error(await _shipped_multipliers(kind, bench), seeds)[0] for kind in ("baseline", "reference")
    ]
    return Verdict(
        valid=True,
        score=score,
        normalised=(zero - score) / (zero - one),
        metrics={"standard_error": spread, "baseline": zero, "reference": one},
        feedback=f"Baseline {zero:.3f}, mean over {len(seeds)} seeds and {len(EPOCHS)} budgets.",
        evidence={"seeds": list(seeds)},
    )


def hidden_seeds(bench: Bench) -> tuple[int, ...]:
    """Never one of the public ones."""
    return tuple(bench.rng.sample(range(1_000, 1_000_000), HIDDEN_SEEDS))


async def multipliers(source: bytes, bench: Bench) -> list[list[float]]:
    """One list per budget, each from a process of its own. Raises `ValueError` with what the agent may be told."""
    program = Program({ARTIFACT: source}, DRIVER)
    answers = await solve_all(bench, program, totals(), wall_s=SOLVER_S, total_s=SOLVER_S)
    return [_checked(answer, total) for answer, total in zip(answers, totals(), strict=True)]


def totals() -> list[int]:
    """Steps of each training budget."""
    from outlay.tasks.optim.schedule.training import STEPS_PER_EPOCH

    return [epochs * STEPS_PER_EPOCH for epochs in EPOCHS]


def _checked(answer: Answer, total: int) -> list[float]:
    found = answer.value
    if answer.fault:
        raise ValueError(f"{ARTIFACT} failed for {total} steps: {answer.fault}")
    if not isinstance(found, list) or len(found) != total:
        raise ValueError("lr must return one number for each step")
    for step, value in enumerate(found):
        if not is_number(value) or not 0 <= value <= LARGEST:
            raise ValueError(f"lr({step}, {total}) is {shown(value)}; it must be a number from 0 to {LARGEST:g}")
    return found


async def _shipped_multipliers(kind: str, bench: Bench) -> Sequence[Sequence[float]]:
    known = _known()
    if kind not in known:
        known[kind] = await multipliers(shipped(kind), bench)
    return known[kind]


@cache
def _known() -> dict[str, list[list[float]]]:
    """The shipped schedules' values, once per judge process."""
    return {}
