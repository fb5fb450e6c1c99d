"""Which requests are made: a calibration grid, single requests, and trajectories that grow like an agent's.

What is fitted is fitted on the grid; what is judged are the other requests, of other lengths.
"""

from math import exp, log
from random import Random

from outlay.runs.validation.types import Conversation, Turn

GRID_PROMPTS, GRID_OUTPUTS = (32, 128, 384, 1024), (1, 32)
SINGLES = ((64, 16), (64, 128), (200, 64), (256, 8), (400, 32), (700, 64), (900, 4))
"""(prompt, output) tokens, nothing cached: prefill and decode in all proportions."""
QUICK_PROMPTS, QUICK_OUTPUTS, QUICK_SINGLES = (8, 40), (1, 8), ((16, 16), (24, 4), (32, 8))
WARM_BASE, WARM = 700, ((24, 48), (200, 8), (24, 4), (100, 64))
"""One long prompt, then (fresh, output) after it with the prefix warm."""


def full(seed: int) -> list[Conversation]:
    """About 12,000 tokens to prefill and 1,500 to decode: with two rounds a quarter of an hour on one slow core."""
    rng = Random(seed)
    warm = (Turn(WARM_BASE, 4), *(Turn(fresh, output) for fresh, output in WARM))
    kept = [_trajectory(rng, f"kept-{i}", turns=4, longest=200, evicted=False) for i in range(7)]
    evicted = [_trajectory(rng, f"evicted-{i}", turns=3, longest=200, evicted=True) for i in range(4)]
    return [
        *_calibration(GRID_PROMPTS, GRID_OUTPUTS),
        *_singles(SINGLES),
        Conversation("warm", "trajectory", warm),
        *kept,
        *evicted,
    ]


def quick(seed: int) -> list[Conversation]:
    """A few hundred tokens: shows that everything works, measures little."""
    rng = Random(seed)
    trajectories = [
        _trajectory(rng, f"{'evicted' if i == 0 else 'kept'}-{i}", turns=3, longest=16, evicted=i == 0)
        for i in range(3)
    ]
    return [*_calibration(QUICK_PROMPTS, QUICK_OUTPUTS), *_singles(QUICK_SINGLES), *trajectories]


def _calibration(prompts: tuple[int, ...], outputs: tuple[int, ...]) -> list[Conversation]:
    return [
        Conversation(f"calibration-{prompt}-{output}", "calibration", (Turn(prompt, output, evicted=True),))
        for prompt in prompts
        for output in outputs
    ]


def _singles(lengths: tuple[tuple[int, int], ...]) -> list[Conversation]:
    return [
        Conversation(f"single-{prompt}-{output}", "single", (Turn(prompt, output, evicted=True),))
        for prompt, output in lengths
    ]


def _trajectory(rng: Random, name: str, *, turns: int, longest: int, evicted: bool) -> Conversation:
    """A first prompt, then tool results and replies of all sizes; half of the turns wait for their tool.

    Sizes are log-uniform: most tool results are short and few are long. `longest` bounds a tool result; a first prompt
    is up to twice, a reply up to half of that.
    """
    first = Turn(_size(rng, longest // 2, 2 * longest), _size(rng, 4, longest // 2), evicted=True)
    later = [
        Turn(_size(rng, 8, longest), _size(rng, 4, longest // 2), rng.choice((0.0, 0.2)), evicted)
        for _ in range(turns - 1)
    ]
    return Conversation(name, "trajectory", (first, *later))


def _size(rng: Random, low: int, high: int) -> int:
    return round(exp(rng.uniform(log(low), log(high))))
