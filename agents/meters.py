"""Meters: what can be spent, and the smallest unit it is counted in. Amounts inside are integers; people see floats.

Beside the common ones below, a tool may have meters of its own (`Tool.meters`), which are counted in ones.
"""

from collections.abc import Collection, Mapping
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


def scale(meter: str) -> int:
    """Smallest units in one of a known meter's own."""
    return SCALE.get(meter, 1)


def known(meter: str, of_tools: Collection[str] = ()) -> str:
    """Returns `meter`. Raises `UnknownName` with near matches unless it is a common one or one `of_tools`."""
    if meter not in SCALE and meter not in of_tools:
        raise UnknownName("meter", meter, [*SCALE, *of_tools])
    return meter


def to_units(amounts: Mapping[str, float], of_tools: Collection[str] = ()) -> dict[str, int]:
    """From people's units to integers, rounded up, decimal digits taken as written. Raises `UnknownName`."""
    return {
        known(meter, of_tools): int((Decimal(str(amount)) * scale(meter)).to_integral_value(ROUND_CEILING))
        for meter, amount in amounts.items()
    }


def from_units(amounts: Mapping[str, int]) -> dict[str, float]:
    """From integers to people's units."""
    return {meter: amount / scale(meter) if scale(meter) > 1 else amount for meter, amount in amounts.items()}
