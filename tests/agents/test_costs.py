"""Cost models against the figures their sources print."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.catalogue import CallCosts, costs_of, hardware_profiles, model_profiles
from outlay.agents.costs.price import Price, cost_usd
from outlay.agents.costs.pte import gamma, pte
from outlay.agents.models.anthropic import anthropic_usage
from outlay.agents.models.chat import chat_usage
from outlay.agents.types import Usage
from outlay.sandbox.errors import UnknownName

TABLE_3 = {
    "Qwen2.5-7B": 0.00329,
    "Qwen2.5-32B": 0.00320,
    "Qwen2.5-72B": 0.00175,
    "Qwen3-32B": 0.00200,
    "Llama-3.1-8B": 0.00625,
    "Llama-3.1-70B": 0.00175,
    "Qwen3-30B-A3B": 0.00563,
    "Qwen3-235B-A22B": 0.00163,
    "GLM-4.5-Air": 0.00200,
    "GLM-4.5": 0.00183,
    "GPT-OSS-120B": 0.00388,
}


HALF_A_DIGIT = 0.000005
"""The table prints five decimals."""


@pytest.mark.parametrize(("model", "printed"), TABLE_3.items())
def test_gamma_is_that_of_table_3(model: str, printed: float) -> None:
    found = gamma(model_profiles()[model], hardware_profiles()["H100"])
    assert abs(found - printed) <= 0.015 * printed + HALF_A_DIGIT


def test_the_printed_half_of_qwen_32b_does_not_fit_its_printed_gamma() -> None:
    as_printed = replace(model_profiles()["Qwen2.5-32B"], kv_ratio=1 / 2)
    assert gamma(as_printed, hardware_profiles()["H100"]) == pytest.approx(0.0080, rel=0.001)


def test_latent_attention_fits_one_vector_per_token_to_6_percent_and_not_two() -> None:
    deepseek, printed = model_profiles()["DeepSeek-V3.1-Terminus"], 0.00068
    assert gamma(deepseek, hardware_profiles()["H100"]) / printed == pytest.approx(1.056, abs=0.001)
    two_vectors = replace(deepseek, latent=False)
    assert gamma(two_vectors, hardware_profiles()["H100"]) / printed == pytest.approx(2.113, abs=0.001)


@pytest.mark.parametrize(
    ("hardware", "hoi", "alpha"),
    [
        ("H100", 756.5, 1.00),
        ("H200", 348.1, 0.46),
        ("A100", 322.5, 0.43),
        ("V100", 138.9, 0.18),
        ("RTX4090", 327.4, 0.43),
    ],
)
def test_operational_intensity_and_its_ratio_to_h100_are_those_of_table_4(
    hardware: str, hoi: float, alpha: float
) -> None:
    machines = hardware_profiles()
    assert round(machines[hardware].hoi, 1) == hoi
    ratios = [gamma(model, machines[hardware]) / gamma(model, machines["H100"]) for model in model_profiles().values()]
    assert {round(ratio, 2) for ratio in ratios} == {alpha}


def test_the_toy_check_adds_up_to_7620() -> None:
    turns = [(1000, 200), (1700, 100), (3800, 50)]
    assert [round(pte(context, output, 0.002)) for context, output in turns] == [1400, 2040, 4180]
    assert round(sum(pte(context, output, 0.002) for context, output in turns)) == 7620


def test_thinking_costs_1_8_times_as_much_on_aime_and_2_9_times_on_simpleqa() -> None:
    """Tables 5 and 6, Qwen3-235B Thinking over Instruct. The text's 4.2 for SimpleQA is not the ratio of its rows."""
    assert round(35829 / 19956, 1) == 1.8
    assert round(9306 / 3184, 1) == 2.9


def test_a_bill_with_cache_writes_and_reads() -> None:
    price = Price(Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(15))
    usage = Usage(input=1000, cache_write=2000, cache_read=10_000, output=500)
    assert cost_usd(usage, price) == Decimal("0.021")


def test_writes_for_an_hour_have_a_price_of_their_own() -> None:
    price = Price(Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(15), cache_write_1h=Decimal(6))
    body = {"input_tokens": 1000, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 10_000}
    split = {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500}
    usage = anthropic_usage({**body, "cache_creation": split, "output_tokens": 500})
    assert cost_usd(usage, price) == Decimal("0.021") + 1500 * (6 - Decimal("3.75")) / 10**6
    assert cost_usd(anthropic_usage({**body, "output_tokens": 500}), price) == Decimal("0.021")


def test_reasoning_is_not_billed_twice() -> None:
    price = Price(Decimal(2), Decimal("0.2"), Decimal(2), Decimal(8))
    details = {"cached_tokens": 10_000}, {"reasoning_tokens": 300}
    body = {"prompt_tokens": 13_000, "completion_tokens": 500}
    usage = chat_usage({**body, "prompt_tokens_details": details[0], "completion_tokens_details": details[1]})
    assert cost_usd(usage, price) == Decimal("0.012")


def test_what_cannot_be_measured_is_absent_not_zero() -> None:
    costs = costs_of("openai:some-model")
    assert costs.amounts(Usage(input=5, output=2)) == {"tokens": 7}


def test_unknown_hardware_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean H200 or H100"):
        costs_of("llamacpp:smollm2", "H20")


def test_hardware_is_found_in_any_case() -> None:
    assert costs_of("llamacpp:smollm2", "rtx4090") == costs_of("llamacpp:smollm2", "RTX4090")


tokens = st.integers(0, 10**6)
prices = st.decimals(0, 100, places=4)


usages = st.builds(Usage, tokens, tokens, tokens, tokens).flatmap(
    lambda usage: st.integers(0, usage.cache_write).map(lambda hour: replace(usage, cache_write_1h=hour))
)
any_price = st.builds(Price, prices, prices, prices, prices, st.none() | prices)


@given(usages, tokens, tokens, any_price, st.floats(0, 1))
def test_the_worst_case_is_never_less_than_any_usage_within_the_caps(
    usage: Usage, spare_input: int, spare_output: int, price: Price, gamma: float
) -> None:
    costs = CallCosts(price, gamma)
    actual = costs.amounts(usage)
    worst = costs.worst(usage.context + spare_input, usage.output + spare_output)
    assert set(actual) == {"tokens", "usd", "pte"}
    assert all(worst[meter] >= amount for meter, amount in actual.items())
