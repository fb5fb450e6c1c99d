"""Cost models against the figures their sources print."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.catalogue import CallCosts, costs_of, hardware_profiles, model_profiles
from outlay.agents.costs.price import Price, cost_usd
from outlay.agents.costs.pte import gamma, pte
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


@pytest.mark.parametrize(("model", "printed"), TABLE_3.items())
def test_gamma_is_that_of_table_3(model: str, printed: float) -> None:
    assert gamma(model_profiles()[model], hardware_profiles()["H100"]) == pytest.approx(printed, rel=0.016)


def test_latent_attention_keeps_one_vector() -> None:
    found = gamma(model_profiles()["DeepSeek-V3.1-Terminus"], hardware_profiles()["H100"])
    assert found == pytest.approx(0.00068, rel=0.06)


@pytest.mark.parametrize(
    ("hardware", "hoi"), [("H100", 756.5), ("H200", 348.1), ("A100", 322.5), ("V100", 138.9), ("RTX4090", 327.4)]
)
def test_operational_intensity_is_that_of_table_4(hardware: str, hoi: float) -> None:
    assert hardware_profiles()[hardware].hoi == pytest.approx(hoi, rel=1e-3)


def test_three_turns_add_up() -> None:
    turns = [(1000, 200), (1700, 100), (3800, 50)]
    assert [round(pte(context, output, 0.002)) for context, output in turns] == [1400, 2040, 4180]


def test_a_bill_with_cache_writes_and_reads() -> None:
    price = Price(Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(15))
    usage = Usage(input=1000, cache_write=2000, cache_read=10_000, output=500)
    assert cost_usd(usage, price) == Decimal("0.021")


def test_reasoning_is_not_billed_twice() -> None:
    price = Price(Decimal(2), Decimal("0.2"), Decimal(2), Decimal(8))
    usage = Usage(input=3000, cache_read=10_000, output=500, reasoning=300)
    assert cost_usd(usage, price) == Decimal("0.012")


def test_what_cannot_be_measured_is_absent_not_zero() -> None:
    costs = costs_of("openai:some-model")
    assert costs.amounts(Usage(input=5, output=2)) == {"tokens": 7}


def test_unknown_hardware_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean H200 or H100"):
        costs_of("llamacpp:smollm2", "H20")


tokens = st.integers(0, 10**6)
prices = st.decimals(0, 100, places=4)


@given(tokens, tokens, tokens, tokens, prices, prices, prices, prices, st.floats(0, 1))
def test_the_worst_case_is_never_less_than_what_is_paid(
    fresh: int,
    read: int,
    written: int,
    output: int,
    p_input: Decimal,
    p_read: Decimal,
    p_write: Decimal,
    p_output: Decimal,
    gamma: float,
) -> None:
    costs = CallCosts(Price(p_input, p_read, p_write, p_output), gamma)
    usage = Usage(fresh, read, written, output)
    actual, worst = costs.amounts(usage), costs.worst(usage.context, output)
    assert all(worst[meter] >= amount for meter, amount in actual.items())
