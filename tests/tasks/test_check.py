"""A task is fit when its reference beats its baseline, twice alike."""

import asyncio
from pathlib import Path

import pytest

from outlay.tasks.check import CheckRow, check
from tests.tasks.files import task_file


def checked(name: str) -> CheckRow:
    return asyncio.run(check(name, sandbox="process"))


def test_the_arithmetic_task_is_fit() -> None:
    row = checked("answer/arithmetic")
    assert row.ok
    assert (row.baseline, row.reference, row.reference_again) == (0.0, 1.0, 1.0)


def test_a_lower_reference_is_fit_where_lower_is_better(tmp_path: Path) -> None:
    row = checked(task_file(tmp_path, "return Verdict(True, -float(body))", direction="lower"))
    assert row.ok


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        ("return Verdict(True, -float(body))", "does not beat the baseline"),
        ("return Verdict(True, 1.0)", "does not beat the baseline"),
        ("return Verdict(True, float(body) + random.random() / 100)", "differ by"),
        ('return Verdict(body == "1", 1.0 if body == "1" else None, feedback="odd")', "reference is not valid: odd"),
        ('return Verdict(body == "2", 1.0 if body == "2" else None, feedback="odd")', "baseline is not valid: odd"),
        ("raise ValueError(body)", "ValueError: 1"),
    ],
)
def test_an_unfit_task_says_why(tmp_path: Path, verifier: str, said: str) -> None:
    row = checked(task_file(tmp_path, verifier))
    assert not row.ok
    assert said in row.reason
