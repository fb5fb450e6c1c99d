"""The costs of one rollout, turn by turn: a table with bars for people, every number for scripts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from outlay.agents.costs.catalogue import costs_of, tool_usd
from outlay.agents.costs.series import Terms, TurnCost, own_units, series, totals
from outlay.agents.costs.turns import booked, turns
from outlay.agents.events import Event, Started
from outlay.agents.meters import SCALE, from_units

BAR = 24
"""Characters of the dearest turn's bar."""
GLYPHS = {"fresh": "█", "again": "▒", "decode_kv": "░"}
COLUMNS = ("turn", "model", "context", "cached", "new", "output", "PTE", "PTE bar", "usd", "seconds", "tools")


def costs(events: Sequence[Event]) -> list[TurnCost]:
    """At the newest prices, on the hardware that the rollout names."""
    started = next((event for event in events if isinstance(event, Started)), None)
    hardware = started.rollout["hardware"] if started else "H100"
    return series(turns(events), Terms(lambda model: costs_of(model, hardware), tool_usd))


def as_record(found: Sequence[TurnCost]) -> dict[str, Any]:
    """JSON-able; amounts in each meter's own unit."""
    rows = [
        {
            **asdict(cost.turn),
            "context": cost.turn.usage.context,
            "new": cost.turn.new,
            "booked": from_units(cost.turn.booked),
            "costs": own_units(cost.parts),
        }
        for cost in found
    ]
    return {"turns": rows, "totals": own_units(totals(found))}


def print_waterfall(found: Sequence[TurnCost]) -> None:
    """One line per turn, the sum, and what the marks mean."""
    import typer

    from outlay.runs.cli.output import number, print_table

    dearest = max((cost.amount("pte") or 0 for cost in found), default=0)
    rows = [_cells(position, cost, dearest) for position, cost in enumerate(found, 1)]
    print_table(COLUMNS, [*rows, _sum(found)], right=[c for c in COLUMNS if c not in ("model", "PTE bar", "tools")])
    typer.echo("PTE bar: █ prefill of new tokens  ▒ prefilled again  ░ decoding against the context")
    before = from_units(booked([cost.turn for cost in found]))
    for meter, parts in totals(found).items():
        if meter in before and before[meter] != sum(parts.values()) / SCALE[meter]:
            typer.echo(f"{meter} was booked as {number(before[meter])}, at other prices or on other hardware")
    if any(cost.turn.at_worst for cost in found):
        typer.echo("? no reply is on record: the worst case was booked")
    if any(cost.turn.clamped for cost in found):
        typer.echo(
            "! the provider's usage contradicts itself: parts above their total are clamped, the event keeps both"
        )


def _cells(position: int, cost: TurnCost, dearest: int) -> list[str]:
    turn, usage = cost.turn, cost.turn.usage
    mark = ("?" if turn.at_worst else "") + ("!" if turn.clamped else "")
    return [
        f"{mark}{position}",
        f"{turn.model or '-'}{'' if turn.outcome in ('ok', 'no call') else f' ({turn.outcome})'}",
        f"{usage.context:,}",
        f"{usage.cache_read:,}",
        f"{turn.new:,}",
        f"{usage.output:,}",
        _shown(cost, "pte"),
        _bar(cost, dearest),
        _shown(cost, "usd"),
        f"{turn.seconds:.2f}",
        "  ".join(f"{tool}x{units}" if units > 1 else tool for tool, units in turn.tools.items()),
    ]


def _sum(found: Sequence[TurnCost]) -> list[str]:
    from outlay.runs.cli.output import number

    sums = {meter: sum(parts.values()) / SCALE[meter] for meter, parts in totals(found).items()}
    usages = [cost.turn.usage for cost in found]
    return [
        "all",
        "",
        f"{sum(usage.context for usage in usages):,}",
        f"{sum(usage.cache_read for usage in usages):,}",
        f"{sum(cost.turn.new for cost in found):,}",
        f"{sum(usage.output for usage in usages):,}",
        number(sums.get("pte")),
        "",
        number(sums.get("usd")),
        f"{sum(cost.turn.seconds for cost in found):.2f}",
        f"{sum(cost.turn.tools_s for cost in found):.2f} s",
    ]


def _shown(cost: TurnCost, meter: str) -> str:
    from outlay.runs.cli.output import number

    amount = cost.amount(meter)
    return number(None if amount is None else amount / SCALE[meter])


def _bar(cost: TurnCost, dearest: int) -> str:
    parts = cost.parts.get("pte", {})
    return "".join(glyph * round(BAR * parts.get(part, 0) / max(dearest, 1)) for part, glyph in GLYPHS.items())
