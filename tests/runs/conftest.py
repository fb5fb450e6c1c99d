"""A tiny world: a task, scripts for a model, and `outlay` as a subprocess."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

TASK = '''
"""Write the word `right` into answer.txt."""
import asyncio
import os

from outlay.tasks.types import Task, Verdict


async def verify(submission, bench):
    answer = submission.files.get("answer.txt", b"").decode().strip()
    if answer == "crash":
        raise RuntimeError("the verifier broke")
    if answer == "hang":
        while True:
            pass
    async with bench.fresh() as sandbox:
        seen = await sandbox.exec(["cat", "answer.txt"])
    assert seen.exit_code != 0, "the bench is not fresh"
    return Verdict(valid=True, score=float(len(answer)), passed=answer == "right", normalised=float(answer == "right"))


def task(seed):
    return Task(
        "test/word", "1", "Write right.", verify, ("answer.txt",),
        baseline={"answer.txt": b"no"}, reference={"answer.txt": b"right"}, verify_s=3,
        tools=("bash", "edit", "evaluate", "submit"),
    )
'''

Outlay = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with `word.py:task` in it."""
    (tmp_path / "word.py").write_text(TASK)
    return tmp_path


@pytest.fixture
def outlay(world: Path) -> Outlay:
    """Runs the command in the world's folder, in process sandboxes, without keys."""
    return outlay_in(world)


def outlay_in(folder: Path) -> Outlay:
    """The same in another folder."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "outlay"), *arguments],
            cwd=folder,
            env=clean_environment(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith("OUTLAY_")}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **more}


def script(folder: Path, *replies: Mapping[str, Any], name: str = "script.json") -> str:
    """A scripted model's name."""
    (folder / name).write_text(json.dumps(replies))
    return f"scripted:{name}"


def calling(tool: str, arguments: Any = None) -> Mapping[str, Any]:
    """A reply that calls one tool."""
    return {"calls": [{"name": tool, "arguments": {} if arguments is None else arguments}]}


def answering(answer: str) -> Sequence[Mapping[str, Any]]:
    """A conversation that submits `answer`."""
    return [calling("submit", {"answer": answer})]
