"""The chat-completions format, which several providers speak: messages out, replies and usage back."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from outlay.agents.types import Message, Reply, Request, ToolCall, Usage
from outlay.tools.schema import parameters
from outlay.tools.types import AnyTool

Stop = Literal["end", "tool", "length", "refusal"]
STOPS: Mapping[str, Stop] = {
    "stop": "end",
    "tool_calls": "tool",
    "function_call": "tool",
    "length": "length",
    "content_filter": "refusal",
}


def chat_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Arguments of earlier calls go back exactly as the model wrote them."""
    return [_chat_message(message) for message in messages]


def _chat_message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.calls
    ]
    return {"role": message.role, "content": message.text or None, "tool_calls": calls}


def chat_tools(tools: Sequence[AnyTool]) -> list[dict[str, Any]]:
    return [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": parameters(t)}}
        for t in tools
    ]


def chat_reply(body: Mapping[str, Any]) -> Reply:
    """From a response body as plain data. Raises `KeyError` or `IndexError` when it is none."""
    choice = body["choices"][0]
    message = choice["message"]
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )
    said = Message("assistant", message.get("content") or "", calls)
    stop: Stop = "tool" if calls else STOPS.get(choice.get("finish_reason") or "stop", "end")
    return Reply(said, chat_usage(body.get("usage") or {}), stop, dict(body))


def chat_usage(usage: Mapping[str, Any]) -> Usage:
    """Totals there include their parts; ours are disjoint. Local servers may send the totals only.

    A part above its total (the cached tokens are called unadjusted) is clamped to it; `contradicts_itself` tells.
    """
    prompt, read, written, output, reasoning = _totals_and_parts(usage)
    read = min(read, prompt)
    written = min(written, prompt - read)
    return Usage(prompt - read - written, read, written, output, min(reasoning, output))


def contradicts_itself(usage: Mapping[str, Any]) -> bool:
    """Whether a provider's usage, as received, has parts that are more than their total."""
    prompt, read, written, output, reasoning = _totals_and_parts(usage)
    return "prompt_tokens" in usage and (read + written > prompt or reasoning > output)


def _totals_and_parts(usage: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    found = (
        usage.get("prompt_tokens"),
        prompt.get("cached_tokens"),
        prompt.get("cache_write_tokens"),
        usage.get("completion_tokens"),
        completion.get("reasoning_tokens"),
    )
    total, read, written, output, reasoning = (count or 0 for count in found)
    return total, read, written, output, reasoning


def most_tokens(request: Request) -> int:
    """An upper bound of a request's input tokens for byte-level tokenizers: no token is shorter than one byte.

    Text, calls and tool schemas in UTF-8 bytes, and 16 for the markers around each message and tool.
    """
    texts = [part for m in request.messages for part in (m.text, *(f"{c.id}{c.name}{c.arguments}" for c in m.calls))]
    tools = [f"{tool.name}{tool.description}{parameters(tool)}" for tool in request.tools]
    marked = len(request.messages) + len(request.tools) + sum(len(m.calls) for m in request.messages) + 1
    return sum(len(text.encode()) for text in (*texts, *tools)) + 16 * marked
