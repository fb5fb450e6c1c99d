"""Word problems of two or three steps with small integers, made anew for each seed. The smallest task there is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from outlay.tasks.types import Bench, Submission, Task, Verdict

ANSWER = "answer.txt"
_NAMES = ("Ana", "Ben", "Chidi", "Dara", "Emil", "Fatima", "Goro", "Hana", "Ivo", "Jun", "Kofi", "Lena")
_THINGS = ("apples", "books", "cards", "coins", "eggs", "marbles", "pencils", "shells", "stamps", "tickets")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
_PROMPT = """\
{question}

Work it out step by step; you may use python. Then call submit with the number only, for example "12".
"""


@dataclass(frozen=True)
class Problem:
    """A question and its whole answer, never 0."""

    question: str
    answer: int


Template = Callable[[Random, str, str], Problem]


def task(seed: int) -> Task:
    """The problem of this seed."""
    problem = make_problem(seed)
    right = problem.answer

    async def verify(submission: Submission, bench: Bench) -> Verdict:  # noqa: ARG001
        given = last_number(submission.files.get(ANSWER, b"").decode(errors="replace"))
        score = float(given == right)
        feedback = "right" if score else ("wrong" if given is not None else "no whole number found in the answer")
        evidence = {"given": str(given), "right": right}
        return Verdict(True, score, bool(score), score, feedback=feedback, evidence=evidence)

    return Task(
        id="answer/arithmetic",
        version="1",
        prompt=_PROMPT.format(question=problem.question),
        verifier=verify,
        artifacts=(ANSWER,),
        baseline={ANSWER: b"0"},
        reference={ANSWER: str(right).encode()},
        tools=("python", "submit"),
        unit="right",
        verify_s=20.0,
        summary="Word problems of two or three steps; the answer is one number.",
    )


def make_problem(seed: int) -> Problem:
    """Equal for equal seeds."""
    rng = Random(f"answer/arithmetic/{seed}")
    return rng.choice(_TEMPLATES)(rng, rng.choice(_NAMES), rng.choice(_THINGS))


def last_number(text: str) -> int | None:
    """The last number of the text if it is whole: `$1,200.` is 1200, `3.0` is 3; None for `3.5` or no number."""
    found = _NUMBER.findall(text)
    if not found or len(found[-1]) > 20:
        return None
    whole, _, fraction = found[-1].replace(",", "").partition(".")
    return None if fraction.strip("0") else int(whole)


def _buys_and_gives(rng: Random, name: str, things: str) -> Problem:
    boxes, each, given = rng.randint(2, 9), rng.randint(4, 12), rng.randint(1, 7)
    return Problem(
        f"{name} buys {boxes} boxes with {each} {things} each and gives {given} {things} to a friend. "
        f"How many {things} does {name} have left?",
        boxes * each - given,
    )


def _change(rng: Random, name: str, things: str) -> Problem:
    count, price = rng.randint(2, 9), rng.randint(2, 6)
    return Problem(
        f"{name} buys {count} {things} for ${price} each and pays with $100. How many dollars does {name} get back?",
        100 - count * price,
    )


def _shares(rng: Random, name: str, things: str) -> Problem:
    friends, each, kept = rng.randint(2, 8), rng.randint(3, 9), rng.randint(1, 9)
    return Problem(
        f"{name} has {friends * each + kept} {things}, keeps {kept} and shares the rest equally among {friends} "
        f"friends. How many {things} does each friend get?",
        each,
    )


def _week(rng: Random, name: str, things: str) -> Problem:
    start, daily, days, lost = rng.randint(5, 30), rng.randint(2, 9), rng.randint(3, 7), rng.randint(1, 5)
    return Problem(
        f"{name} has {start} {things} and gets {daily} more each day for {days} days, then loses {lost}. "
        f"How many {things} does {name} have now?",
        start + daily * days - lost,
    )


def _together(rng: Random, name: str, things: str) -> Problem:
    other = rng.choice([one for one in _NAMES if one != name])
    own, times = rng.randint(3, 15), rng.randint(2, 5)
    return Problem(
        f"{name} has {own} {things}. {other} has {times} times as many. How many {things} do they have together?",
        own + own * times,
    )


def _shelves(rng: Random, name: str, things: str) -> Problem:
    shelves, each, sold, price = rng.randint(2, 6), rng.randint(5, 9), rng.randint(1, 8), rng.randint(2, 5)
    return Problem(
        f"{name} has a shop with {shelves} shelves of {each} {things}. {sold} {things} break, the others are sold for "
        f"${price} each. How many dollars does {name} earn?",
        (shelves * each - sold) * price,
    )


def _half(rng: Random, name: str, things: str) -> Problem:
    half, more, eaten = rng.randint(4, 20), rng.randint(5, 15), rng.randint(1, 8)
    return Problem(
        f"{name} has {2 * half} {things}, sells half of them, finds {more} more and then loses {eaten}. "
        f"How many {things} does {name} have in the end?",
        half + more - eaten,
    )


_TEMPLATES: tuple[Template, ...] = (_buys_and_gives, _change, _shares, _week, _together, _shelves, _half)
