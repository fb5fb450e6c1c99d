"""`outlay ls`: the experiments, or the scoreboard of one."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import AsJson, Results

if TYPE_CHECKING:
    from pathlib import Path

    from outlay.runs.stats.scoreboard import Row
    from outlay.runs.store.layout import Layout
    from outlay.runs.types import Outcome

COLUMNS = (
    "task",
    "agent",
    "n",
    "score",
    "95% interval",
    "norm",
    "tokens",
    "PTE",
    "usd",
    "seconds",
    "judge s",
    "status",
)


def ls(
    experiment: Annotated[str | None, typer.Argument(help="Name of an experiment; without it, all are listed.")] = None,
    rollouts: Annotated[bool, typer.Option("--rollouts", help="One line per rollout, with its id.")] = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """List experiments, or show the scoreboard of one.

    Score is the mean over valid submissions in the task's own unit; norm is 0 at the task's baseline and 1 at its
    reference; tokens, PTE, usd and seconds (the agent's own) are means per rollout, and so is judge s, the time that
    evaluations and the final verification took, which is never drawn from the agent's budget.
    """
    from dataclasses import asdict

    from outlay.runs.cli.output import print_json
    from outlay.runs.stats.scoreboard import scoreboard
    from outlay.runs.store.experiment import ExperimentStore
    from outlay.runs.store.layout import Layout, default_root

    root = results or default_root()
    if experiment is None:
        _list_experiments(root, as_json=as_json)
        return
    outcomes = list(ExperimentStore(Layout(root, experiment)).outcomes())
    if rollouts:
        outcomes.sort(key=lambda o: (o.rollout.task, o.rollout.agent, o.rollout.model or "", o.rollout.repeat))
        _list_rollouts(outcomes, as_json=as_json)
    elif as_json:
        print_json([asdict(row) for row in scoreboard(outcomes)])
    else:
        print_scoreboard(outcomes)
        _print_unscored(Layout(root, experiment))


def _print_unscored(layout: "Layout") -> None:
    from outlay.agents.meters import from_units
    from outlay.runs.cli.output import number
    from outlay.runs.store.experiment import unscored

    rest = unscored(layout)
    if rest.attempts:
        what = "1 attempt that does not stand" if rest.attempts == 1 else f"{rest.attempts} attempts that do not stand"
        spent = ", ".join(f"{meter}={number(float(amount))}" for meter, amount in from_units(rest.spent).items())
        typer.echo(f"{what} spent {spent or 'nothing'}")


def print_scoreboard(outcomes: "Iterable[Outcome]") -> None:
    """For people."""
    from outlay.runs.cli.output import print_table
    from outlay.runs.stats.scoreboard import scoreboard

    print_table(COLUMNS, [_cells(row) for row in scoreboard(outcomes)], right=COLUMNS[2:11])


def _cells(row: "Row") -> list[str]:
    from outlay.runs.cli.output import meter, number

    has_interval = row.score_low is not None and row.score_high is not None
    return [
        row.task,
        row.agent if row.model is None else f"{row.agent} {row.model}",
        str(row.n),
        f"{number(row.score)} {row.unit}".strip(),
        f"{number(row.score_low, 3)} .. {number(row.score_high, 3)}" if has_interval else "-",
        "-" if row.normalised is None else f"{row.normalised:.2f}",
        meter(row.spent, "tokens"),
        meter(row.spent, "pte"),
        meter(row.spent, "usd"),
        number(row.spent.get("wall_s"), 3),
        number(row.judge.get("wall_s"), 3),
        ", ".join(f"{count} {status}" for status, count in row.statuses.items()),
    ]


def _list_experiments(root: "Path", *, as_json: bool) -> None:
    from outlay.runs.cli.output import print_json, print_table
    from outlay.runs.store.experiment import ExperimentStore, experiments
    from outlay.runs.store.layout import Layout

    rows = []
    for name in experiments(root):
        found = list(ExperimentStore(Layout(root, name)).outcomes())
        standing = sum(outcome.status.stands for outcome in found)
        rows.append({"experiment": name, "rollouts": len(found), "standing": standing})
    if as_json:
        print_json(rows)
    elif rows:
        print_table(["experiment", "rollouts", "standing"], [[str(v) for v in row.values()] for row in rows])
    else:
        typer.echo(f"no experiments in {root}; start one: outlay run experiments/demo.toml")


def _list_rollouts(outcomes: "list[Outcome]", *, as_json: bool) -> None:
    from outlay.runs.cli.output import number, print_json, print_table

    if as_json:
        print_json([{"id": outcome.id, **outcome.model_dump(mode="json")} for outcome in outcomes])
        return
    rows = [
        [o.id, o.rollout.task, o.rollout.agent, str(o.rollout.repeat), str(o.status), number(o.score), o.error or ""]
        for o in outcomes
    ]
    print_table(["id", "task", "agent", "repeat", "status", "score", "error"], rows)
