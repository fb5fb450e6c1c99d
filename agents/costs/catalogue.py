"""What one model's calls cost: prices and profiles by name, and amounts by meter from one set of formulas."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from functools import cache
from math import ceil

from outlay.agents.costs import lookup
from outlay.agents.costs.lookup import Layers
from outlay.agents.costs.price import Price, cost_usd, worst_usd
from outlay.agents.costs.pte import HardwareProfile, ModelProfile, gamma, pte
from outlay.agents.costs.tables import read_layers, user_file
from outlay.agents.meters import SCALE
from outlay.agents.types import Usage


@dataclass(frozen=True)
class CallCosts:
    """Amounts of one model's calls, in the smallest unit of each meter. What cannot be measured is absent."""

    price: Price | None
    gamma: float | None

    def amounts(self, usage: Usage) -> dict[str, int]:
        """Of a call that was made. The worst case of its request is never less, meter by meter."""
        found = {"tokens": usage.context + usage.output}
        if self.price is not None:
            nano = cost_usd(usage, self.price) * SCALE["usd"]
            found["usd"] = int(nano.to_integral_value(ROUND_HALF_EVEN))
        if self.gamma is not None:
            found["pte"] = round(pte(usage.context, usage.output, self.gamma) * SCALE["pte"])
        return found

    def worst(self, input_tokens: int, max_tokens: int) -> dict[str, int]:
        """Of a call that may be made: nothing cached, all of `max_tokens` decoded; rounded up."""
        found = {"tokens": input_tokens + max_tokens}
        if self.price is not None:
            nano = worst_usd(input_tokens, max_tokens, self.price) * SCALE["usd"]
            found["usd"] = int(nano.to_integral_value(ROUND_CEILING))
        if self.gamma is not None:
            found["pte"] = ceil(pte(input_tokens, max_tokens, self.gamma) * SCALE["pte"])
        return found


@cache
def costs_of(model: str, hardware: str = "H100", date: str | None = None, profile: str | None = None) -> CallCosts:
    """By the model's name, at the prices of `date` (the newest without one), as if it had the shape `profile` (its own
    without one). Raises `UnknownName` for hardware or a profile that is not there, `BadCostTable`.
    """
    row = lookup.price_row(layers(), model, date)
    return CallCosts(row.price if row else None, _gamma(model, hardware, profile))


def tool_usd(tool: str, date: str | None = None) -> Decimal:
    """USD per unit of a tool; 0 for one without a price. Raises `BadCostTable`."""
    return lookup.tool_usd(layers(), tool, date)


def hardware_profiles() -> Mapping[str, HardwareProfile]:
    """By name."""
    return {name: row.profile for name, row in lookup.hardware_rows(layers()).items()}


def model_profiles() -> Mapping[str, ModelProfile]:
    """By name."""
    return {name: row.profile for name, row in lookup.model_rows(layers()).items()}


@cache
def layers() -> Layers:
    """Read once per process. Raises `BadCostTable`."""
    return read_layers()


def _gamma(model: str, hardware: str, profile: str | None) -> float | None:
    machine = lookup.named("hardware", hardware, lookup.hardware_rows(layers()))
    name = profile or lookup.profile_name(layers(), model)
    if name is None:
        return None
    return gamma(lookup.named("model profile", name, lookup.model_rows(layers())).profile, machine.profile)


def price_lines(model: str) -> str:
    """What to write, and where, so that `model` has a price."""
    return f"""Mend: write into {user_file()}, in USD per million tokens:
[[prices]]
pattern = "{model}"
date = "YYYY-MM"
input = ?
cache_read = ?
cache_write = ?
output = ?
source = "?\""""


def profile_lines(model: str) -> str:
    """What to write, and where, so that `model` has a PTE."""
    return f"""Mend: write into {user_file()} the profile it has (`outlay models --profiles` lists them):
[[names]]
pattern = "{model}"
profile = "?\""""
