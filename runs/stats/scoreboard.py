"""The scoreboard: one row per task, agent, model and budget. Pure functions over outcomes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from outlay.runs.stats.settings import setting
from outlay.runs.types import Outcome


@dataclass(frozen=True)
class Row:
    """All attempts that were asked for with the same task, agent, model and budget."""

    task: str
    agent: str
    model: str | None
    n: int
    """Rollouts, however they ended."""
    scored: int
    """Rollouts with a valid score; the means of scores are over these."""
    score: float | None
    score_low: float | None
    score_high: float | None
    """95% interval of the mean score; None below two scores."""
    normalised: float | None
    """Mean; rollouts that ended without a valid score count as 0, the baseline."""
    unit: str
    direction: str
    spent: Mapping[str, float]
    """Mean per rollout, by meter; absent where no rollout could measure it."""
    judge: Mapping[str, float]
    """What judging cost, likewise."""
    statuses: Mapping[str, int]


def scoreboard(outcomes: Iterable[Outcome]) -> list[Row]:
    """Sorted by task, best normalised score first."""
    groups: dict[tuple[str, str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[setting(outcome.rollout)].append(outcome)
    rows = [_row(group) for group in groups.values()]
    return sorted(rows, key=lambda row: (row.task, -(row.normalised or 0.0), row.agent))


def _row(group: Sequence[Outcome]) -> Row:
    rollout = group[0].rollout
    scores = [o.score for o in group if o.valid and o.score is not None]
    judged = [o for o in group if o.status.stands]
    low, high = interval(scores)
    return Row(
        task=rollout.task,
        agent=rollout.agent,
        model=rollout.model,
        n=len(group),
        scored=len(scores),
        score=fmean(scores) if scores else None,
        score_low=low,
        score_high=high,
        normalised=fmean((o.normalised or 0.0) if o.valid else 0.0 for o in judged) if judged else None,
        unit=group[0].unit,
        direction=group[0].direction,
        spent=_means([o.spent for o in group]),
        judge=_means([o.judge for o in group]),
        statuses=dict(Counter(str(o.status) for o in group)),
    )


def interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Student's t interval of the mean; (None, None) below two values."""
    if len(values) < 2:
        return None, None
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, 0.5 + confidence / 2)) * stdev(values) / sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def _means(spent: Sequence[Mapping[str, float]]) -> dict[str, float]:
    meters = dict.fromkeys(meter for one in spent for meter in one)
    return {meter: sum(one.get(meter, 0.0) for one in spent) / len(spent) for meter in meters}
