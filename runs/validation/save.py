"""Keeping a fitted machine: a `[hardware]` row in the user's own costs file."""

import json
import tomllib
from pathlib import Path

from outlay.agents.costs.pte import HardwareProfile
from outlay.sandbox.errors import OutlayError


class NotSaved(OutlayError):
    """A row that cannot be added to the user's costs file."""

    def __init__(self, name: str, path: Path, reason: str) -> None:
        super().__init__(name, path, reason)
        self.name, self.path, self.reason = name, path, reason

    def __str__(self) -> str:
        return f"hardware {self.name!r} cannot be saved: {self.path} {self.reason}"


def check_free(name: str, path: Path) -> None:
    """Raises `NotSaved` when the file has that row already, or is no TOML: said before minutes of measuring."""
    try:
        present = tomllib.loads(path.read_text()) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise NotSaved(name, path, f"is no TOML: {error}") from error
    if name in present.get("hardware", {}):
        raise NotSaved(name, path, "has a row of that name; remove it or choose another name")


def save_hardware(name: str, hardware: HardwareProfile, source: str, path: Path) -> None:
    """Appends one table; what was there stays byte for byte, comments included. Raises `NotSaved`."""
    check_free(name, path)
    before = path.read_text() if path.exists() else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    row = f"tflops = {hardware.tflops:.6g}\ntbps = {hardware.tbps:.6g}\nsource = {json.dumps(source)}\n"
    after = f"{before}{gap}[hardware.{json.dumps(name)}]\n{row}"
    try:
        tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise NotSaved(name, path, f"takes no further [hardware] table: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(after)
    draft.rename(path)
