"""The `outlay` command. One verb per file; what is heavy is imported inside the function that needs it.

Exit codes: 0 done, 1 some rollouts errored, 2 bad usage or experiment, 3 the environment lacks something,
130 interrupted.
"""

import sys

import typer

from outlay.runs.cli import (
    agents,
    clean,
    doctor,
    images,
    ls,
    models,
    patterns,
    reprice,
    run,
    show,
    tasks,
    validate_cost,
)

app = typer.Typer(
    name="outlay",
    help="Which agent, with which tools, under which budget, buys how much score for how much cost.",
    epilog="Start with: outlay doctor, then outlay run experiments/demo.toml, then outlay ls demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help costs 0.3 s of imports
    add_completion=False,
)
app.command("run")(run.run)
app.command("ls")(ls.ls)
app.command("show")(show.show)
app.command("reprice")(reprice.reprice)
app.command("patterns")(patterns.patterns)
app.add_typer(tasks.app, name="tasks")
app.command("agents")(agents.agents)
app.add_typer(models.app, name="models")
app.add_typer(images.app, name="images")
app.command("doctor")(doctor.doctor)
app.command("validate-cost")(validate_cost.validate_cost)
app.command("clean")(clean.clean)

BAD_USAGE, ENVIRONMENT, INTERRUPTED = 2, 3, 130


def main() -> None:
    from outlay.sandbox.errors import OutlayError

    try:
        app()
    except OutlayError as error:
        typer.echo(f"outlay: {error}", err=True)
        sys.exit(_exit_code(error))


def _exit_code(error: Exception) -> int:
    from outlay.agents.errors import MissingKey, MissingPart, ModelError
    from outlay.sandbox.errors import ImageUnavailable, SandboxUnavailable

    lacks = (ImageUnavailable, MissingKey, MissingPart, ModelError, SandboxUnavailable)
    return ENVIRONMENT if isinstance(error, lacks) else BAD_USAGE
