"""What is sent to a guest before anything else: a program to start with, and our modules as text."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "guest"


def command() -> list[str]:
    """What starts a guest: isolated, so that nothing of the image or its environment is imported but the library."""
    return ["python3", "-I", "-S", "-c", bootstrap()]


def shipment(main: str, config: Mapping[str, Any]) -> bytes:
    """The first bytes on a guest's stdin: all modules of `guest/`, and which one's `main(config)` is to be called."""
    order = {"modules": modules(), "main": f"outlay.sandbox.guest.{main}", "config": dict(config)}
    body = json.dumps(order).encode("ascii")
    return len(body).to_bytes(4, "big") + body


@cache
def bootstrap() -> str:
    return (FOLDER / "bootstrap.py").read_text("utf-8")


@cache
def modules() -> dict[str, str]:
    """Sources by dotted name."""
    paths = (path for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "bootstrap"))
    return {f"outlay.sandbox.guest.{path.stem}": path.read_text("utf-8") for path in paths}
