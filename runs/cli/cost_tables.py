"""What calls are priced by, as rows to list: prices, model profiles, hardware; the user's own first."""

from collections.abc import Sequence
from typing import Any

from outlay.agents.costs.catalogue import layers
from outlay.agents.costs.lookup import hardware_rows, model_rows
from outlay.agents.costs.pte import gamma

Row = dict[str, Any]


def prices() -> Sequence[Row]:
    """USD per million tokens, and per unit of a tool, in the order in which they are looked up."""
    rows = [
        {
            "table": "prices",
            "pattern": row.pattern,
            "date": row.date or "always",
            "input": float(row.input),
            "cache_read": float(row.cache_read),
            "cache_write": float(row.cache_write),
            "cache_write_1h": float(row.price.cache_write_longest),
            "output": float(row.output),
            "usd_per_unit": None,
            "source": row.source,
        }
        for tables in layers()
        for row in tables.prices
    ]
    nothing = dict.fromkeys(("input", "cache_read", "cache_write", "cache_write_1h", "output"))
    return rows + [
        {
            "table": "tool_prices",
            "pattern": f"tool {row.tool}",
            "date": row.date or "always",
            **nothing,
            "usd_per_unit": float(row.usd),
            "source": row.source,
        }
        for tables in layers()
        for row in tables.tool_prices
    ]


def profiles() -> Sequence[Row]:
    """Shapes, the model names that have them, and gamma (PTE per decoded token and token of context) on H100."""
    names = [row for tables in layers() for row in tables.names]
    machine = hardware_rows(layers())["H100"].profile
    return [
        {
            "table": "models",
            "profile": name,
            "n_active_1e9": row.n_active / 1e9,
            "layers": row.layers,
            "width": row.width,
            "kv": "latent" if row.latent else row.kv,
            "gamma_h100": gamma(row.profile, machine),
            "names": " ".join(known.pattern for known in names if known.profile == name),
            "source": row.source,
        }
        for name, row in model_rows(layers()).items()
    ]


def hardware() -> Sequence[Row]:
    """Peaks, and operational intensity in FLOP per byte."""
    return [
        {
            "table": "hardware",
            "hardware": name,
            "tflops": row.tflops,
            "peak": "2:4 sparse" if row.sparse else "dense",
            "tbps": row.tbps,
            "hoi": row.profile.hoi,
            "source": row.source,
        }
        for name, row in hardware_rows(layers()).items()
    ]
