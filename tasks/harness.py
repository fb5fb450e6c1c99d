"""Runs one case inside a sandbox. Plain standard library: its text is sent there, nothing of outlay is.

All that it needs arrives on stdin. Before the candidate is imported, stdout has become a private descriptor and the
numbers 0, 1 and 2 lead nowhere, so what the candidate prints is not mistaken for its result. A candidate that finds
the descriptor can write to it: it can only hand back bytes, which it may anyway, and two results are none.
"""

import base64
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

NOTE = 500
"""Characters kept of an error's message."""


def plain(value: Any) -> Any:
    """`value` in JSON's own types: what numpy and the like call a list or a number, every other iterable a list.

    For honest candidates only; whoever goes around it hands back bytes of its own. Raises `TypeError` for any other
    value, `ValueError` for a number that is not finite.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {_key(name): plain(item) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} is neither number, text, list nor dict")


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def _key(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a dict's key must be text, not {type(name).__name__}")
    return str.__str__(name)


def main() -> None:
    """Ends the process as soon as the result is handed back: no exit handler, no thread outlives it."""
    leave, private = os._exit, os.dup(1)
    order = json.load(sys.stdin.buffer)
    _hush()
    _enter(order["folder"], order["files"])
    try:
        result = {"id": order["id"], "result": plain(_answer(order["driver"], order["case"]))}
        reply = json.dumps(result, allow_nan=False)
    except BaseException as error:
        note = f"{type(error).__name__}: {error}"[:NOTE]
        reply = json.dumps({"id": order["id"], "error": note})
    with os.fdopen(private, "wb") as stream:
        stream.write(reply.encode() + b"\n")
    leave(0)


def _hush() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def _enter(folder: str, files: Mapping[str, str]) -> None:
    """Every process gets its files anew, so that none of an earlier case's can have been changed."""
    for name, body in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(body))
    os.chdir(folder)
    sys.path.insert(0, str(Path.cwd()))


def _answer(driver: str, case: Any) -> Any:
    names: dict[str, Any] = {"__name__": "driver"}
    exec(compile(driver, "<driver>", "exec"), names)
    return names["solve"](case)


if __name__ == "__main__":
    main()
