"""Calls tools one after another in one sandbox."""

import asyncio
import json
from typing import Any

from outlay.sandbox.choose import sandbox_maker
from outlay.tools.registry import load_tool
from outlay.tools.schema import parse
from outlay.tools.types import Evaluate, ToolContext, ToolResult

Call = tuple[str, dict[str, Any]]


def call_all(*calls: Call, files: dict[str, bytes] | None = None, evaluate: Evaluate | None = None) -> list[ToolResult]:
    async def in_one_sandbox() -> list[ToolResult]:
        async with sandbox_maker("weak")() as sandbox:
            for path, body in (files or {}).items():
                await sandbox.write(path, body)
            context = ToolContext(sandbox, evaluate)
            tools = [(load_tool(name), arguments) for name, arguments in calls]
            return [await tool(parse(tool, json.dumps(arguments)), context) for tool, arguments in tools]

    return asyncio.run(in_one_sandbox())


def cells(*codes: str) -> list[str]:
    """What each Python cell shows."""
    return [result.text for result in call_all(*[("python", {"code": code}) for code in codes])]
