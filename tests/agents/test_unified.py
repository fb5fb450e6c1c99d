"""Unified cost against the tables of BATS (arXiv 2511.17006)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.price import Price
from outlay.agents.costs.unified import PAPER_PRICES, tools_usd, unified_usd, worst_unified_usd
from outlay.agents.types import Usage
from outlay.sandbox.errors import UnknownName

VERTEX = Price(input=Decimal("1.25"), cache_read=Decimal("0.125"), cache_write=Decimal("1.25"), output=Decimal(10))
"""USD per million tokens of Gemini 2.5 Pro."""


@pytest.mark.parametrize(
    ("search", "browse", "cents"),
    [("7.87", "0.60", "0.847"), ("13.77", "1.33", "1.510"), ("14.24", "1.36", "1.560"), ("8.48", "1.09", "0.957")],
)
def test_the_tools_of_table_2(search: str, browse: str, cents: str) -> None:
    mean_units = {"search": Decimal(search), "browse": Decimal(browse)}
    assert 100 * tools_usd(mean_units, PAPER_PRICES) == Decimal(cents)  # type: ignore[arg-type]


def test_bats_on_browsecomp_costs_1_241_with_its_tools() -> None:
    """The printed $1.1 is the part of the tokens, 1.140, alone. Mean units rounded to whole ones."""
    usage = Usage(input=321_000, cache_read=393_000, output=69_000)
    assert unified_usd(usage, VERTEX, {}, PAPER_PRICES) == pytest.approx(Decimal("1.140"), abs=Decimal("0.001"))
    with_tools = unified_usd(usage, VERTEX, {"search": 87, "browse": 14}, PAPER_PRICES)
    assert with_tools == pytest.approx(Decimal("1.241"), abs=Decimal("0.001"))


def test_a_tool_without_a_price_is_not_free() -> None:
    with pytest.raises(UnknownName, match="did you mean search"):
        tools_usd({"serch": 1}, PAPER_PRICES)


counts = st.integers(0, 10**6)
prices = st.decimals(0, 100, places=4)


@given(st.tuples(counts, counts, counts, counts), st.tuples(prices, prices, prices, prices), counts, prices, st.data())
def test_worst_is_never_less(
    tokens: tuple[int, int, int, int],
    rates: tuple[Decimal, Decimal, Decimal, Decimal],
    most_units: int,
    unit_price: Decimal,
    data: st.DataObject,
) -> None:
    fresh, read, written, output = tokens
    used, more = data.draw(st.integers(0, most_units)), data.draw(counts)
    price, unit_prices = Price(*rates), {"search": unit_price}
    usage = Usage(fresh, read, written, output)
    worst = worst_unified_usd(usage.context + more, output + more, price, {"search": most_units}, unit_prices)
    assert worst >= unified_usd(usage, price, {"search": used}, unit_prices)
