"""A model that says what a file tells it to: for tests, examples and the measurement of everything else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlay.agents.errors import ModelError
from outlay.agents.types import Message, Reply, Request, ToolCall, Usage


@dataclass(frozen=True)
class ScriptedModel:
    """Its nth answer in a conversation is the nth of `replies`."""

    name: str
    replies: Sequence[Reply]

    async def count_tokens(self, request: Request) -> int:
        """A token is four characters, rounded up per message."""
        return sum(map(_tokens, request.messages))

    async def complete(self, request: Request) -> Reply:
        turn = sum(message.role == "assistant" for message in request.messages)
        if turn >= len(self.replies):
            raise ModelError(self.name, f"its script ends after {len(self.replies)} replies", billed=False)
        reply = self.replies[turn]
        if reply.usage != Usage():
            return reply
        output = min(_tokens(reply.message), request.max_tokens)
        return Reply(reply.message, Usage(await self.count_tokens(request), output=output), reply.stop)

    async def close(self) -> None:
        return


def scripted_model(name: str, path: str) -> ScriptedModel:
    """From a JSON list of `{"text", "calls": [{"name", "arguments"}], "usage"}`. Raises `ModelError`."""
    try:
        rows = json.loads(Path(path).read_text())
        return ScriptedModel(name, [_reply(turn, row) for turn, row in enumerate(rows)])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(name, f"no script in {path!r}: {type(error).__name__}: {error}", billed=False) from error


def _reply(turn: int, row: Mapping[str, Any]) -> Reply:
    calls = tuple(
        ToolCall(f"call-{turn}-{i}", call["name"], _raw(call.get("arguments", {})))
        for i, call in enumerate(row.get("calls", []))
    )
    message = Message("assistant", row.get("text", ""), calls)
    return Reply(message, Usage(**row.get("usage", {})), row.get("stop", "tool" if calls else "end"))


def _raw(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _tokens(message: Message) -> int:
    characters = len(message.text)
    for call in message.calls:
        characters += len(call.name) + len(call.arguments)
    return -(-characters // 4)
