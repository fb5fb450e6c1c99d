"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Results = Annotated[
    Path | None,
    typer.Option(
        "--results", help="Folder of results.", envvar="OUTLAY_RESULTS", show_default="results", metavar="DIR"
    ),
]
