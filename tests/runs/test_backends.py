"""The same experiment on every backend gives the same scores."""

import json
from pathlib import Path

import pytest

from tests.runs.conftest import Outlay, calling, script


@pytest.mark.parametrize("backend", ["local", "ray"])
def test_an_experiment_runs_end_to_end(outlay: Outlay, world: Path, backend: str) -> None:
    model = script(world, calling("bash", {"command": "printf right > answer.txt"}), calling("submit"))
    (world / "all.toml").write_text(
        f"""
        tasks = ["{world}/word.py:task"]
        agents = ["loop", "reference", "baseline", "mutate"]
        models = ["scripted:{world}/script.json"]
        repeats = 2
        sandbox = "process"
        [budget]
        evaluations = 2
        """
    )
    assert model
    ran = outlay("run", "all.toml", "--backend", backend, "--jobs", "2")
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(outlay("ls", "all", "--json").stdout)
    assert {row["agent"]: row["normalised"] for row in rows} == {
        "loop": 1.0,
        "reference": 1.0,
        "baseline": 0.0,
        "mutate": 0.0,
    }
    assert all(row["n"] == row["scored"] == 2 for row in rows)
