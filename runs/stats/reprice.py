"""What trajectories would have cost under other prices, hardware or caches, beside what was booked. Nothing is run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from outlay.agents.costs.series import Terms, own_units, series, totals
from outlay.agents.costs.turns import Turn, booked, turns
from outlay.agents.meters import SCALE, from_units
from outlay.runs.stats.settings import Trajectory, by_setting, solved
from outlay.runs.types import Outcome, Rollout

Amounts = Mapping[str, float]
METERS = ("usd", "pte", "tokens", "wall_s")


@dataclass(frozen=True)
class RolloutCost:
    """One rollout's costs, each in its meter's own unit; a meter that cannot be measured is absent."""

    id: str
    solved: bool
    models: Sequence[str]
    """All that were asked."""
    booked: Amounts
    """Of model calls and tools, as the events say; `wall_s` is the agent's whole time, its own thinking included."""
    priced: Amounts
    parts: Mapping[str, Amounts]
    """What `priced` consists of, by meter; `agents/costs/series.py` says what each part is."""


@dataclass(frozen=True)
class Row:
    """All rollouts of one setting."""

    task: str
    agent: str
    model: str | None
    budget: Amounts
    n: int
    solved: int
    booked: Amounts
    """Sum over rollouts; absent unless all could measure it."""
    priced: Amounts
    booked_per_solved: Amounts
    """The same over the number of solved ones; empty when there is none."""
    priced_per_solved: Amounts
    rollouts: Sequence[RolloutCost]


def reprice(trajectories: Iterable[Trajectory], terms: Callable[[Rollout], Terms]) -> list[Row]:
    """One row per setting in which a model was asked, or a tool cost something."""
    rows = [_row(group, terms) for group in by_setting(trajectories)]
    return [row for row in rows if row.priced.get("usd") or any(cost.models for cost in row.rollouts)]


def _row(group: Sequence[Trajectory], terms: Callable[[Rollout], Terms]) -> Row:
    rollout = group[0].outcome.rollout
    folded = [(trajectory.outcome, turns(trajectory.events)) for trajectory in group]
    costs = [_cost(outcome, found, terms(outcome.rollout)) for outcome, found in folded]
    wins = sum(cost.solved for cost in costs)
    before, after = _sum([cost.booked for cost in costs]), _sum([cost.priced for cost in costs])
    return Row(
        task=rollout.task,
        agent=rollout.agent,
        model=rollout.model,
        budget=rollout.budget,
        n=len(costs),
        solved=wins,
        booked=before,
        priced=after,
        booked_per_solved={meter: amount / wins for meter, amount in before.items() if wins},
        priced_per_solved={meter: amount / wins for meter, amount in after.items() if wins},
        rollouts=costs,
    )


def _cost(outcome: Outcome, found: Sequence[Turn], terms: Terms) -> RolloutCost:
    parts = totals(series(found, terms))
    spent = from_units(booked(found)) | {"wall_s": outcome.spent.get("wall_s", 0.0)}
    return RolloutCost(
        id=outcome.id,
        solved=solved(outcome),
        models=sorted({turn.model for turn in found if turn.model is not None}),
        booked={meter: spent[meter] for meter in METERS if meter in spent},
        priced={meter: sum(amounts.values()) / SCALE[meter] for meter, amounts in parts.items()},
        parts=own_units(parts),
    )


def _sum(amounts: Sequence[Amounts]) -> dict[str, float]:
    return {meter: sum(a[meter] for a in amounts) for meter in METERS if all(meter in a for a in amounts)}
