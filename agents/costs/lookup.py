"""Finding a row by name and date. Tables come in layers, the user's own first: what it has wins over the shipped."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TypeVar

from outlay.agents.costs.tables import HardwareRow, ModelRow, PriceRow, Tables, ToolPriceRow
from outlay.sandbox.errors import UnknownName

Layers = Sequence[Tables]
Dated = TypeVar("Dated", PriceRow, ToolPriceRow)
Named = TypeVar("Named", HardwareRow, ModelRow)


def price_row(layers: Layers, model: str, date: str | None = None) -> PriceRow | None:
    """The model's price on `date` (`2026-06` or `2026-06-15`), the newest without one; None where none is known."""
    return _newest([tables.prices for tables in layers], model, date, lambda row: row.pattern)


def tool_usd(layers: Layers, tool: str, date: str | None = None) -> Decimal:
    """USD per unit of a tool; tools run on this machine, so one that no row names costs nothing."""
    row = _newest([tables.tool_prices for tables in layers], tool, date, lambda row: row.tool)
    return Decimal(0) if row is None else row.usd


def _newest(
    layers: Sequence[Sequence[Dated]], name: str, date: str | None, pattern: Callable[[Dated], str]
) -> Dated | None:
    """Of the first pattern that matches, in the first layer that has one, the newest row that is not after `date`."""
    for rows in layers:
        # A month contains its days, so dates are compared to the length of the one that was asked for.
        known = [row for row in rows if date is None or row.date[: len(date)] <= date]
        matching = [row for row in known if fnmatchcase(name, pattern(row))]
        if matching:
            same = [row for row in matching if pattern(row) == pattern(matching[0])]
            return max(same, key=lambda row: row.date)
    return None


def profile_name(layers: Layers, model: str) -> str | None:
    """Which shape a model's name stands for; None where none is known."""
    for tables in layers:
        for row in tables.names:
            if fnmatchcase(model, row.pattern):
                return row.profile
    return None


def hardware_rows(layers: Layers) -> Mapping[str, HardwareRow]:
    return {name: row for tables in reversed(layers) for name, row in tables.hardware.items()}


def model_rows(layers: Layers) -> Mapping[str, ModelRow]:
    return {name: row for tables in reversed(layers) for name, row in tables.models.items()}


def named(kind: str, name: str, rows: Mapping[str, Named]) -> Named:
    """By name, in any case. Raises `UnknownName`, with what was probably meant."""
    if name in rows:
        return rows[name]
    for known, row in rows.items():
        if known.casefold() == name.casefold():
            return row
    raise UnknownName(kind, name, rows)
