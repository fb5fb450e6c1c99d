"""Word problems: sound for every seed, and judged by the last whole number."""

import asyncio
import re
from random import Random
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.tasks.answer.arithmetic import last_number, make_problem, task
from outlay.tasks.types import Submission, Verdict


def judged(seed: int, files: dict[str, bytes]) -> Verdict:
    return asyncio.run(task(seed).verifier(Submission(files), Mock(rng=Random(0))))


@given(st.integers(0, 10**6))
def test_every_seed_makes_the_same_problem_twice_with_a_positive_answer(seed: int) -> None:
    assert make_problem(seed) == make_problem(seed)
    assert make_problem(seed).answer > 0
    assert make_problem(seed).question in task(seed).prompt


def test_at_least_six_kinds_of_problem_come_up() -> None:
    assert len({re.sub(r"\d+|[A-Z]\w+", "", make_problem(seed).question)[-30:] for seed in range(200)}) >= 6


@given(st.integers(0, 1000))
def test_only_the_right_number_scores(seed: int) -> None:
    right = make_problem(seed).answer
    assert judged(seed, {"answer.txt": f"The answer is ${right}.\n".encode()}).score == 1.0
    for files in ({"answer.txt": str(right + 1).encode()}, {"answer.txt": b"\xff"}, {}, dict(task(seed).baseline)):
        verdict = judged(seed, files)
        assert (verdict.valid, verdict.score, verdict.passed, verdict.normalised) == (True, 0.0, False, 0.0)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("$1,234.", 1234),
        ("3 + 4 = 7", 7),
        ("-5", -5),
        ("10-5", 5),
        ("7.0", 7),
        ("$7.50", None),
        ("seven", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_the_last_whole_number_is_the_answer(text: str, number: int | None) -> None:
    assert last_number(text) == number


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert last_number(text) is None or last_number(text + " 8") == 8


@given(st.integers(-(10**9), 10**9))
def test_numbers_with_thousands_marks_read_as_themselves(number: int) -> None:
    assert last_number(f"{number:,}.") == number == last_number(str(number))
