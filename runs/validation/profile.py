"""What a machine does with a model, fitted from timings: seconds per token, and the hardware that PTE would need."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from outlay.agents.costs.pte import HardwareProfile, ModelProfile
from outlay.agents.errors import CannotFit
from outlay.agents.models.gguf_header import GgufShape
from outlay.runs.validation.types import Step

TERA = 1e12


@dataclass(frozen=True)
class Profile:
    """Three prices of a token, in seconds."""

    prefill_s: float
    """Per prefilled token."""
    weights_s: float
    """Per decoded token, whatever the context."""
    kv_s: float
    """Per decoded token and token of context."""
    kv_low_s: float
    kv_high_s: float
    """95% interval of `kv_s`."""

    @property
    def gamma(self) -> float:
        """Prefill tokens per decoded token and token of context."""
        return self.kv_s / self.prefill_s

    @property
    def weights(self) -> float:
        """Prefill tokens per decoded token, whatever the context."""
        return self.weights_s / self.prefill_s


def fit_profile(steps: Sequence[Step]) -> Profile:
    """From requests of which nothing was cached. Raises `CannotFit`.

    Prefill is the median of seconds per token. Decode is a line of seconds per decoding step (the first token comes out
    of prefill) on the mean length of the context (Theil-Sen: the median slope of all pairs, because a neighbour's work
    falls on single requests). gamma is then slope over prefill. The other way, FLOP/s of prefill over bytes/s of
    reading the weights, times the width of the cache, would assume that keys and values are read as fast as weights
    and cost nothing but reading. On a CPU they are converted and multiplied too.
    """
    from scipy.stats import theilslopes

    per_token = [step.prefill_s / step.fresh for step in steps if step.fresh]
    points = [(step.context + step.output / 2, step.decode_s / (step.output - 1)) for step in steps if step.output > 1]
    if not per_token or len({context for context, _ in points}) < 2:
        raise CannotFit("hardware profile", "prompts of two lengths, each with more than one output token")
    line = theilslopes([seconds for _, seconds in points], [context for context, _ in points])
    return Profile(
        prefill_s=median(per_token),
        weights_s=max(float(line.intercept), 0.0),
        kv_s=max(float(line.slope), 0.0),
        kv_low_s=float(line.low_slope),
        kv_high_s=float(line.high_slope),
    )


def shares(profile: Profile, steps: Sequence[Step]) -> dict[str, float]:
    """What the time of `steps` goes into by the fit, as fractions of it. PTE counts `prefill` and `kv` only."""
    seconds = {
        "prefill": sum(profile.prefill_s * step.fresh for step in steps),
        "weights": sum(profile.weights_s * (step.output - 1) for step in steps),
        "kv": sum(profile.kv_s * (step.context + step.output / 2) * (step.output - 1) for step in steps),
    }
    total = sum(seconds.values())
    return {part: spent / total for part, spent in seconds.items()}


def model_profile(shape: GgufShape) -> ModelProfile:
    """As PTE describes a model; all parameters count as active."""
    return ModelProfile(shape.parameters, shape.layers, shape.width, shape.kv_heads / shape.query_heads)


def hardware(profile: Profile, model: ModelProfile) -> HardwareProfile:
    """The row for which `pte.gamma` gives the fitted gamma of this model.

    FLOP/s = 2 N / prefill; bytes/s = S_KV / slope, with the paper's S_KV = 4 layers d_model H_kv / H_q. Without a slope
    that can be told from 0 there is no such bandwidth: raises `CannotFit`.
    """
    if profile.kv_s <= 0:
        raise CannotFit(
            "hardware profile", "longer contexts, more rounds, or a quieter machine: no cost of context seen"
        )
    kv_bytes = 4 * model.layers * model.width * model.kv_ratio
    return HardwareProfile(2 * model.n_active / profile.prefill_s / TERA, kv_bytes / profile.kv_s / TERA)
