"""Does anything stay behind? Thousands of sandboxes, random faults, runners killed with -9 at random moments.

    python -m tests.soak.sandboxes [--sandboxes 2000] [--seed 0] [--json]

Counts before and after: containers, volumes and networks of the engine, its shims, workspaces in the temporary folder;
and the open descriptors of runners that were allowed to end. Exit code 1 when anything is left.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import docker
from rich.progress import Progress

from outlay.sandbox.janitor import sweep_engine

BATCH = 50
"""Sandboxes of one runner, if it lives."""
KILLED = 0.4
"""Share of runners that are killed."""
SETTLE_S = 60.0
"""How long the engine may take to finish removals that have begun."""


def main() -> int:
    arguments = _arguments()
    report = soak(arguments.sandboxes, arguments.seed)
    print(json.dumps(report) if arguments.json else _table(report))
    return 0 if report["left"] == {} else 1


def soak(sandboxes: int, seed: int) -> dict[str, Any]:
    """What was done, and what is left of it: names with before and after, empty when nothing is."""
    rng, done, kills, swept = Random(seed), Counter[str](), 0, 0
    descriptors: list[int] = []
    before = counts()
    with Progress(disable=not sys.stderr.isatty()) as progress:
        row = progress.add_task("sandboxes", total=sandboxes)
        while done.total() < sandboxes:
            lines = _run(rng, min(BATCH, sandboxes - done.total()))
            descriptors += [int(line.split()[1]) for line in lines if line.startswith("descriptors")]
            ended = any(line.startswith("descriptors") for line in lines)
            done.update(line for line in lines if not line.startswith("descriptors"))
            if not ended:
                kills += 1
                swept += len(sweep_engine().removed)
            progress.update(row, completed=done.total())
    after = _settled(before)
    left = {name: (before[name], after[name]) for name in before if after[name] > before[name]}
    if descriptors and max(descriptors) > min(descriptors):
        left["descriptors"] = (min(descriptors), max(descriptors))
    return {
        "sandboxes": done.total(),
        "killed_runners": kills,
        "swept_containers": swept,
        "deeds": dict(done),
        "before": before,
        "after": after,
        "descriptors": descriptors[:1],
        "left": left,
    }


def counts() -> dict[str, int]:
    """Everything that sandboxes could leave on this machine."""
    with closing(docker.from_env()) as client:
        engine = {
            "containers": len(client.api.containers(all=True)),
            "volumes": len(client.api.volumes()["Volumes"] or ()),
            "networks": len(client.api.networks()),
        }
    commands = [_command(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    return {
        **engine,
        "shims": sum("containerd-shim" in command for command in commands),
        "guests": sum(command.startswith("python3\0-I\0-S\0-c") for command in commands),
        "workspaces": len(list(Path(tempfile.gettempdir()).glob("outlay-*"))),
    }


def _run(rng: Random, sandboxes: int) -> list[str]:
    """What a runner said, until it ended or until, at a random line, it was killed."""
    dies_after = rng.randrange(sandboxes) if rng.random() < KILLED else None
    command = [sys.executable, "-m", "tests.soak.runner", str(rng.randrange(1 << 30)), str(sandboxes)]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        for line in runner.stdout:
            lines.append(line.strip())
            if dies_after is not None and len(lines) > dies_after:
                runner.kill()
                break
    if dies_after is None and runner.returncode != 0:
        raise SystemExit(f"a runner failed with {runner.returncode}: {' '.join(command)}")
    return lines


def _settled(before: Mapping[str, int]) -> dict[str, int]:
    """The counts, once they are no higher than before, or when `SETTLE_S` are over."""
    until = time.monotonic() + SETTLE_S
    while True:
        sweep_engine()
        found = counts()
        if all(found[name] <= before[name] for name in before) or time.monotonic() > until:
            return found


def _command(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _table(report: Mapping[str, Any]) -> str:
    rows = [f"{report['sandboxes']} sandboxes, {report['killed_runners']} runners killed with -9"]
    rows += [f"  {deed:<14}{count:>6}" for deed, count in sorted(report["deeds"].items())]
    rows += [f"{'':<16}{'before':>8}{'after':>8}"]
    rows += [f"  {name:<14}{before:>8}{report['after'][name]:>8}" for name, before in report["before"].items()]
    return "\n".join([*rows, f"left: {report['left'] or 'nothing'}"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sandboxes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
