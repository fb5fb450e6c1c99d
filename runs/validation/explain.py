"""How well an amount explains seconds: Pearson, Spearman, and their intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Correlation:
    """Of one cost model with seconds; None where one of the two does not vary."""

    pearson: float | None
    spearman: float | None
    pearson_ci: tuple[float, float] | None
    """95%, percentiles of a bootstrap over conversations: steps of one conversation are not independent."""
    spearman_ci: tuple[float, float] | None


def correlations(
    amounts: Mapping[str, Sequence[float]], seconds: Sequence[float], groups: Sequence[str], seed: int
) -> dict[str, Correlation]:
    """By cost model. `groups` names the conversation of each observation; resamples draw whole conversations."""
    import numpy as np

    rows = np.array([*amounts.values(), seconds], dtype=float)
    members = [np.flatnonzero(np.array(groups) == group) for group in dict.fromkeys(groups)]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        drawn.append(_both(rows[:, chosen]))
    point = _both(rows)
    spread = np.array(drawn)
    return {
        name: Correlation(
            _number(point[0, i]),
            _number(point[1, i]),
            _interval(spread[:, 0, i]),
            _interval(spread[:, 1, i]),
        )
        for i, name in enumerate(amounts)
    }


def _both(rows: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Pearson and Spearman (Pearson of the ranks) of each row with the last one; shape (2, rows - 1)."""
    import numpy as np
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        every = np.atleast_2d(np.corrcoef(rows)), np.atleast_2d(np.corrcoef(rankdata(rows, axis=1)))
    return np.array([matrix[-1, :-1] for matrix in every])


def _number(value: float) -> float | None:
    return None if value != value else float(value)


def _interval(values: "NDArray[np.float64]") -> tuple[float, float] | None:
    """None when a tenth of the resamples or more have no correlation."""
    import numpy as np

    known = values[~np.isnan(values)]
    if len(known) <= 0.9 * len(values):
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)
