"""Agents by name: built-in, from entry points `outlay.agents`, or `path/to/file.py:name`."""

from collections.abc import Mapping

from outlay.agents.types import Agent
from outlay.sandbox.errors import UnknownName
from outlay.tools.named import load_named, plugin_names

BUILTIN: Mapping[str, str] = {
    name: f"outlay.agents.policies.{name}:AGENT" for name in ("loop", "mutate", "reference", "baseline")
}
GROUP = "outlay.agents"


def agent_names() -> list[str]:
    return sorted({*BUILTIN, *plugin_names(GROUP)})


def load_agent(name: str) -> Agent:
    """Raises `UnknownName` with near matches. A bare function from a file becomes an agent that uses a model."""
    found = load_named(name, BUILTIN, GROUP)
    if found is None:
        raise UnknownName("agent", name, agent_names())
    return found if isinstance(found, Agent) else Agent(name, found)
