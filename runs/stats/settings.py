"""Which rollouts are compared as one: those asked for with the same task, agent, model and budget."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outlay.agents.events import Event
from outlay.runs.types import Outcome, Rollout


@dataclass(frozen=True)
class Trajectory:
    """How an attempt ended, and what happened in it."""

    outcome: Outcome
    events: Sequence[Event]


def setting(rollout: Rollout) -> tuple[str, str, str, str]:
    """What rollouts that are compared as one have in common; sorts by task, agent and model."""
    return rollout.task, rollout.agent, rollout.model or "", str(sorted(rollout.budget.items()))


def by_setting(trajectories: Iterable[Trajectory]) -> list[Sequence[Trajectory]]:
    """Sorted by task, agent and model."""
    groups: dict[tuple[str, str, str, str], list[Trajectory]] = defaultdict(list)
    for trajectory in trajectories:
        groups[setting(trajectory.outcome.rollout)].append(trajectory)
    return [groups[key] for key in sorted(groups)]


def solved(outcome: Outcome) -> bool:
    """Passed; for tasks without a yes or no, a valid score."""
    if outcome.passed is not None:
        return outcome.passed
    return bool(outcome.valid) and outcome.score is not None
