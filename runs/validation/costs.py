"""The cost models that are judged, by name. Each takes a step and returns an amount in a unit of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from outlay.agents.costs.catalogue import hardware_profiles
from outlay.agents.costs.eflops import Shape, eflops, prefill_flop
from outlay.agents.costs.extensions import KvShape, gamma_kv, pte_reuse, pte_weights
from outlay.agents.costs.idealized import IdealizedRuntime, estimate
from outlay.agents.costs.pte import gamma, pte
from outlay.agents.models.gguf_header import GgufShape
from outlay.runs.validation.profile import Profile, model_profile
from outlay.runs.validation.types import Step

Amount = Callable[[Step], float]


@dataclass(frozen=True)
class CostModel:
    """One way to price a step."""

    amount: Amount
    summary: str


def cost_models(profile: Profile, runtime: IdealizedRuntime, shape: GgufShape) -> Mapping[str, CostModel]:
    """Token counts first, then what knows the machine. Prices are ratios of input to output (Table 10 of the paper)."""
    return {
        "tokens": CostModel(lambda s: s.context + s.output, "context and output tokens, 1:1"),
        # What knowing the cache alone is worth: PTE's lead over `tokens` is its own only as far as it exceeds this.
        "tokens_cached": CostModel(lambda s: s.fresh + s.output, "tokens that were not cached, 1:1"),
        "price_1_1.5": _priced(1.5),
        "price_1_3": _priced(3),
        "price_1_4": _priced(4),
        "price_cached": CostModel(lambda s: s.fresh + 0.1 * s.cached + 4 * s.output, "1:4, cached input at 0.1"),
        "output_tokens": CostModel(lambda s: s.output, "output tokens only"),
        **_pte_models(profile, shape),
        **_eflops_models(profile, shape),
        "idealized": CostModel(lambda s: estimate(runtime, s.context, s.output), "idealized runtime, nothing cached"),
        "idealized_cached": CostModel(
            lambda s: estimate(runtime, s.fresh, s.output), "idealized runtime of the prompt that was not cached"
        ),
    }


def _priced(output: float) -> CostModel:
    return CostModel(lambda s: s.context + output * s.output, f"context and output tokens, 1:{output:g}")


def _pte_models(profile: Profile, shape: GgufShape) -> dict[str, CostModel]:
    fitted, weights = profile.gamma, profile.weights
    reference = gamma(model_profile(shape), hardware_profiles()["H100"])
    return {
        "pte": CostModel(
            lambda s: pte_reuse(s.context, s.cached, s.output, fitted), "PTE, reported cache, fitted profile"
        ),
        "pte_paper": CostModel(
            lambda s: pte(s.context, s.output, fitted), "PTE, all prefilled every turn, fitted profile"
        ),
        "pte_h100": CostModel(lambda s: pte(s.context, s.output, reference), "PTE, all prefilled every turn, H100"),
        "pte_weights": CostModel(
            lambda s: pte_weights(s.context, s.cached, s.output, fitted, weights),
            "PTE and reading the weights, reported cache, fitted profile",
        ),
    }


def _eflops_models(profile: Profile, shape: GgufShape) -> dict[str, CostModel]:
    model = Shape(shape.parameters, shape.layers, shape.query_heads, shape.kv_heads, shape.head_dim)
    kv = KvShape(shape.layers, shape.kv_heads, shape.head_dim)
    # The intensity under which reading the true KV width costs what was fitted.
    intensity = profile.gamma / gamma_kv(kv, shape.parameters, hoi=1.0)

    def generation(s: Step) -> float:
        return eflops(model, intensity, s.context, s.output).total

    def both(s: Step) -> float:
        return generation(s) + prefill_flop(model, s.context) - prefill_flop(model, s.cached)

    return {
        "eflops": CostModel(generation, "Kinetics eFLOPs: generation only, fitted intensity"),
        "eflops_prefill": CostModel(both, "eFLOPs and the FLOP of prefilling what was not cached"),
    }
