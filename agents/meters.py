"""Meters: what can be spent, and the smallest unit it is counted in. Amounts inside are integers; people see floats."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from outlay.sandbox.errors import UnknownName

SCALE: Mapping[str, int] = {
    "tokens": 1,
    "model_calls": 1,
    "tool_calls": 1,
    "evaluations": 1,
    "usd": 10**9,
    "pte": 1000,
    "wall_s": 10**9,
}
"""Smallest units in one unit of the meter: USD in 1e-9, PTE in 1e-3, seconds in nanoseconds."""


def known(meter: str) -> str:
    """Returns `meter`. Raises `UnknownName` with near matches."""
    if meter not in SCALE:
        raise UnknownName("meter", meter, SCALE)
    return meter


def to_units(amounts: Mapping[str, float]) -> dict[str, int]:
    """From people's units to integers, rounded up, decimal digits taken as written. Raises `UnknownName`."""
    return {
        known(meter): int((Decimal(str(amount)) * SCALE[meter]).to_integral_value(ROUND_CEILING))
        for meter, amount in amounts.items()
    }


def from_units(amounts: Mapping[str, int]) -> dict[str, float]:
    """From integers to people's units."""
    return {meter: amount / SCALE[meter] if SCALE[meter] > 1 else amount for meter, amount in amounts.items()}
