"""What the framework itself costs: time per turn, rollouts per second, bytes, start-up, memory.

    python -m tests.benchmarks.overhead [--json] [--alone]

A rollout has ten turns: an instantly answering scripted model, a no-op tool, events written to disk, a verifier that
accepts. Everything runs as `outlay run` does, judge process included, in a process sandbox. Other frameworks are
measured beside it, since no two machines, or hours of one, are equally fast.

On a machine that others use too, one minute may be five times slower than the next. So each figure is that of the
fastest stretch of a run, a hundred rollouts (peers: a fraction of theirs); `whole_rollouts_per_s_64` is that of all
600, with the start of the judge process.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from outlay.runs.exec.local import run_local
from outlay.runs.plan import plan
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.store.layout import Layout
from outlay.runs.types import Outcome, Spec
from tests.benchmarks import peers

TURNS = 10
STRETCH = 100
TASK = '''
"""Ten turns of nothing."""
from outlay.tasks.types import Task, Verdict


async def accept(submission, bench):
    return Verdict(valid=True, score=1.0, normalised=1.0)


def task(seed):
    return Task("bench/noop", "1", "Call nothing.", accept, ("answer.txt",), {}, {}, tools=("%s", "submit"))
'''
TOOL = '''
"""A tool that does nothing."""
from pydantic import BaseModel
from outlay.tools.types import ToolResult


class Nothing(BaseModel):
    pass


class Noop:
    name = "noop"
    description = "Does nothing."
    arguments = Nothing
    meters = ()

    def units(self, args):
        return {}

    async def __call__(self, args, context):
        return ToolResult("ok")


noop = Noop()
'''


def measured() -> dict[str, float]:
    """All figures. Per-turn times are the rollout's, divided by its turns, at concurrency 1, 8 and 64."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        spec = _spec(base)
        for jobs, repeats in ((1, 300), (8, 600), (64, 600)):
            _timed(spec, base / f"warm-{jobs}", jobs=jobs, repeats=20)
            ends = _timed(spec, base / f"r{jobs}", jobs=jobs, repeats=repeats)
            fastest = min(late - early for early, late in zip(ends, ends[STRETCH:], strict=False))
            figures[f"ms_per_turn_{jobs}"] = 1e3 * fastest / STRETCH / TURNS
            figures[f"rollouts_per_s_{jobs}"] = STRETCH / fastest
            figures[f"whole_rollouts_per_s_{jobs}"] = repeats / ends[-1]
        figures["bytes_per_rollout"] = _bytes(base / "r64") / 600
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["cli_help_s"] = median(_help_s() for _ in range(5))
    return figures


def _spec(base: Path) -> Spec:
    (base / "noop_tool.py").write_text(TOOL)
    (base / "noop_task.py").write_text(TASK % f"{base / 'noop_tool.py'}:noop")
    turn = {"text": "thinking", "calls": [{"name": "noop", "arguments": {}}]}
    last = {"text": "done", "calls": [{"name": "submit", "arguments": {}}]}
    (base / "script.json").write_text(json.dumps([turn] * (TURNS - 1) + [last]))
    return Spec(
        name="overhead",
        tasks=[f"{base / 'noop_task.py'}:task"],
        agents=["loop"],
        models=[f"scripted:{base / 'script.json'}"],
        budget={"tokens": 10**7, "tool_calls": 100},
        sandbox="process",
    )


def _timed(spec: Spec, results: Path, *, jobs: int, repeats: int) -> list[float]:
    """When each of `repeats` rollouts ended, verified; seconds from the beginning, in order."""
    store = ExperimentStore(Layout(results, spec.name))
    store.begin(spec)
    ended: list[Outcome] = []
    ends: list[float] = []

    def note(outcome: Outcome) -> None:
        ended.append(outcome)
        ends.append(time.perf_counter() - began)

    rollouts = plan(spec.model_copy(update={"repeats": repeats}))
    began = time.perf_counter()
    asyncio.run(run_local(rollouts, store, sandbox="process", jobs=jobs, ended=note))
    assert all(outcome.status == "completed" and outcome.score == 1.0 for outcome in ended), ended[0]
    return ends


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "standing.json")


def _help_s() -> float:
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).parent / "outlay", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def table(figures: dict[str, float], others: dict[str, dict[str, float]]) -> str:
    """The figures beside the peers'."""

    def cell(value: Any) -> str:
        return "-" if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"

    head = ("", "ms/turn at 1", "ms/turn at 64", "rollouts/s at 64", "bytes/rollout", "--help s", "peak MB")
    keys = ("ms_per_turn_1", "ms_per_turn_64", "rollouts_per_s_64", "bytes_per_rollout", "cli_help_s", "peak_rss_mb")
    rows = [
        head,
        *((name, *(cell(row.get(key)) for key in keys)) for name, row in {"Outlay": figures, **others}.items()),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--alone", action="store_true", help="without the peers, whose installation takes a minute")
    arguments = parser.parse_args()
    found = measured()
    beside = {} if arguments.alone else peers.measured()
    print(json.dumps({**found, "peers": beside}) if arguments.json else table(found, beside))
