"""JSON for scripts, tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """As wide as it must be when it is not going to a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            escape(column), justify="right" if column in right else "left", no_wrap=not console.is_terminal
        )
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


def number(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits, thousands separated; `-` for None."""
    if value is None:
        return "-"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def meter(spent: Mapping[str, Any], name: str) -> str:
    """What was spent on a meter; `-` where it could not be measured."""
    return number(spent.get(name)) if name in spent else "-"
