"""`outlay run`: plan an experiment and run what is missing of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import Results

if TYPE_CHECKING:
    from collections.abc import Callable

    from outlay.runs.store.experiment import ExperimentStore
    from outlay.runs.types import Outcome, Rollout, Spec

BACKENDS = ("local", "ray")


def run(
    file: Annotated[Path | None, typer.Argument(help="Experiment file (TOML).")] = None,
    task: Annotated[list[str] | None, typer.Option("-t", "--task", help="Task; may be repeated.")] = None,
    agent: Annotated[list[str] | None, typer.Option("-a", "--agent", help="Agent; may be repeated.")] = None,
    model: Annotated[list[str] | None, typer.Option("-m", "--model", help="provider:name; may be repeated.")] = None,
    budget: Annotated[
        str, typer.Option("-b", "--budget", help="Limits of one rollout, as tokens=20000,usd=1,wall_s=60.")
    ] = "",
    repeats: Annotated[int, typer.Option("-n", "--repeats", min=1, help="Rollouts per combination.")] = 1,
    seed: Annotated[int, typer.Option(help="Repeat r uses seed + r.")] = 0,
    name: Annotated[str | None, typer.Option(help="Name of the experiment; made from the rest without it.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="docker, process, weak (not confined) or auto.")] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Rollouts at a time.")] = 2,
    backend: Annotated[str, typer.Option(help="local or ray.")] = "local",
    results: Results = None,
) -> None:
    """Run an experiment, or what is missing of it.

    outlay run experiments/demo.toml

    outlay run -t answer/arithmetic -a loop -m llamacpp:smollm2 -b tokens=20000,usd=1 -n 4
    """
    from outlay.runs.plan import plan
    from outlay.runs.spec import read_spec, spec_of
    from outlay.runs.store.experiment import ExperimentStore
    from outlay.runs.store.layout import Layout, default_root
    from outlay.sandbox.errors import UnknownName

    if backend not in BACKENDS:
        raise UnknownName("backend", backend, BACKENDS)
    if file is not None:
        spec = read_spec(file)
    else:
        spec = spec_of(tasks=task, agents=agent, models=model, budget=budget, repeats=repeats, seed=seed, name=name)
    if sandbox is not None:
        spec = spec_of(**{**spec.model_dump(), "sandbox": sandbox})
    rollouts = plan(spec)
    store = ExperimentStore(Layout(results or default_root(), spec.name))
    store.begin(spec)
    missing = store.missing(rollouts)
    typer.echo(f"{spec.name}: {len(rollouts)} rollouts, {len(rollouts) - len(missing)} already stand", err=True)
    _run_missing(spec, missing, store, backend=backend, jobs=jobs)
    _report(spec, rollouts, store)


def _run_missing(spec: "Spec", missing: "list[Rollout]", store: "ExperimentStore", *, backend: str, jobs: int) -> None:
    from outlay.runs.cli.progress import Progress

    if not missing:
        return
    with Progress(len(missing)) as progress:
        try:
            _on_backend(spec, missing, store, backend=backend, jobs=jobs, ended=progress.ended)
        except KeyboardInterrupt:
            progress.stop()
            typer.echo(f"interrupted; what was paid for is in {store.layout.directory}; run again to resume", err=True)
            raise typer.Exit(130) from None


def _on_backend(
    spec: "Spec",
    missing: "list[Rollout]",
    store: "ExperimentStore",
    *,
    backend: str,
    jobs: int,
    ended: "Callable[[Outcome], None]",
) -> None:
    if backend == "ray":
        from outlay.runs.exec.ray import run_ray

        run_ray(missing, store, sandbox=spec.sandbox, jobs=jobs, ended=ended)
        return
    import asyncio

    from outlay.runs.exec.local import run_local

    asyncio.run(run_local(missing, store, sandbox=spec.sandbox, jobs=jobs, ended=ended))


def _report(spec: "Spec", rollouts: "list[Rollout]", store: "ExperimentStore") -> None:
    from outlay.runs.cli.ls import print_scoreboard

    planned = {rollout.id for rollout in rollouts}
    outcomes = [outcome for outcome in store.outcomes() if outcome.id in planned]
    print_scoreboard(outcomes)
    errored = [outcome for outcome in outcomes if "error" in outcome.status]
    for outcome in errored:
        typer.echo(f"{outcome.status} {outcome.id} {outcome.rollout.task}: {outcome.error}", err=True)
    typer.echo(f"next: outlay ls {spec.name} | outlay show {spec.name}", err=True)
    if errored:
        raise typer.Exit(1)
