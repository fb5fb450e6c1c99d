"""Models by name: `provider:name`, with `@base-url` where a provider takes one."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from outlay.agents.errors import MissingPart
from outlay.agents.types import Model
from outlay.sandbox.errors import UnknownName

PROVIDERS = ("anthropic", "llamacpp", "openai", "scripted")


@dataclass(frozen=True)
class ModelRow:
    """One line of `outlay models`."""

    name: str
    ready: bool
    note: str
    """What it is, or what mends the lack."""


def check_name(name: str) -> tuple[str, str, str | None]:
    """Provider, model, base URL. Raises `UnknownName`, with what was probably meant."""
    provider, colon, rest = name.partition(":")
    if provider not in PROVIDERS or not colon or not rest:
        known = [f"{known}:{rest or 'NAME'}" for known in PROVIDERS]
        raise UnknownName("model", name, known)
    model, _, base_url = rest.partition("@") if provider in ("openai", "anthropic") else (rest, "", "")
    return provider, model, base_url or None


async def open_model(name: str, *, slots: int = 1) -> Model:
    """Ready to be asked by `slots` rollouts at a time.

    Raises `UnknownName`, `MissingKey`, `MissingPart`, `ModelError`.
    """
    provider, model, base_url = check_name(name)
    if provider == "openai":
        from outlay.agents.models.openai import openai_model

        return openai_model(name, model, base_url)
    if provider == "anthropic":
        from outlay.agents.models.anthropic import anthropic_model

        return anthropic_model(name, model, base_url)
    if provider == "llamacpp":
        from outlay.agents.models.llamacpp import llamacpp_model

        return await llamacpp_model(name, model, slots)
    from outlay.agents.models.scripted import scripted_model

    return scripted_model(name, model)


def listing() -> list[ModelRow]:
    """One row per provider, and whether this machine is ready for it."""
    return [
        _keyed("openai:MODEL", "OPENAI_API_KEY", "the OpenAI API"),
        ModelRow("openai:MODEL@https://host/v1", True, "any server that speaks chat completions"),
        _keyed("anthropic:MODEL", "ANTHROPIC_API_KEY", "the Anthropic API"),
        _local(),
        ModelRow("scripted:PATH.json", True, "replies from a file, for tests"),
    ]


def _keyed(name: str, variable: str, note: str) -> ModelRow:
    ready = variable in os.environ
    return ModelRow(name, ready, note if ready else f"export {variable}=...")


def _local() -> ModelRow:
    from outlay.agents.models.gguf import find_gguf

    if find_spec("xllamacpp") is None:
        return ModelRow("llamacpp:smollm2", False, "pip install xllamacpp")
    try:
        found: Path = find_gguf("smollm2")
    except MissingPart as lack:
        return ModelRow("llamacpp:smollm2", False, lack.mend)
    return ModelRow("llamacpp:smollm2", True, f"{found.name}, on this machine")
