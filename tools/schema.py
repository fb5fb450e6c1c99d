"""Between a provider's JSON and a tool's typed arguments: the schema going out, the call coming in."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from outlay.tools.errors import ArgumentsRefused
from outlay.tools.types import AnyTool


def parameters(tool: AnyTool) -> dict[str, Any]:
    """The JSON schema of the arguments: references inlined, titles dropped, every object closed."""
    return _parameters(tool.arguments)


@cache
def _parameters(arguments: type[BaseModel]) -> dict[str, Any]:
    schema = arguments.model_json_schema()
    plain = _inlined(schema, schema.get("$defs", {}))
    assert isinstance(plain, dict)
    return {"type": "object", "properties": {}} | plain


def parse(tool: AnyTool, raw: str) -> BaseModel:
    """The arguments of one call, `raw` as the model wrote it; nothing at all counts as `{}`.

    Raises `ArgumentsRefused`, whose message names the field, what was wrong and what is expected.
    """
    try:
        given = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ArgumentsRefused(tool.name, f"not valid JSON: {error}", _expected(tool)) from None
    if not isinstance(given, dict):
        raise ArgumentsRefused(tool.name, f"got a JSON {type(given).__name__}, not an object", _expected(tool))
    try:
        return tool.arguments.model_validate(given)
    except ValidationError as error:
        reason = "; ".join(_complaint(one["loc"], one["msg"]) for one in error.errors(include_url=False))
        raise ArgumentsRefused(tool.name, reason, _expected(tool)) from None


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    field = ".".join(map(str, location))
    return f"{field}: {message}" if field else message


def _expected(tool: AnyTool) -> str:
    schema = parameters(tool)
    required = schema.get("required", [])
    fields = [
        f"{name} ({_kind(field)}{', required' if name in required else ''})"
        for name, field in schema["properties"].items()
    ]
    return f"the fields {', '.join(fields)}." if fields else "no fields: {}."


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    if "anyOf" in field:
        return " | ".join(_kind(option) for option in field["anyOf"])
    return str(field.get("type", "any"))


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined(definitions[node["$ref"].removeprefix("#/$defs/")] | beside, definitions)
    plain = {key: _inlined(value, definitions) for key, value in node.items() if key not in ("$defs", "title")}
    if "properties" in node:
        plain["properties"] = {name: _inlined(field, definitions) for name, field in node["properties"].items()}
    if node.get("type") == "object" and not isinstance(node.get("additionalProperties"), dict):
        plain["additionalProperties"] = False
    return plain
