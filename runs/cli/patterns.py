"""`outlay patterns`: how often tools are used wastefully, and what that costs."""

from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import AsJson, Results

if TYPE_CHECKING:
    from outlay.runs.stats.patterns import Row


def patterns(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment.")],
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Detect four inefficiency patterns of tool use, by setting.

    Confirmatory tool use: python only confirms an answer that the model had stated. Tool mixing: more than one tool in
    a rollout. Tool format collapse: a call that is no JSON or does not fit the tool. Lack of tool priors: a call that
    ends in an error, or silently where output was due. The multiplier is mean PTE with the pattern over mean PTE
    without it, in the same setting.
    """
    from dataclasses import asdict

    from outlay.runs.cli.output import print_json, print_table
    from outlay.runs.cli.trajectories import trajectories
    from outlay.runs.stats.patterns import patterns as detect

    rows = detect(trajectories(experiment, None, results), seed)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ["task", "agent", "pattern", "n", "share", "PTE with", "PTE without", "multiplier", "95% interval"]
    print_table(columns, map(_cells, rows), right=columns[3:])


def _cells(row: "Row") -> list[str]:
    from outlay.runs.cli.output import number

    has_interval = row.low is not None
    return [
        row.task,
        f"{row.agent} {row.model}",
        row.pattern,
        str(row.n),
        f"{row.share:.0%}",
        number(row.pte_with),
        number(row.pte_without),
        "-" if row.multiplier is None else f"{row.multiplier:.2f}x",
        f"{number(row.low, 3)} .. {number(row.high, 3)}" if has_interval else "-",
    ]
