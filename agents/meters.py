"""Meters: what can be spent, and the smallest unit it is counted in. Amounts inside are integers; people see floats.

Beside the common ones below, a tool may have meters of its own (`Tool.meters`), which are counted in ones.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

from outlay.sandbox.errors import UnknownName
from outlay.tools.types import AnyTool

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


def of_tools(tools: Iterable[AnyTool]) -> tuple[str, ...]:
    """The meters of these tools' own."""
    return tuple(meter for tool in tools for meter in tool.meters)


def known(meter: str, own: Collection[str] = ()) -> str:
    """Returns `meter`. Raises `UnknownName` with near matches unless it is a common one or one of the tools' `own`."""
    if meter not in SCALE and meter not in own:
        raise UnknownName("meter", meter, [*SCALE, *own])
    return meter


def added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    """Sum by meter; what is in one only counts as 0 in the other."""
    return {meter: left.get(meter, 0) + right.get(meter, 0) for meter in dict.fromkeys([*left, *right])}


def to_units(amounts: Mapping[str, float], own: Collection[str] = ()) -> dict[str, int]:
    """From people's units to integers, rounded up, decimal digits taken as written. Raises `UnknownName`."""
    return {
        known(meter, own): int((Decimal(str(amount)) * scale(meter)).to_integral_value(ROUND_CEILING))
        for meter, amount in amounts.items()
    }


def from_units(amounts: Mapping[str, int]) -> dict[str, float]:
    """From integers to people's units."""
    return {meter: amount / scale(meter) if scale(meter) > 1 else amount for meter, amount in amounts.items()}
