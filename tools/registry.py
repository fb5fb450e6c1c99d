"""Tools by name: built in, from an installed package, or from a file."""

from collections.abc import Mapping
from types import MappingProxyType

from outlay.sandbox.errors import UnknownName
from outlay.tools.bash import bash
from outlay.tools.edit import edit
from outlay.tools.evaluate import evaluate
from outlay.tools.named import load_named, plugin_names
from outlay.tools.python import python
from outlay.tools.submit import submit
from outlay.tools.types import AnyTool

GROUP = "outlay.tools"
BUILTIN: Mapping[str, AnyTool] = MappingProxyType(
    {tool.name: tool for tool in (bash, python, edit, evaluate, submit)},
)


def tool_names() -> list[str]:
    """Built-in tools, then those of installed packages."""
    return [*BUILTIN, *plugin_names(GROUP)]


def load_tool(name: str) -> AnyTool:
    """A built-in, an entry point of `outlay.tools`, or `path/to/file.py:name`. Raises `UnknownName`."""
    if name in BUILTIN:
        return BUILTIN[name]
    tool: AnyTool | None = load_named(name, {}, GROUP)
    if tool is None:
        raise UnknownName("tool", name, tool_names())
    return tool
