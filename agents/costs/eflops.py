"""eFLOPs: FLOP of generation, with memory traffic counted as the FLOP that could have run meanwhile (Kinetics).

Source: arXiv 2506.05333 and the authors' `cost_model/utils.py`. All amounts are in FLOP (the authors print 1e12).
Compute and traffic are added, not maximised: linear layers and reading the KV cache overlap little. The paper counts
generation only: prefilling the prompt, and reading the parameters, are not in it.
"""

from dataclasses import dataclass

B200_INTENSITY = 562.5
"""FLOP/byte: 4.5e15 FLOP/s (sparse BF16) over 8e12 bytes/s, the constant of the authors' code."""


@dataclass(frozen=True)
class Shape:
    """One model, as eFLOPs sees it."""

    parameters: float
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int


@dataclass(frozen=True)
class Eflops:
    """The two terms, in FLOP."""

    compute: float
    memory: float
    """Bytes of keys and values read, in 16 bits each, times FLOP/byte of the hardware."""

    @property
    def total(self) -> float:
        return self.compute + self.memory


def eflops(shape: Shape, intensity: float, prompt: int, generated: int, trials: int = 1) -> Eflops:
    """Of `trials` replies of `generated` tokens each to one prompt, which they share in the cache.

    compute = N (2 P L + 2 (2 L_in + L) L H_q h);  memory = I 2 (2 L_in + N L) L H_kv h;  h = head_dim * layers.
    """
    linear = 2 * shape.parameters * generated
    attention = 2 * (2 * prompt + generated) * generated * shape.query_heads * shape.head_dim * shape.layers
    read = 2 * (2 * prompt + trials * generated) * generated * shape.kv_heads * shape.head_dim * shape.layers
    return Eflops(trials * (linear + attention), intensity * read)


def sparse_eflops(
    shape: Shape, intensity: float, prompt: int, generated: int, *, kept: int, trials: int = 1, block: int | None = None
) -> Eflops:
    """With attention to at most `kept` positions per token, found at no cost, or by one key per `block` positions.

    compute = N (2 P L + 4 S H_q h + search H_q h);  memory = I (N 4 S + search) H_kv h. Trials do not share the prompt,
    except in the search for blocks: floor((2 L_in + L) / block) L per trial, with N L for L in the memory term.
    """
    doubled = twice_attended(prompt, generated, kept)
    width = shape.head_dim * shape.layers
    searched = (2 * prompt + generated) // block * generated if block else 0
    looked_up = (2 * prompt + trials * generated) // block * generated if block else 0
    compute = 2 * shape.parameters * generated + (2 * doubled + searched) * shape.query_heads * width
    return Eflops(trials * compute, intensity * (trials * 2 * doubled + looked_up) * shape.kv_heads * width)


def twice_attended(prompt: int, generated: int, kept: int) -> int:
    """Twice S, the integral of min(kept, prompt + t) over t from 0 to `generated`; an integer, so without rounding.

    Where prompt < kept < prompt + generated, S = kept * L - (kept - prompt)^2 / 2. The authors' code for free top-k
    (`zero_overhead_sparse_cost`) adds that square, a slip of the sign: `block_sparse_cost` subtracts it. Neither clips
    outside the range.
    """
    growing = min(max(kept - prompt, 0), generated)
    return (2 * prompt + growing) * growing + 2 * kept * (generated - growing)


def prefill_flop(shape: Shape, prompt: int) -> float:
    """What eFLOPs leaves out, FLOP: 2 P per prompt token, and attention to all positions before it."""
    attention = 2 * prompt * prompt * shape.query_heads * shape.head_dim * shape.layers
    return 2 * shape.parameters * prompt + attention


def worst_eflops(shape: Shape, intensity: float, input_tokens: int, max_tokens: int, trials: int = 1) -> Eflops:
    """Of any call within the caps, term by term."""
    return eflops(shape, intensity, input_tokens, max_tokens, trials)


def worst_sparse_eflops(
    shape: Shape,
    intensity: float,
    input_tokens: int,
    max_tokens: int,
    *,
    kept: int,
    trials: int = 1,
    block: int | None = None,
) -> Eflops:
    """Of any call within the caps, term by term. Can exceed the dense one: trials do not share the prompt."""
    return sparse_eflops(shape, intensity, input_tokens, max_tokens, kept=kept, trials=trials, block=block)
