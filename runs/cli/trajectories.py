"""The trajectories that a verb is asked about: of one experiment, or of the rollouts whose ids begin alike."""

from collections.abc import Iterator
from pathlib import Path

from outlay.runs.errors import NotFound
from outlay.runs.stats.settings import Trajectory
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.store.layout import Layout, default_root


def trajectories(experiment: str, rollout: str | None, results: Path | None) -> Iterator[Trajectory]:
    """Of the attempts that stand, one at a time, since a long one is large. Raises `NotFound`."""
    store = ExperimentStore(Layout(results or default_root(), experiment))
    wanted = [outcome for outcome in store.outcomes() if outcome.id.startswith(rollout or "")]
    if not wanted:
        what = f"no rollout of {experiment!r} begins with {rollout!r}" if rollout else f"{experiment!r} has no outcome"
        raise NotFound(f"{what}; `outlay show {experiment}` lists them")
    for outcome in wanted:
        yield Trajectory(outcome, list(store.events(outcome)))
