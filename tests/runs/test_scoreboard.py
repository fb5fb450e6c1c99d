"""The scoreboard's arithmetic."""

import pytest

from outlay.runs.stats.scoreboard import interval, scoreboard
from outlay.runs.types import Outcome, Rollout, Status


def outcome(repeat: int, score: float | None, status: Status = Status.COMPLETED) -> Outcome:
    rollout = Rollout(
        task="a/b",
        task_version="1",
        agent="loop",
        model="m",
        budget={},
        seed=repeat,
        repeat=repeat,
        sandbox="process",
        hardware="H100",
    )
    return Outcome(
        rollout=rollout,
        attempt=1,
        status=status,
        valid=score is not None,
        score=score,
        normalised=score,
        spent={"tokens": 10},
    )


def test_intervals_are_students() -> None:
    # mean 2, s = 1, n = 3: half width 4.3027 / sqrt(3), from the t table with two degrees of freedom
    low, high = interval([1, 2, 3])
    assert (low, high) == (pytest.approx(2 - 2.4841, abs=1e-4), pytest.approx(2 + 2.4841, abs=1e-4))
    assert interval([1.0]) == (None, None)


def test_an_invalid_submission_counts_as_the_baseline_and_an_error_not_at_all() -> None:
    (row,) = scoreboard([outcome(0, 1.0), outcome(1, None), outcome(2, None, Status.MODEL_ERROR)])
    assert (row.n, row.scored, row.score, row.normalised) == (3, 1, 1.0, 0.5)
    assert row.statuses == {"completed": 2, "model_error": 1}
