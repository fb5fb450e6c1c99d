"""`code/slow-function`: make the hot path of a small package fast without breaking it."""

from outlay.tasks.code.indexing.verify import ARTIFACT, reference, verify, workspace
from outlay.tasks.types import Task

PROMPT = f"""\
The package textindex is correct but slow. Make {ARTIFACT} as fast as you can; its functions must return exactly what
they return now. Run the tests with: python3 -m unittest tests.test_core

Only {ARTIFACT} is judged, with hidden inputs: the score is how many times faster it is. It may import the standard
library's data structures and algorithms, not os, sys, time and the like. `evaluate` scores it now (each call uses up
budget). Call submit when done.
"""


def task(seed: int) -> Task:  # noqa: ARG001 - one instance
    files = workspace()
    return Task(
        id="code/slow-function",
        version="1",
        prompt=PROMPT,
        verifier=verify,
        artifacts=(ARTIFACT,),
        files=files,
        baseline={ARTIFACT: files[ARTIFACT]},
        reference={ARTIFACT: reference()},
        unit="x",
        verify_s=240.0,
        repeatable_within=0.5,
        summary="make a slow pure-Python module fast; score: speed-up on hidden inputs",
    )
