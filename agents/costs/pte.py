"""Prefill Token Equivalents: one price for prefill and decode, from hardware and model shape (arXiv 2604.05404)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HardwareProfile:
    """One accelerator, as in Table 4."""

    tflops: float
    """Peak, 1e12 FLOP/s."""
    tbps: float
    """Peak memory traffic, 1e12 bytes/s."""

    @property
    def hoi(self) -> float:
        """Hardware operational intensity, FLOP/byte (App. A.2)."""
        return self.tflops / self.tbps


@dataclass(frozen=True)
class ModelProfile:
    """One model, as in Table 3."""

    n_active: float
    """Parameters active per token."""
    layers: int
    width: int
    """`d_model`; for latent attention `d_latent + d_rope`."""
    kv_ratio: float = 1.0
    """Key-value heads over query heads."""
    latent: bool = False
    """Multi-head latent attention keeps one vector per token and layer instead of a key and a value."""


def gamma(model: ModelProfile, hardware: HardwareProfile) -> float:
    """Prefill tokens that one decoded token costs per token of context (Sec. 3.3).

    gamma = 2 * layers * d_model * HOI * (H_kv / H_q) / N_active; factor 1 for latent attention, which is what Table 3's
    DeepSeek row fits.
    """
    vectors = 1 if model.latent else 2
    return vectors * model.layers * model.width * hardware.hoi * model.kv_ratio / model.n_active


def pte(context_tokens: int, output_tokens: int, gamma: float) -> float:
    """PTE of one call (Sec. 3.2): D_prefill + gamma * L_seq * D_decode.

    The paper's worst case: each turn prefills its full context again, whatever a cache held, so D_prefill = L_seq.
    """
    return context_tokens + gamma * context_tokens * output_tokens
