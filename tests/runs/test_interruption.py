"""Ctrl-C and kill -9: what was paid for is on disk, nothing is left behind, the next run resumes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from outlay.agents.books import fold
from outlay.agents.events import Ended, ToolCalled
from outlay.runs.store.log import read_events
from tests.runs.conftest import Outlay, calling, clean_environment, script

ARGUMENTS = ("run", "-t", "word.py:task", "-a", "loop", "--name", "e", "--sandbox", "weak")


def started_run(world: Path, model: str) -> subprocess.Popen[bytes]:
    """A run whose tool has said, through a named pipe, that it is running."""
    os.mkfifo(world / "running")
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "outlay"), *ARGUMENTS, "-m", model],
        cwd=world,
        env=clean_environment({}),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    (world / "running").read_text()
    return process


def blocking(world: Path) -> str:
    """A model whose first call runs until it is stopped, and removes a marker if it is not."""
    command = f"echo yes > {world}/running; sleep 300; touch {world}/survived"
    return script(world, calling("bash", {"command": command, "timeout_s": 60}))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_keeps_what_was_paid_and_the_next_one_resumes(
    world: Path, outlay: Outlay, how: signal.Signals
) -> None:
    process = started_run(world, blocking(world))
    process.send_signal(how)
    assert process.wait(30) == (130 if how is signal.SIGINT else -signal.SIGKILL)
    (log,) = (world / "results" / "e" / "rollouts").glob("*/1.jsonl")
    events = list(read_events(log))
    assert any(isinstance(event, ToolCalled) for event in events)
    books = fold(events)
    assert books is not None
    assert books.agent.spent["model_calls"] == 1
    if how is signal.SIGINT:
        assert isinstance(events[-1], Ended)
        assert events[-1].spent == books.agent.spent
        assert (books.agent.spent["tool_calls"], books.holds) == (1, {})
    else:
        assert books.agent.held == {"tool_calls": 1}
    assert "1 attempt that does not stand spent" in outlay("ls", "e").stdout
    script(world, calling("submit", {"answer": "right"}))
    assert outlay(*ARGUMENTS, "-m", "scripted:script.json").returncode == 0
    (rollout,) = json.loads(outlay("ls", "e", "--rollouts", "--json").stdout)
    assert (rollout["attempt"], rollout["passed"]) == (2, True)
