"""`outlay tasks`: what can be tried, and whether its verifiers can be trusted."""

from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import AsJson

if TYPE_CHECKING:
    from outlay.tasks.check import CheckRow

app = typer.Typer(help="List tasks; check their verifiers.", invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def tasks(context: typer.Context, as_json: AsJson = False) -> None:
    """List the tasks. A file of your own works too: -t path/to/file.py:name."""
    from outlay.runs.cli.output import print_json, print_table
    from outlay.tasks.registry import load_task, task_names

    if context.invoked_subcommand is not None:
        return
    found = [load_task(name, 0) for name in task_names()]
    rows = [
        {
            "task": task.id,
            "version": task.version,
            "direction": str(task.direction),
            "unit": task.unit,
            "tools": list(task.tools),
            "artifacts": list(task.artifacts),
            "summary": task.summary,
        }
        for task in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["task", "better", "tools", "summary"], [[t.id, t.direction, " ".join(t.tools), t.summary] for t in found]
    )


@app.command()
def check(
    task: Annotated[list[str] | None, typer.Argument(help="Tasks to check; all without it.")] = None,
    sandbox: Annotated[str, typer.Option(help="docker, process, weak (not confined) or auto.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Run each task's baseline and reference through its verifier; exit 1 unless the reference wins, repeatably."""
    import asyncio
    from dataclasses import asdict

    from outlay.runs.cli.output import number, print_json, print_table
    from outlay.sandbox.choose import resolve
    from outlay.tasks.check import check as check_task
    from outlay.tasks.registry import task_names

    kind = resolve(sandbox)

    async def all_rows() -> "list[CheckRow]":
        return [await check_task(name, sandbox=kind) for name in (task or task_names())]

    rows = asyncio.run(all_rows())
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        cells = [
            [r.task, number(r.baseline), number(r.reference), number(r.reference_again), f"{r.seconds:.1f}", r.reason]
            for r in rows
        ]
        print_table(["task", "baseline", "reference", "again", "seconds", "finding"], cells)
    if not all(row.ok for row in rows):
        raise typer.Exit(1)
