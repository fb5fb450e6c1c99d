"""Idealized runtime: seconds a call takes on known hardware without contention (arXiv 2305.02440).

T(p, o) = f(p) + g (o - 1): a table of prompt times, one slope per further output token. Fitted as the authors do in
`fit_runtimes.py`: repeated trials count once, at their minimum, because a shared machine only ever adds time.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from outlay.agents.errors import CannotFit

USD_PER_GPU_HOUR: Mapping[str, float] = {"A100": 4.096, "V100": 3.06}
"""The authors' prices."""


@dataclass(frozen=True)
class Timing:
    """One measured call."""

    prompt: int
    """Tokens."""
    output: int
    """Tokens, at least 1."""
    seconds: float


@dataclass(frozen=True)
class IdealizedRuntime:
    """What was fitted."""

    prompt_s: Mapping[int, float]
    """f: seconds to the first output token, by prompt tokens; not empty, keys above 0."""
    token_s: float
    """g: seconds per further output token."""
    overhead_s: float = 0.0
    """Added to each call, for providers whose clock includes a network."""


def fit(timings: Iterable[Timing]) -> IdealizedRuntime:
    """f from calls with one output token; g by least squares through 0 of T - f(p) on o - 1, over all prompts.

    Raises `CannotFit` without both a call of one output token and a longer one after the same prompt.
    """
    fastest: dict[tuple[int, int], float] = defaultdict(lambda: float("inf"))
    for t in timings:
        fastest[t.prompt, t.output] = min(fastest[t.prompt, t.output], t.seconds)
    prompt_s = {prompt: seconds for (prompt, output), seconds in sorted(fastest.items()) if output == 1}
    longer = [(o - 1, s - prompt_s[p]) for (p, o), s in fastest.items() if o > 1 and p in prompt_s]
    if not longer:
        raise CannotFit("idealized runtime", "calls with 1 and with more output tokens after the same prompt")
    slope = sum(more * seconds for more, seconds in longer) / sum(more**2 for more, _ in longer)
    return IdealizedRuntime(prompt_s, slope)


def estimate(runtime: IdealizedRuntime, prompt: int, output: int) -> float:
    """Seconds of a call with `output` >= 1 tokens."""
    return runtime.overhead_s + prompt_seconds(runtime, prompt) + runtime.token_s * (output - 1)


def prompt_seconds(runtime: IdealizedRuntime, prompt: int) -> float:
    """f(p): that of the smallest key >= p, scaled down by p / key; beyond the largest key, that of it, scaled up."""
    keys = sorted(runtime.prompt_s)
    key = next((key for key in keys if key >= prompt), keys[-1])
    return runtime.prompt_s[key] * prompt / key


def cost_usd(seconds: float, gpus: int, usd_per_gpu_hour: float) -> float:
    """The cost-aware variant: what the accelerators cost while they are held."""
    return seconds * gpus * usd_per_gpu_hour / 3600


def worst_s(runtime: IdealizedRuntime, input_tokens: int, max_tokens: int) -> float:
    """Seconds of the dearest call within the caps.

    Scaling down makes f a saw: a prompt may be estimated below a shorter one. So each tooth within the cap counts.
    """
    teeth = [key for key in runtime.prompt_s if key < input_tokens]
    dearest = max(prompt_seconds(runtime, prompt) for prompt in [*teeth, input_tokens])
    return runtime.overhead_s + dearest + max(runtime.token_s * (max_tokens - 1), 0.0)
