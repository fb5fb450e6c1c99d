"""The bundled optimisation tasks: honest work is scored, tricks are not."""

import asyncio
from collections.abc import Mapping

import pytest

from outlay.tasks.judge import verify
from outlay.tasks.registry import load_task
from outlay.tasks.types import Split, Submission, Verdict

CORE, SCHEDULE = "textindex/core.py", "schedule.py"
SLOW, RATES = "code/slow-function", "optim/lr-schedule"


def judged(task: str, files: Mapping[str, bytes], split: Split = Split.SEARCH) -> Verdict:
    return asyncio.run(verify(task, 0, Submission(files), split=split, judge_seed="secret", sandbox="process"))


def core(kind: str) -> bytes:
    return getattr(load_task(SLOW, 0), kind)[CORE]  # type: ignore[no-any-return]


def test_the_reference_is_at_one_and_much_faster() -> None:
    verdict = judged(SLOW, {CORE: core("reference")})
    assert verdict.score is not None
    assert verdict.score > 2
    assert verdict.normalised == 1.0


def test_the_untouched_module_is_at_zero() -> None:
    verdict = judged(SLOW, {CORE: core("baseline")})
    assert (verdict.score, verdict.normalised) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("trick", "said"),
    [
        (b"def build(documents): return {}\ndef together(index, limit): return []\n", "tests fail"),
        (b"import os\n", "line 1 uses os"),
        (b"import collections\ncollections._sys.exit(0)\n", "line 2 uses _sys"),
        (b"print('[[], []]')\n", "uses print"),
        (b"def build(:\n", "does not parse"),
        (b"raise SystemExit(0)\n", "tests fail: error: SystemExit: 0"),
    ],
)
def test_a_trick_is_not_scored(trick: bytes, said: str) -> None:
    verdict = judged(SLOW, {CORE: trick})
    assert (verdict.valid, verdict.score) == (False, None)
    assert said in verdict.feedback


def test_fast_but_wrong_is_not_scored() -> None:
    wrong = core("reference").replace(b"nsmallest(limit, pairs)", b"nsmallest(min(limit, 40), pairs)")
    verdict = judged(SLOW, {CORE: wrong})
    assert "a hidden input gave another result" in verdict.feedback


def test_rex_is_the_reference_and_beats_step_decay_on_hidden_seeds() -> None:
    task = load_task(RATES, 0)
    verdict = judged(RATES, task.reference, Split.FINAL)
    assert verdict.normalised == 1.0
    assert verdict.metrics["reference"] < verdict.metrics["baseline"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("float('nan')", "nan is no finite number"),
        ("-0.1", "must be a number from 0 to 10"),
        ("11", "must be a number from 0 to 10"),
        ("True", "must be a number"),
        ("'1'", "must be a number"),
        ("1 / 0", "ZeroDivisionError"),
        ("exit(0)", "error: SystemExit: 0"),
    ],
)
def test_a_schedule_that_is_none_is_not_scored(body: str, said: str) -> None:
    verdict = judged(RATES, {SCHEDULE: f"def lr(step, total):\n    return {body}\n".encode()})
    assert (verdict.valid, verdict.score) == (False, None)
    assert said in verdict.feedback


def test_what_is_missing_is_named() -> None:
    assert "schedule.py is missing" in judged(RATES, {}).feedback
    assert "core.py is missing" in judged(SLOW, {}).feedback
