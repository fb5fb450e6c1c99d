"""What the cost tables hold, and how a file of them is read: the shipped ones and the user's own have one format."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from outlay.agents.costs.price import Price
from outlay.agents.costs.pte import HardwareProfile, ModelProfile
from outlay.agents.errors import BadCostTable
from outlay.sandbox.errors import UnknownName

SHIPPED = (Path(__file__).with_name("profiles.toml"), Path(__file__).with_name("prices.toml"))
Usd = Annotated[Decimal, Field(ge=0)]
Date = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}(-\d{2})?)?$")]
"""`2026-06` or `2026-06-15`; empty for what holds always."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str = ""


class HardwareRow(_Row):
    """One accelerator."""

    tflops: PositiveFloat
    tbps: PositiveFloat
    sparse: bool = False
    """Whether `tflops` is the peak that only 2:4 sparse matrices reach, twice the dense one."""

    @property
    def profile(self) -> HardwareProfile:
        return HardwareProfile(self.tflops, self.tbps)


class ModelRow(_Row):
    """One model's shape."""

    n_active: PositiveFloat
    layers: PositiveInt
    width: PositiveInt
    kv: Annotated[str, Field(pattern=r"^[1-9]\d*(/[1-9]\d*)?$")] = "1"
    """Key-value heads over query heads, as a fraction."""
    latent: bool = False

    @property
    def profile(self) -> ModelProfile:
        return ModelProfile(self.n_active, self.layers, self.width, float(Fraction(self.kv)), self.latent)


class NameRow(_Row):
    """Which of our model names has which shape."""

    pattern: str
    profile: str


class PriceRow(_Row):
    """USD per million tokens for the model names that `pattern` matches, from `date` on."""

    pattern: str
    date: Date = ""
    input: Usd
    cache_read: Usd
    cache_write: Usd
    cache_write_1h: Usd | None = None
    output: Usd

    @property
    def price(self) -> Price:
        return Price(
            self.input, self.cache_read, self.cache_write, self.output, self.cache_write_1h, self.source, self.date
        )


class ToolPriceRow(_Row):
    """USD per unit of a tool, from `date` on."""

    tool: str
    date: Date = ""
    usd: Usd


class Tables(BaseModel):
    """One file of tables, or several read as one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    hardware: Mapping[str, HardwareRow] = {}
    models: Mapping[str, ModelRow] = {}
    names: tuple[NameRow, ...] = ()
    prices: tuple[PriceRow, ...] = ()
    tool_prices: tuple[ToolPriceRow, ...] = ()


def user_file() -> Path:
    """`OUTLAY_COSTS`, else `outlay/costs.toml` in the user's folder of settings."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get("OUTLAY_COSTS") or settings / "outlay" / "costs.toml")


def read_layers() -> Sequence[Tables]:
    """The user's tables, if there are any, before the shipped ones. Raises `BadCostTable`."""
    shipped, path = read_tables(*SHIPPED), user_file()
    if not path.exists() and not os.environ.get("OUTLAY_COSTS"):
        return (shipped,)
    own = read_tables(path)
    known = {**shipped.models, **own.models}
    strange = [
        f"[[names]] number {i}: field 'profile': {UnknownName('model profile', row.profile, known)}"
        for i, row in enumerate(own.names, 1)
        if row.profile not in known
    ]
    if strange:
        raise BadCostTable(str(path), strange)
    return own, shipped


def read_tables(*paths: Path) -> Tables:
    """Of all `paths` together. Raises `BadCostTable`, which names file, table, field and what is allowed."""
    found = [_read(path) for path in paths]
    return Tables(
        hardware={name: row for tables in found for name, row in tables.hardware.items()},
        models={name: row for tables in found for name, row in tables.models.items()},
        names=tuple(row for tables in found for row in tables.names),
        prices=tuple(row for tables in found for row in tables.prices),
        tool_prices=tuple(row for tables in found for row in tables.tool_prices),
    )


def _read(path: Path) -> Tables:
    try:
        return Tables.model_validate(tomllib.loads(path.read_text(), parse_float=Decimal))
    except (OSError, UnicodeDecodeError) as error:
        raise BadCostTable(str(path), [f"cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise BadCostTable(str(path), [f"not TOML: {error}"]) from error
    except ValidationError as error:
        raise BadCostTable(str(path), [_explain(e) for e in error.errors(include_url=False)]) from error


_ROWS: Mapping[str, type[_Row]] = {
    "hardware": HardwareRow,
    "models": ModelRow,
    "names": NameRow,
    "prices": PriceRow,
    "tool_prices": ToolPriceRow,
}


def _explain(error: Any) -> str:
    """One sentence of a pydantic error: table, row, field, what was wrong, what is allowed."""
    table, *rest = error["loc"]
    known = list(_ROWS[table].model_fields) if rest else list(_ROWS)
    field = str(rest[-1] if rest else table)
    where = f"{_place(table, rest[0])}: " if len(rest) > 1 else ""
    if error["type"] == "extra_forbidden":
        near = get_close_matches(field, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"{where}unknown {'field' if rest else 'table'} {field!r}; {hint}"
    if error["type"] == "missing":
        return f"{where}field {field!r} is missing; needed: {', '.join(_needed(table))}"
    return f"{where}field {field!r}: {error['msg']}, not {error['input']!r}"


def _place(table: str, row: str | int) -> str:
    return f"[[{table}]] number {row + 1}" if isinstance(row, int) else f"[{table}] {row}"


def _needed(table: str) -> list[str]:
    return [name for name, field in _ROWS[table].model_fields.items() if field.is_required()]
