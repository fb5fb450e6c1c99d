"""Anthropic's Messages API: `anthropic:MODEL`, or `anthropic:MODEL@https://host` for what speaks the same."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from outlay.agents.errors import MissingKey, ModelError
from outlay.agents.models.openai import TIMEOUT_S, may_be_billed
from outlay.agents.types import Message, Reply, Request, ToolCall, Usage
from outlay.tools.schema import parameters

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

KEY = "ANTHROPIC_API_KEY"
COUNT_MARGIN = 32
"""The count endpoint calls its own result an estimate."""
STOPS: Mapping[str, Literal["end", "tool", "length", "refusal"]] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tool",
    "max_tokens": "length",
    "refusal": "refusal",
}


@dataclass(frozen=True)
class AnthropicModel:
    """One model."""

    name: str
    model: str
    client: "AsyncAnthropic"

    async def count_tokens(self, request: Request) -> int:
        from anthropic import APIError

        try:
            counted = await self.client.messages.count_tokens(**_body(self.model, request))
        except APIError as error:
            raise ModelError(self.name, f"counting: {type(error).__name__}: {error}", billed=False) from error
        return counted.input_tokens + COUNT_MARGIN

    async def complete(self, request: Request) -> Reply:
        from anthropic import APIError

        sampling: dict[str, Any] = {} if request.temperature is None else {"temperature": request.temperature}
        try:
            response = await self.client.messages.create(
                **_body(self.model, request), max_tokens=request.max_tokens, **sampling
            )
        except APIError as error:
            raise ModelError(self.name, f"{type(error).__name__}: {error}", billed=may_be_billed(error)) from error
        return anthropic_reply(response.model_dump(exclude_none=True))

    async def close(self) -> None:
        await self.client.close()


def _body(model: str, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": blocks(request.messages)}
    system = "\n\n".join(message.text for message in request.messages if message.role == "system")
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [
            {"name": t.name, "description": t.description, "input_schema": parameters(t)} for t in request.tools
        ]
    return body


def blocks(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """System messages apart; neighbours of one role merged, because results of parallel calls must share a message."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not merged or merged[-1]["role"] != role:
            merged.append({"role": role, "content": []})
        merged[-1]["content"] += _content(message)
    return merged


def _content(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}]
    text = [{"type": "text", "text": message.text}] if message.text else []
    calls = [{"type": "tool_use", "id": c.id, "name": c.name, "input": _object(c.arguments)} for c in message.calls]
    return [*text, *calls]


def _object(arguments: str) -> dict[str, Any]:
    """The API takes objects only; what was no object went wrong already, and its error result says so."""
    try:
        parsed = json.loads(arguments or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def anthropic_reply(body: Mapping[str, Any]) -> Reply:
    """From a response body as plain data."""
    content = body["content"]
    text = "".join(block["text"] for block in content if block["type"] == "text")
    calls = tuple(ToolCall(b["id"], b["name"], json.dumps(b["input"])) for b in content if b["type"] == "tool_use")
    stop = STOPS.get(body.get("stop_reason") or "end_turn", "end")
    return Reply(Message("assistant", text, calls), anthropic_usage(body["usage"]), stop, dict(body))


def anthropic_usage(usage: Mapping[str, Any]) -> Usage:
    """Input kinds are disjoint already; `output_tokens` includes thinking. Writes without a split are five minutes'."""
    details = usage.get("output_tokens_details") or {}
    written = usage.get("cache_creation_input_tokens") or 0
    for_an_hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
    return Usage(
        input=usage.get("input_tokens") or 0,
        cache_read=usage.get("cache_read_input_tokens") or 0,
        cache_write=written,
        output=usage.get("output_tokens") or 0,
        reasoning=details.get("thinking_tokens") or 0,
        cache_write_1h=min(for_an_hour, written),
    )


def anthropic_model(name: str, model: str, base_url: str | None) -> AnthropicModel:
    """Raises `MissingKey`."""
    key = os.environ.get(KEY)
    if key is None:
        raise MissingKey(name, KEY)
    from anthropic import AsyncAnthropic

    return AnthropicModel(name, model, AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0, timeout=TIMEOUT_S))
