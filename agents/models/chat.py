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

    Cached and written tokens above the prompt's total (the field is called unadjusted) are clamped to it.
    """
    prompt, details = usage.get("prompt_tokens") or 0, usage.get("prompt_tokens_details") or {}
    read = min(details.get("cached_tokens") or 0, prompt)
    written = min(details.get("cache_write_tokens") or 0, prompt - read)
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return Usage(prompt - read - written, read, written, usage.get("completion_tokens") or 0, reasoning)


def most_tokens(request: Request) -> int:
    """An upper bound of a request's input tokens for byte-level tokenizers: no token is shorter than one byte.

    Text, calls and tool schemas in UTF-8 bytes, and 16 for the markers around each message and tool.
    """
    texts = [part for m in request.messages for part in (m.text, *(f"{c.id}{c.name}{c.arguments}" for c in m.calls))]
    tools = [f"{tool.name}{tool.description}{parameters(tool)}" for tool in request.tools]
    marked = len(request.messages) + len(request.tools) + sum(len(m.calls) for m in request.messages) + 1
    return sum(len(text.encode()) for text in (*texts, *tools)) + 16 * marked
