"""What the paper's PTE leaves out: each extension by hand, and against what it extends (arXiv 2604.05404)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.catalogue import hardware_profiles, model_profiles
from outlay.agents.costs.extensions import (
    KvShape,
    gamma_kv,
    pte_growth,
    pte_reuse,
    pte_weights,
    weight_tokens,
    worst_pte_growth,
    worst_pte_reuse,
    worst_pte_weights,
)
from outlay.agents.costs.pte import gamma, pte

H100 = hardware_profiles()["H100"].hoi


def test_growth_adds_what_was_decoded_before() -> None:
    token_by_token = 1000 + sum(0.002 * (1000 + t) for t in range(200))
    assert pte_growth(1000, 200, 0.002) == pytest.approx(token_by_token) == pytest.approx(1439.8)


def test_a_weight_costs_hoi_over_batch_prefill_tokens_in_16_bits() -> None:
    assert weight_tokens(weight_bytes=2 * 8e9, n_active=8e9, hoi=H100) == pytest.approx(756.5)
    assert weight_tokens(2 * 8e9, 8e9, H100, batch=256) == pytest.approx(756.5 / 256)


def test_weights_come_on_top_of_keys_and_values() -> None:
    assert pte_weights(1000, 0, 200, 0.002, 3.0) == pte(1000, 200, 0.002) + 600


def test_reuse_leaves_what_was_not_cached() -> None:
    assert pte_reuse(3800, 1800, 50, 0.002) == pytest.approx(2000 + 380)
    assert pte_reuse(10, 50, 0, 0.002) == 0


@pytest.mark.parametrize(
    ("name", "shape"), [("Llama-3.1-8B", KvShape(32, 8, 128)), ("Qwen2.5-72B", KvShape(80, 8, 128))]
)
def test_the_true_width_is_the_papers_where_heads_add_up_to_the_model(name: str, shape: KvShape) -> None:
    model = model_profiles()[name]
    assert gamma_kv(shape, model.n_active, H100) == pytest.approx(gamma(model, hardware_profiles()["H100"]))


def test_the_true_width_of_qwen3_30b_is_twice_the_papers() -> None:
    """32 heads of 128 on a model 2048 wide."""
    model = model_profiles()["Qwen3-30B-A3B"]
    found = gamma_kv(KvShape(48, 4, 128), model.n_active, H100)
    assert found == pytest.approx(2 * gamma(model, hardware_profiles()["H100"]))


tokens = st.integers(0, 10**6)


@given(tokens, tokens, st.data(), st.floats(0, 10), st.floats(0, 1000))
def test_worst_is_never_less(
    input_tokens: int, max_tokens: int, data: st.DataObject, gamma: float, weights: float
) -> None:
    context, output = data.draw(st.integers(0, input_tokens)), data.draw(st.integers(0, max_tokens))
    cached = data.draw(st.integers(0, context))
    assert worst_pte_growth(input_tokens, max_tokens, gamma) >= pte_growth(context, output, gamma)
    assert worst_pte_reuse(input_tokens, max_tokens, gamma) >= pte_reuse(context, cached, output, gamma)
    worst = worst_pte_weights(input_tokens, max_tokens, gamma, weights)
    assert worst >= pte_weights(context, cached, output, gamma, weights)
