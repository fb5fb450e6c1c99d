"""A GGUF on this machine: `llamacpp:smollm2` (inside an installed wheel) or `llamacpp:/path/to/model.gguf`.

Small models do not follow tool formats of their own accord, and their chat templates have none. So the tools are
described in the system message and a JSON schema constrains decoding: every complete reply is a valid call.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from outlay.agents.errors import MissingPart, ModelError
from outlay.agents.models.chat import chat_reply
from outlay.agents.models.gguf import find_gguf
from outlay.agents.types import Message, Reply, Request, ToolCall
from outlay.tools.schema import parameters
from outlay.tools.types import AnyTool

if TYPE_CHECKING:
    import httpx

START_S = 60.0
TIMEOUT_S = 300.0
STRING_CHARS = 1500
"""Longest string a constrained call may hold: a tiny model that babbles comes to an end."""


@dataclass(frozen=True)
class LlamaCppModel:
    """One server, this process's child."""

    name: str
    server: asyncio.subprocess.Process
    client: "httpx.AsyncClient"

    async def count_tokens(self, request: Request) -> int:
        """Exact: the server's template and tokenizer on what would be sent."""
        prompt = await self.post("/apply-template", {"messages": wire_messages(request)})
        body = {"content": prompt["prompt"], "add_special": True, "parse_special": True}
        return len((await self.post("/tokenize", body))["tokens"])

    async def complete(self, request: Request) -> Reply:
        reply = chat_reply(await self.post("/v1/chat/completions", _body(request)))
        if not request.tools or reply.stop == "length":
            return reply
        turn = sum(len(message.calls) for message in request.messages)
        return Reply(_as_call(reply.message, f"call-{turn}"), reply.usage, "tool", reply.raw)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One call of the server's own API. Raises `ModelError`."""
        import httpx

        try:
            response = await self.client.post(path, json=body)
        except httpx.HTTPError as error:
            raise ModelError(self.name, f"{type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise ModelError(self.name, f"{response.status_code}: {response.text[:500]}", billed=False)
        answer: dict[str, Any] = response.json()
        return answer

    async def close(self) -> None:
        await self.client.aclose()
        if self.server.stdin is not None:
            self.server.stdin.close()
        try:
            await asyncio.wait_for(self.server.wait(), 5)
        except TimeoutError:
            self.server.kill()
            await self.server.wait()


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": wire_messages(request),
        "max_tokens": request.max_tokens,
        "cache_prompt": True,
    }
    if request.tools:
        schema = {"anyOf": [_call_schema(tool) for tool in request.tools]}
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    return body


def _call_schema(tool: AnyTool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": _bounded(parameters(tool))},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _bounded(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _bounded(value) for key, value in schema.items() if key not in ("description", "default")}
    if schema.get("type") == "string" and "enum" not in schema:
        inner["maxLength"] = STRING_CHARS
    return inner


def wire_messages(request: Request) -> list[dict[str, str]]:
    """What is sent: tools in the system message, calls as the JSON the model wrote, results as user messages."""
    names = {call.id: call.name for message in request.messages for call in message.calls}
    sent = [_wire(message, names) for message in request.messages]
    if not request.tools:
        return sent
    described = _describe(request.tools)
    if sent and sent[0]["role"] == "system":
        return [{"role": "system", "content": f"{sent[0]['content']}\n\n{described}"}, *sent[1:]]
    return [{"role": "system", "content": described}, *sent]


def _wire(message: Message, names: Mapping[str, str]) -> dict[str, str]:
    if message.role == "tool":
        return {"role": "user", "content": f"Result of {names.get(message.call_id or '', 'the call')}:\n{message.text}"}
    calls = [f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}' for call in message.calls]
    return {"role": message.role, "content": "\n".join(filter(None, [message.text, *calls]))}


def _describe(tools: Sequence[AnyTool]) -> str:
    lines = ['Answer with one tool call: {"name": TOOL, "arguments": {...}}. Tools:']
    for tool in tools:
        fields = parameters(tool)["properties"]
        lines.append(f"- {tool.name}({', '.join(fields)}): {tool.description}")
    return "\n".join(lines)


def _as_call(message: Message, call_id: str) -> Message:
    """The constrained text as a call; arguments stay as the model wrote them."""
    try:
        written = json.loads(message.text)
        call = ToolCall(call_id, written["name"], json.dumps(written["arguments"], ensure_ascii=False))
    except (ValueError, KeyError, TypeError):
        return message
    return Message("assistant", "", (call,))


async def llamacpp_model(name: str, model: str, slots: int) -> LlamaCppModel:
    """Starts the server. Raises `MissingPart` without the wheel or the GGUF, `ModelError` when it does not start."""
    gguf = find_gguf(model)
    if find_spec("xllamacpp") is None:
        raise MissingPart("xllamacpp", "pip install xllamacpp")
    import httpx

    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "outlay.agents.models.llamacpp_server",
        str(gguf),
        str(slots),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is ours to act on: the server ends when we close its input
    )
    try:
        address = await asyncio.wait_for(_address(server), START_S)
    except (TimeoutError, EOFError) as error:
        server.kill()
        await server.wait()
        raise ModelError(name, f"the server did not start with {gguf}", billed=False) from error
    return LlamaCppModel(name, server, httpx.AsyncClient(base_url=address, timeout=TIMEOUT_S))


async def _address(server: asyncio.subprocess.Process) -> str:
    assert server.stdout is not None
    while line := await server.stdout.readline():
        if line.startswith(b"ADDRESS "):
            return line.split()[1].decode()
    raise EOFError
