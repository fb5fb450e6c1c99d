"""Judges a schedule: the candidate's code only turns step numbers into multipliers, in a sandbox; the judge trains."""

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from outlay.tasks.types import Bench, Split, Submission, Verdict

EPOCHS = (3, 8, 20)
"""Training budgets."""
PUBLIC_SEEDS = tuple(range(6))
HIDDEN_SEEDS = 12
LARGEST = 10.0
ARTIFACT = "schedule.py"
_HERE = Path(__file__).parent

SOLVER = """
import json, sys
sys.path.insert(0, ".")
from schedule import lr
print("\\n" + json.dumps([[lr(step, total) for step in range(total)] for total in json.load(sys.stdin)]))
"""


def shipped(kind: str) -> bytes:
    """The artifact as `baseline` or `reference`."""
    return (_HERE / kind / ARTIFACT).read_bytes()


async def verify(submission: Submission, bench: Bench) -> Verdict:
    """Score: mean test error in percent. Normalised on the same seeds, so the reference is at 1 exactly."""
    from outlay.tasks.optim.schedule.training import mean_test_error

    source = submission.files.get(ARTIFACT)
    if source is None:
        return Verdict(False, feedback=f"{ARTIFACT} is missing")
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
    """One list per budget, computed in a fresh sandbox. Raises `ValueError` with what the agent may be told."""
    async with bench.fresh() as sandbox:
        await sandbox.write(ARTIFACT, source)
        done = await sandbox.exec(["python3", "-I", "-c", SOLVER], stdin=json.dumps(totals()).encode(), wall_s=20)
    if done.exit_code != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(f"{ARTIFACT} failed: {last or 'it was killed by its deadline'}")
    return _checked(done.stdout)


def totals() -> list[int]:
    """Steps of each training budget."""
    from outlay.tasks.optim.schedule.training import STEPS_PER_EPOCH

    return [epochs * STEPS_PER_EPOCH for epochs in EPOCHS]


def _checked(stdout: bytes) -> list[list[float]]:
    try:
        found = json.loads(stdout.strip().rpartition(b"\n")[2])
    except ValueError as error:
        raise ValueError(f"{ARTIFACT} printed something after its answers") from error
    wanted = totals()
    if not isinstance(found, list) or [len(row) if isinstance(row, list) else -1 for row in found] != wanted:
        raise ValueError("lr must return one number for each step")
    for row, total in zip(found, wanted, strict=True):
        for step, value in enumerate(row):
            if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= LARGEST:
                raise ValueError(f"lr({step}, {total}) is {value}; it must be a number from 0 to {LARGEST:g}")
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
