"""Unified cost: tokens and tools on one bill (BATS, arXiv 2511.17006).

C = c_token + sum_i c_i P_i, where c_i counts the units of tool i. A unit is one element of a tool's list argument: a
call that searches for three strings has used three.
"""

from collections.abc import Mapping
from decimal import Decimal

from outlay.agents.costs.price import Price, cost_usd, worst_usd
from outlay.agents.types import Usage
from outlay.sandbox.errors import UnknownName

PAPER_PRICES: Mapping[str, Decimal] = {"search": Decimal("0.001"), "browse": Decimal("0.001")}
"""USD per unit, averages of the authors' logs."""


def unified_usd(usage: Usage, price: Price, units: Mapping[str, int], unit_prices: Mapping[str, Decimal]) -> Decimal:
    """USD. Raises `UnknownName` for a tool that was used and has no price: it is not free."""
    return cost_usd(usage, price) + tools_usd(units, unit_prices)


def tools_usd(units: Mapping[str, int], unit_prices: Mapping[str, Decimal]) -> Decimal:
    """USD of the tools alone."""
    for tool in units:
        if tool not in unit_prices:
            raise UnknownName("price of a tool", tool, unit_prices)
    return sum((count * unit_prices[tool] for tool, count in units.items()), Decimal(0))


def worst_unified_usd(
    input_tokens: int,
    max_tokens: int,
    price: Price,
    most_units: Mapping[str, int],
    unit_prices: Mapping[str, Decimal],
) -> Decimal:
    """USD of the dearest turn within the caps: nothing cached, all of `max_tokens` decoded, all units used."""
    return worst_usd(input_tokens, max_tokens, price) + tools_usd(most_units, unit_prices)
