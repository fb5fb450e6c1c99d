"""What the PTE paper leaves out, each under its own name: the paper's metric itself stays as printed (`pte.py`).

Derived here from its definitions (arXiv 2604.05404, Sec. 3): one prefill token is 2 N_active FLOP, and a byte read in
decoding counts HOI FLOP. All amounts are in prefill tokens; `context` is the length when decoding begins.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class KvShape:
    """The keys and values that one token leaves behind."""

    layers: int
    kv_heads: int
    head_dim: int
    bytes_each: float = 2.0
    """Of one number; 16 bits unless the cache is quantised."""

    @property
    def bytes_per_token(self) -> float:
        return 2 * self.layers * self.kv_heads * self.head_dim * self.bytes_each


def gamma_kv(shape: KvShape, n_active: float, hoi: float) -> float:
    """gamma from the true KV width: S_KV * HOI / (2 N).

    The paper has d_model * H_kv / H_q for it, which differs where heads do not add up to d_model (Qwen3-30B-A3B).
    """
    return shape.bytes_per_token * hoi / (2 * n_active)


def weight_tokens(weight_bytes: float, n_active: float, hoi: float, batch: float = 1.0) -> float:
    """Prefill tokens that reading the weights costs per decoded token: W * HOI / (2 N batch).

    The paper assumes a batch so large that this vanishes. For 16-bit dense weights it is HOI / batch.
    """
    return weight_bytes * hoi / (2 * n_active * batch)


def pte_growth(context: int, output: int, gamma: float) -> float:
    """Each decoded token also reads those decoded before it: L + gamma (L D + D (D - 1) / 2)."""
    return context + gamma * (context * output + output * (output - 1) / 2)


def pte_reuse(context: int, cached: int, output: int, gamma: float) -> float:
    """A cached prefix is not prefilled again, but decoding still reads it: max(0, L - cached) + gamma L D."""
    return max(0, context - cached) + gamma * context * output


def pte_weights(context: int, cached: int, output: int, gamma: float, weights: float) -> float:
    """Decoding reads the weights too: max(0, L - cached) + D (w + gamma L), with w from `weight_tokens` or measured."""
    return max(0, context - cached) + output * (weights + gamma * context)


def worst_pte_growth(input_tokens: int, max_tokens: int, gamma: float) -> float:
    """Of any call within the caps."""
    return pte_growth(input_tokens, max_tokens, gamma)


def worst_pte_reuse(input_tokens: int, max_tokens: int, gamma: float) -> float:
    """Of any call within the caps: nothing is found in the cache."""
    return pte_reuse(input_tokens, 0, max_tokens, gamma)


def worst_pte_weights(input_tokens: int, max_tokens: int, gamma: float, weights: float) -> float:
    """Of any call within the caps: nothing is found in the cache."""
    return pte_weights(input_tokens, 0, max_tokens, gamma, weights)
