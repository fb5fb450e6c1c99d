"""`outlay show`: one rollout as a readable transcript."""

from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import AsJson, Results

if TYPE_CHECKING:
    from pathlib import Path

    from outlay.runs.store.layout import Layout
    from outlay.runs.transcript import Block


def show(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment.")],
    rollout: Annotated[
        str | None, typer.Argument(help="Id of a rollout, or its beginning; without it, they are listed.")
    ] = None,
    attempt: Annotated[int | None, typer.Option(help="Which attempt; the last one without it.")] = None,
    costs: Annotated[bool, typer.Option("--costs", help="What each turn cost, instead of the transcript.")] = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Print the transcript of one rollout: turns with tokens and cost, tool results, verdict. --json: the events.

    --costs: per turn the context, how much of it the provider had cached, how much was new, and PTE, usd and seconds.
    """
    from outlay.runs.cli.ls import ls
    from outlay.runs.cli.output import print_json
    from outlay.runs.store.layout import Layout, default_root
    from outlay.runs.store.log import read_events
    from outlay.runs.transcript import transcript

    if rollout is None:
        ls(experiment, rollouts=True, as_json=as_json, results=results)
        return
    log = _find_log(Layout(results or default_root(), experiment), rollout, attempt)
    if costs:
        _show_costs(log, as_json=as_json)
    elif as_json:
        print_json([event.model_dump(mode="json") for event in read_events(log)])
    else:
        for block in transcript(read_events(log)):
            _print_block(block)


def _show_costs(log: "Path", *, as_json: bool) -> None:
    from outlay.runs.cli.output import print_json
    from outlay.runs.cli.waterfall import as_record, costs, print_waterfall
    from outlay.runs.store.log import read_events

    found = costs(list(read_events(log)))
    if as_json:
        print_json(as_record(found))
    else:
        print_waterfall(found)


def _find_log(layout: "Layout", rollout: str, attempt: int | None) -> "Path":
    from outlay.runs.errors import NotFound

    found = sorted(layout.rollouts.glob(f"{rollout}*"))
    if len(found) != 1:
        what = "no rollout" if not found else f"{len(found)} rollouts"
        raise NotFound(
            f"{what} of {layout.experiment!r} begin with {rollout!r}; `outlay show {layout.experiment}` lists them"
        )
    logs = sorted(found[0].glob("*.jsonl"), key=lambda path: int(path.stem))
    wanted = [path for path in logs if attempt is None or path.stem == str(attempt)]
    if not wanted:
        raise NotFound(f"{found[0].name} has attempts {', '.join(path.stem for path in logs)}, not {attempt}")
    return wanted[-1]


def _print_block(block: "Block") -> None:
    """Control characters of untrusted text are shown, not obeyed."""
    from rich.console import Console
    from rich.markup import escape

    from outlay.runs.cli.output import number

    console = Console(highlight=False, soft_wrap=True)
    notes = "  ".join(f"{k}={number(v) if isinstance(v, float) else v}" for k, v in block.notes.items())
    console.print(f"[bold]{escape(_visible(block.title))}[/bold]  [dim]{escape(notes)}[/dim]")
    for line in block.body.splitlines():
        console.print(f"    {escape(_visible(line))}")


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)
