"""Experiment files: TOML to `Spec`, with errors that name file, line and field."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from outlay.runs.errors import SpecError
from outlay.runs.types import Spec


def read_spec(path: Path) -> Spec:
    """Raises `SpecError`."""
    try:
        text = path.read_text()
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}. `outlay run` takes a TOML file, or -t TASK -a AGENT") from error
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not TOML: {error}") from error
    try:
        return Spec.model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        lines = [f"{path}:{_line(text, e['loc'])}: {explain(e)}" for e in error.errors()]
        raise SpecError("\n".join(lines)) from error


def explain(error: Any) -> str:
    """One sentence of a pydantic error: field, what was wrong, what is allowed."""
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = get_close_matches(field, Spec.model_fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(Spec.model_fields)}"
        return f"unknown field {field!r}; {hint}"
    if error["type"] == "missing":
        return f"field {field!r} is missing"
    return f"field {field!r}: {error['msg']}, not {error['input']!r}"


def _line(text: str, location: Sequence[str | int]) -> int:
    """Line of the key, or of its table; 1 when it is nowhere."""
    lines = text.splitlines()
    for part in reversed([str(part) for part in location if isinstance(part, str)]):
        pattern = re.compile(rf"""^\s*\[*\s*["']?{re.escape(part)}["']?\s*(=|\])""")
        for number, line in enumerate(lines, 1):
            if pattern.match(line):
                return number
    return 1


def spec_of(
    *,
    tasks: Sequence[str] | None,
    agents: Sequence[str] | None,
    models: Sequence[str] | None,
    budget: str | Mapping[str, float],
    name: str | None = None,
    **fields: Any,
) -> Spec:
    """A spec from command-line options; without a name, one made from a hash of the rest. Raises `SpecError`."""
    if not tasks or not agents:
        raise SpecError("nothing to run: name an experiment file, or a task with -t and an agent with -a")
    limits = parse_budget(budget) if isinstance(budget, str) else dict(budget)
    body = {"tasks": list(tasks), "agents": list(agents), "models": list(models or []), "budget": limits, **fields}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:6]
    try:
        return Spec.model_validate({"name": name or f"run-{digest}", **body})
    except ValidationError as error:
        raise SpecError("\n".join(explain(e) for e in error.errors())) from error


def parse_budget(text: str) -> dict[str, float]:
    """`tokens=20000,usd=1` to numbers. Raises `SpecError`."""
    limits: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        meter, _, amount = part.partition("=")
        try:
            limit = float(amount)
        except ValueError as error:
            raise SpecError(f"budget {part!r}: write it as METER=NUMBER, for instance tokens=20000") from error
        if limits.setdefault(meter.strip(), limit) != limit:
            raise SpecError(f"budget {text!r}: {meter.strip()} is given twice")
    return limits
