"""Things found by name: built-in, from an entry point, or `path/to/file.py:name`. Tools, tasks and agents share it."""

import hashlib
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from outlay.sandbox.errors import OutlayError


class FileNotUsable(OutlayError):
    """`path/to/file.py:name` that cannot be loaded."""


def load_named(name: str, builtin: Mapping[str, str], group: str) -> Any | None:
    """The object, or None when nothing answers to `name`. `builtin` maps names to `module:attribute`.

    Raises `FileNotUsable` when a named file is missing, fails on import or lacks the attribute.
    """
    if name in builtin:
        module, _, attribute = builtin[name].partition(":")
        return getattr(import_module(module), attribute)
    if ".py:" in name:
        return _from_file(name)
    for entry in entry_points(group=group, name=name):
        return entry.load()
    return None


def plugin_names(group: str) -> list[str]:
    """Names that installed packages registered under an entry point group."""
    return sorted(entry.name for entry in entry_points(group=group))


def _from_file(name: str) -> Any:
    path_text, _, attribute = name.rpartition(":")
    path = Path(path_text).resolve()
    if not path.is_file():
        raise FileNotUsable(f"{name!r}: there is no file {path_text!r} (relative to the current directory)")
    module_name = f"outlay_file_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = spec_from_file_location(module_name, path)
        assert spec is not None and spec.loader is not None
        module = sys.modules[module_name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise FileNotUsable(f"{path_text}: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise FileNotUsable(f"{path_text} has no {attribute!r}")
    return getattr(module, attribute)
