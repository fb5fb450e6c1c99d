"""`outlay clean`: remove what runs that died left behind."""

from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import AsJson

if TYPE_CHECKING:
    from outlay.sandbox.janitor import Swept


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove containers, networks, volumes and workspaces whose runs died.

    What belongs to a living run, or is not ours, stays. Exit code 1 when something could not be removed.
    """
    from outlay.runs.cli.output import print_json
    from outlay.sandbox.errors import SandboxUnavailable
    from outlay.sandbox.janitor import sweep_engine, sweep_workspaces

    swept, lack = sweep_workspaces(dry_run=dry_run), None
    try:
        swept += sweep_engine(dry_run=dry_run)
    except SandboxUnavailable as error:
        lack = error.reason
    if as_json:
        print_json(_record(swept, dry_run=dry_run, lack=lack))
    else:
        _tell(swept, dry_run=dry_run, lack=lack)
    if swept.failed:
        raise typer.Exit(1)


def _record(swept: "Swept", *, dry_run: bool, lack: str | None) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "dry_run": dry_run,
        "engine": lack or "swept",
        "removed": [asdict(orphan) for orphan in swept.removed],
        "kept": [asdict(orphan) for orphan in swept.kept],
        "failed": [{**asdict(orphan), "error": fault} for orphan, fault in swept.failed],
    }


def _tell(swept: "Swept", *, dry_run: bool, lack: str | None) -> None:
    from outlay.runs.cli.output import print_table

    if lack:
        typer.echo(f"only workspaces were swept: {lack}", err=True)
    told = [
        *((orphan, "would be removed" if dry_run else "removed") for orphan in swept.removed),
        *((orphan, "kept") for orphan in swept.kept),
        *((orphan, f"not removed: {fault}") for orphan, fault in swept.failed),
    ]
    if not told:
        typer.echo("nothing is left over")
        return
    rows = [[o.kind, _short(o.kind, o.id), o.experiment or "-", str(o.reason), end] for o, end in told]
    print_table(["what", "id", "experiment", "why", "outcome"], rows)


def _short(kind: str, name: str) -> str:
    """Ids as the engine's own client prints them."""
    return name[:12] if kind in ("container", "network") else name
