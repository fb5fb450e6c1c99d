"""Hidden cases come from a secret of the experiment: equal for all agents of a repeat, known to nobody beforehand."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.store.layout import Layout
from outlay.runs.types import Rollout
from tests.runs.conftest import Outlay

DRAWING = '''
"""Its score is the first hidden draw."""
from outlay.tasks.types import Task, Verdict

async def verify(submission, bench):
    return Verdict(True, bench.rng.random())

def task(seed):
    return Task("test/draw", "1", "", verify, ("a",), baseline={"a": b"1"}, reference={"a": b"2"})
'''


def draws(outlay: Outlay, world: Path, name: str, *options: str) -> Mapping[tuple[str, int], float]:
    """By agent and repeat."""
    (world / "draw.py").write_text(DRAWING)
    ran = outlay("run", "-t", "draw.py:task", "-n", "2", "--name", name, "--sandbox", "process", *options)
    assert ran.returncode == 0, ran.stderr
    outcomes = [json.loads(p.read_text()) for p in (world / "results" / name).rglob("standing.json")]
    return {(o["rollout"]["agent"], o["rollout"]["repeat"]): o["score"] for o in outcomes}


def test_agents_of_one_repeat_share_draws_that_no_other_experiment_has(outlay: Outlay, world: Path) -> None:
    both = ("-a", "reference", "-a", "baseline")
    first, second = (draws(outlay, world, name, *both) for name in ("first", "second"))
    for found in (first, second):
        assert found["reference", 0] == found["baseline", 0]
        assert found["reference", 1] == found["baseline", 1]
    assert len({*first.values(), *second.values()}) == 4


def test_agents_that_another_backend_adds_later_share_them_too(outlay: Outlay, world: Path) -> None:
    here = draws(outlay, world, "first", "-a", "reference")
    later = draws(outlay, world, "first", "-a", "baseline", "--backend", "ray")
    assert [later["baseline", repeat] for repeat in (0, 1)] == [here["reference", repeat] for repeat in (0, 1)]


def test_the_secret_is_in_one_file_that_only_its_owner_can_read(outlay: Outlay, world: Path) -> None:
    draws(outlay, world, "first", "-a", "reference")
    layout = Layout(world / "results", "first")
    secret = layout.judge_secret.read_text()
    assert len(bytes.fromhex(secret)) == 32
    assert layout.judge_secret.stat().st_mode & 0o777 == 0o600
    others = [p for p in layout.directory.rglob("*") if p.is_file() and p != layout.judge_secret]
    assert not [path for path in others if secret in path.read_text(errors="replace")]


def test_processes_that_ask_at_once_get_the_same_secret(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    rollout = Rollout(
        task="a/b",
        task_version="1",
        agent="loop",
        model=None,
        budget={},
        seed=7,
        repeat=0,
        sandbox="process",
        hardware="H100",
    )
    with ThreadPoolExecutor(16) as pool:
        stores = [ExperimentStore(Layout(tmp_path, "first")) for _ in range(64)]
        seeds = list(pool.map(lambda store: store.judge_seed(rollout), stores))
    assert len(set(seeds)) == 1
    assert [path.name for path in (tmp_path / "first").iterdir()] == ["judge_secret"]
