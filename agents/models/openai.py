"""OpenAI, and every server that speaks its chat completions: `openai:MODEL` or `openai:MODEL@https://host/v1`."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outlay.agents.errors import MissingKey, ModelError
from outlay.agents.models.chat import chat_messages, chat_reply, chat_tools, most_tokens
from outlay.agents.types import Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

KEY = "OPENAI_API_KEY"
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class OpenAIModel:
    """One model behind one base URL."""

    name: str
    model: str
    client: "AsyncOpenAI"
    limit_name: str
    """OpenAI's newer models refuse `max_tokens`; servers of others know no other name for it."""

    async def count_tokens(self, request: Request) -> int:
        """An upper bound: the provider has no way to count beforehand."""
        return most_tokens(request)

    async def complete(self, request: Request) -> Reply:
        from openai import APIError

        try:
            response = await self.client.chat.completions.create(**_body(self.model, self.limit_name, request))
            return chat_reply(response.model_dump(exclude_none=True))
        except APIError as error:
            raise ModelError(self.name, f"{type(error).__name__}: {error}", billed=may_be_billed(error)) from error
        except (KeyError, IndexError) as error:
            raise ModelError(self.name, f"not a chat completion: {error!r}") from error

    async def close(self) -> None:
        await self.client.close()


def _body(model: str, limit_name: str, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": chat_messages(request.messages)}
    body[limit_name] = request.max_tokens
    if request.tools:
        body["tools"] = chat_tools(request.tools)
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    return body


def may_be_billed(error: Exception) -> bool:
    """Refused requests and refused connections cost nothing; of all else we cannot know."""
    status = getattr(error, "status_code", None)
    if status is not None:
        return bool(status >= 500)
    return not _refused(error)


def _refused(error: BaseException | None) -> bool:
    """By name: which HTTP library the SDK raises from changed between its versions."""
    return error is not None and (type(error).__name__ == "ConnectError" or _refused(error.__cause__))


def openai_model(name: str, model: str, base_url: str | None) -> OpenAIModel:
    """Raises `MissingKey` when OpenAI's own service is meant and there is no key."""
    key = os.environ.get(KEY)
    if key is None and base_url is None:
        raise MissingKey(name, KEY)
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=key or "none", base_url=base_url, max_retries=0, timeout=TIMEOUT_S)
    return OpenAIModel(name, model, client, "max_tokens" if base_url else "max_completion_tokens")
