"""Providers: mapping of usage and messages, and a real llama.cpp server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from outlay.agents.errors import MissingKey, MissingPart, ModelError
from outlay.agents.models.anthropic import anthropic_usage, blocks
from outlay.agents.models.chat import chat_reply, chat_usage, most_tokens
from outlay.agents.models.llamacpp import LlamaCppModel
from outlay.agents.models.open import check_name, open_model
from outlay.agents.types import Message, Model, Request, ToolCall, Usage
from outlay.sandbox.errors import UnknownName
from outlay.tools.registry import load_tool
from outlay.tools.schema import parse

ASKED = Request((Message("system", "Be brief."), Message("user", "What is 2 + 3?")), max_tokens=60, seed=1)
TOOLS = (load_tool("python"), load_tool("submit"))


def with_model(name: str, body: Callable[[Any], Awaitable[None]], slots: int = 1) -> None:
    async def opened() -> None:
        model: Model = await open_model(name, slots=slots)
        try:
            await body(model)
        finally:
            await model.close()

    asyncio.run(opened())


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, Usage(input=7, output=3)),
        (
            {
                "prompt_tokens": 13000,
                "completion_tokens": 500,
                "prompt_tokens_details": {"cached_tokens": 10000, "cache_write_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            Usage(input=3000, cache_read=10000, output=500, reasoning=300),
        ),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(cache_read=5)),
        ({"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 9}}, Usage(output=5, reasoning=5)),
        ({}, Usage()),
    ],
)
def test_chat_usage_becomes_disjoint(body: dict[str, Any], usage: Usage) -> None:
    assert chat_usage(body) == usage


def test_messages_api_usage_is_disjoint_already() -> None:
    body = {"input_tokens": 1000, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 10000}
    found = anthropic_usage({**body, "output_tokens": 500, "output_tokens_details": {"thinking_tokens": 90}})
    assert found == Usage(1000, 10000, 2000, 500, 90)


def test_a_chat_reply_keeps_arguments_as_written() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": '}}
    body = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "length"}]}
    assert chat_reply(body).message.calls == (ToolCall("c1", "bash", '{"command": '),)


def test_results_of_parallel_calls_share_a_message() -> None:
    calls = (ToolCall("1", "bash", "{}"), ToolCall("2", "bash", "not json"))
    said = [Message("user", "go"), Message("assistant", "", calls)]
    results = [Message("tool", "a", call_id="1"), Message("tool", "b", call_id="2")]
    sent = blocks([Message("system", "s"), *said, *results])
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [block["tool_use_id"] for block in sent[2]["content"]] == ["1", "2"]


@pytest.mark.parametrize(("model", "variable"), [("openai:x", "OPENAI_API_KEY"), ("anthropic:x", "ANTHROPIC_API_KEY")])
def test_a_missing_key_is_named(model: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingKey, match=f"export {variable}="):
        asyncio.run(open_model(model))


def test_names_are_provider_model_and_address() -> None:
    assert check_name("openai:m@http://localhost:1/v1") == ("openai", "m", "http://localhost:1/v1")
    with pytest.raises(UnknownName, match="did you mean openai:m"):
        check_name("opnai:m")


def test_a_model_file_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(MissingPart, match=r"nowhere\.gguf"):
        asyncio.run(open_model("llamacpp:nowhere.gguf"))


def test_the_local_model_makes_valid_calls_and_counts_exactly() -> None:
    async def body(model: LlamaCppModel) -> None:
        request = Request(ASKED.messages, TOOLS, max_tokens=400, seed=1)
        counted = await model.count_tokens(request)
        reply = await model.complete(request)
        assert reply.usage.context == counted
        assert reply.usage.output <= 400
        (call,) = reply.message.calls
        assert parse(next(tool for tool in TOOLS if tool.name == call.name), call.arguments)
        answered = (*request.messages, reply.message, Message("tool", "5", call_id=call.id))
        again = await model.complete(Request(answered, TOOLS, max_tokens=400, seed=1))
        assert again.usage.cache_read > 0

    with_model("llamacpp:smollm2", body)


def test_a_cut_call_is_told_apart() -> None:
    async def body(model: LlamaCppModel) -> None:
        reply = await model.complete(Request(ASKED.messages, TOOLS, max_tokens=3))
        assert (reply.stop, reply.message.calls, reply.usage.output) == ("length", (), 3)

    with_model("llamacpp:smollm2", body)


def test_a_server_of_others_is_asked_over_http() -> None:
    async def body(local: LlamaCppModel) -> None:
        remote = await open_model(f"openai:smollm2@{str(local.client.base_url).rstrip('/')}/v1")
        reply = await remote.complete(ASKED)
        assert reply.message.text
        assert 0 < reply.usage.context <= await remote.count_tokens(ASKED)
        assert json.dumps(reply.raw)
        await remote.close()

    with_model("llamacpp:smollm2", body)


def test_the_server_ends_with_its_model() -> None:
    seen: list[LlamaCppModel] = []

    async def body(model: LlamaCppModel) -> None:
        seen.append(model)

    with_model("llamacpp:smollm2", body)
    assert seen[0].server.returncode == 0


def test_a_refused_connection_is_not_billed() -> None:
    async def body(model: Model) -> None:
        with pytest.raises(ModelError) as refused:
            await model.complete(ASKED)
        assert not refused.value.billed

    with_model("openai:m@http://127.0.0.1:9/v1", body)


def test_the_bound_counts_tools_and_bytes() -> None:
    plain = Request((Message("user", "é"),))
    assert most_tokens(plain) == 2 + 16 * 2
    assert most_tokens(Request(plain.messages, TOOLS)) > most_tokens(plain) + 500


def test_a_script_that_ends_says_so(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("[]")

    async def body(model: Model) -> None:
        with pytest.raises(ModelError, match="script ends after 0 replies"):
            await model.complete(ASKED)

    with_model(f"scripted:{tmp_path / 's.json'}", body)
