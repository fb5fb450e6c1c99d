"""The same experiment on every backend gives the same scores."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from outlay.runs.exec.worker import workplace
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.store.layout import Layout
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


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_container_says_which_experiment_it_is_for(tmp_path: Path) -> None:
    import docker

    async def labels() -> dict[str, str]:
        store = ExperimentStore(Layout(tmp_path, "with-a-name"))
        async with workplace(store, models=(), sandbox="docker", slots=1) as place, place.make_sandbox() as sandbox:
            found: Any = docker.from_env().containers.get(sandbox.record["container"])
            return dict(found.labels)

    assert asyncio.run(labels())["outlay.experiment"] == "with-a-name"
