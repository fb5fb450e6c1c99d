"""`optim/lr-schedule`: shape the learning rate so that a fixed training budget ends in the lowest test error.

Baseline: step decay by ten at 30, 60 and 90%. Reference: REX (arXiv 2107.04197), (1 - z) / (1/2 + (1 - z)/2).
"""

from outlay.tasks.optim.schedule.verify import ARTIFACT, shipped, verify
from outlay.tasks.types import Direction, Task

PROMPT = """\
schedule.py defines lr(step, total): the multiplier, from 0 to 10, on the base learning rate at `step` of `total`.
A small network is trained with it by SGD with momentum on noisy labels, for short, medium and long budgets; the base
rate is tuned for your schedule. Change schedule.py so that the mean test error is as low as possible.

Only the Python standard library is there. `evaluate` scores the schedule on public seeds (each call uses up budget);
hidden seeds decide. Call submit when done.
"""


def task(seed: int) -> Task:  # noqa: ARG001 - one instance
    return Task(
        id="optim/lr-schedule",
        version="1",
        prompt=PROMPT,
        verifier=verify,
        artifacts=(ARTIFACT,),
        files={ARTIFACT: shipped("baseline")},
        baseline={ARTIFACT: shipped("baseline")},
        reference={ARTIFACT: shipped("reference")},
        direction=Direction.LOWER,
        unit="% error",
        summary="shape a learning-rate schedule; score: test error over hidden seeds",
    )
