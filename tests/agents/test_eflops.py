"""eFLOPs against figures computed from the formulas of Kinetics (arXiv 2506.05333)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.eflops import (
    B200_INTENSITY,
    Shape,
    eflops,
    prefill_flop,
    sparse_eflops,
    twice_attended,
    worst_eflops,
    worst_sparse_eflops,
)

QWEN3 = {
    "0.6B": Shape(0.752e9, 28, 16, 8, 128),
    "8B": Shape(8.19e9, 36, 32, 8, 128),
    "14B": Shape(14.77e9, 40, 40, 8, 128),
    "32B": Shape(32.76e9, 64, 64, 8, 128),
}
"""Parameters as in the authors' code; shapes of the models' own configurations."""


@pytest.mark.parametrize(
    ("model", "compute", "memory"),
    [
        ("0.6B", 174.353, 35175.782),
        ("8B", 858.347, 45226.006),
        ("14B", 1414.643, 50251.117),
        ("32B", 3290.451, 80401.788),
    ],
)
def test_both_terms_of_one_long_reply(model: str, compute: float, memory: float) -> None:
    found = eflops(QWEN3[model], B200_INTENSITY, prompt=256, generated=32768)
    assert (found.compute / 1e12, found.memory / 1e12) == pytest.approx((compute, memory), abs=1e-3)


def test_a_model_of_20_times_the_parameters_costs_1_46_times_as_much() -> None:
    small, large = (eflops(QWEN3[name], B200_INTENSITY, 256, 32768).total for name in ("0.6B", "14B"))
    assert large / small == pytest.approx(1.46, abs=0.01)


def test_trials_share_the_prompt_in_memory_but_not_in_compute() -> None:
    one, eight = (eflops(QWEN3["8B"], B200_INTENSITY, 1000, 100, trials=n) for n in (1, 8))
    assert eight.compute == 8 * one.compute
    prompt_only = 2 * 2 * 1000 * 100 * 8 * 128 * 36 * B200_INTENSITY
    assert eight.memory == pytest.approx(8 * one.memory - 7 * prompt_only)


def test_the_sum_that_is_attended_has_a_minus() -> None:
    """Exact sum 3,899,008; the square added instead would give 4,489,216."""
    exact = sum(min(1024, 256 + t) for t in range(4096))
    assert exact == 3_899_008
    assert twice_attended(256, 4096, 1024) / 2 == 3_899_392
    assert twice_attended(256, 4096, 1024) / 2 == 1024 * 4096 - (1024 - 256) ** 2 / 2


lengths = st.integers(0, 5000)


@given(lengths, lengths, lengths)
def test_the_integral_is_within_half_a_token_per_growing_step_of_the_sum(
    prompt: int, generated: int, kept: int
) -> None:
    exact = sum(min(kept, prompt + t) for t in range(generated))
    assert 0 <= twice_attended(prompt, generated, kept) / 2 - exact <= generated / 2


def test_keeping_everything_is_dense_attention() -> None:
    dense = eflops(QWEN3["8B"], B200_INTENSITY, 300, 700)
    assert sparse_eflops(QWEN3["8B"], B200_INTENSITY, 300, 700, kept=10**6) == dense


def test_blocks_pay_for_their_search() -> None:
    shape, free = QWEN3["8B"], sparse_eflops(QWEN3["8B"], B200_INTENSITY, 256, 4096, kept=1024)
    blocks = sparse_eflops(shape, B200_INTENSITY, 256, 4096, kept=1024, block=16)
    searched = (2 * 256 + 4096) // 16 * 4096
    assert blocks.compute - free.compute == pytest.approx(searched * 32 * 128 * 36)
    assert blocks.memory - free.memory == pytest.approx(B200_INTENSITY * searched * 8 * 128 * 36)


def test_prefill_is_what_generation_leaves_out() -> None:
    assert prefill_flop(QWEN3["8B"], 1000) == 2 * 8.19e9 * 1000 + 2 * 1000**2 * 32 * 128 * 36


@given(lengths, lengths, st.data(), st.integers(1, 32), lengths, st.none() | st.integers(1, 64))
def test_worst_is_never_less(
    input_tokens: int, max_tokens: int, data: st.DataObject, trials: int, kept: int, block: int | None
) -> None:
    prompt, generated = data.draw(st.integers(0, input_tokens)), data.draw(st.integers(0, max_tokens))
    shape = QWEN3["0.6B"]
    worst = worst_eflops(shape, B200_INTENSITY, input_tokens, max_tokens, trials)
    actual = eflops(shape, B200_INTENSITY, prompt, generated, trials)
    assert worst.compute >= actual.compute
    assert worst.memory >= actual.memory
    sparse = {"kept": kept, "trials": trials, "block": block}
    worst = worst_sparse_eflops(shape, B200_INTENSITY, input_tokens, max_tokens, **sparse)  # type: ignore[arg-type]
    actual = sparse_eflops(shape, B200_INTENSITY, prompt, generated, **sparse)  # type: ignore[arg-type]
    assert worst.compute >= actual.compute
    assert worst.memory >= actual.memory
