"""What one model's calls cost: prices and profiles by name, and amounts by meter from one set of formulas."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from outlay.agents.costs.price import Price, cost_usd, worst_usd
from outlay.agents.costs.pte import HardwareProfile, ModelProfile, gamma, pte
from outlay.agents.meters import SCALE
from outlay.agents.types import Usage
from outlay.sandbox.errors import UnknownName

_HERE = Path(__file__).parent


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
def costs_of(model: str, hardware: str = "H100") -> CallCosts:
    """By the model's name. Raises `UnknownName` for a hardware profile that is not there."""
    return CallCosts(_price(model), _gamma(model, hardware))


def hardware_profiles() -> Mapping[str, HardwareProfile]:
    """By name, as in `profiles.toml`."""
    return {name: HardwareProfile(**row) for name, row in _profiles()["hardware"].items()}


def model_profiles() -> Mapping[str, ModelProfile]:
    """By name, as in `profiles.toml`."""
    return {
        name: ModelProfile(
            n_active=row["n_active"],
            layers=row["layers"],
            width=row["width"],
            kv_ratio=float(Fraction(row.get("kv", "1"))),
            latent=row.get("latent", False),
        )
        for name, row in _profiles()["models"].items()
    }


def _gamma(model: str, hardware: str) -> float | None:
    machines = hardware_profiles()
    if hardware not in machines:
        raise UnknownName("hardware", hardware, machines)
    for row in _profiles()["names"]:
        if fnmatchcase(model, row["pattern"]):
            return gamma(model_profiles()[row["profile"]], machines[hardware])
    return None


def _price(model: str) -> Price | None:
    for row in _prices()["prices"]:
        if fnmatchcase(model, row["pattern"]):
            fields = {kind: Decimal(str(row[kind])) for kind in ("input", "cache_read", "cache_write", "output")}
            return Price(**fields, source=row["source"])
    return None


@cache
def _profiles() -> dict[str, Any]:
    return tomllib.loads((_HERE / "profiles.toml").read_text())


@cache
def _prices() -> dict[str, Any]:
    return tomllib.loads((_HERE / "prices.toml").read_text())
