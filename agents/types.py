"""The words of the agents room: models, what they use, and what a policy is given."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

from outlay.tasks.types import Task, Verdict
from outlay.tools.types import AnyTool, ToolResult


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call, in disjoint parts; the last two fields are contained in others."""

    input: int = 0
    """Prefilled afresh, neither read from nor written to a cache."""
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    """All that was decoded, reasoning included."""
    reasoning: int = 0
    cache_write_1h: int = 0
    """Contained in `cache_write`: what is kept for an hour, which providers bill dearer than five minutes."""

    @property
    def context(self) -> int:
        """Length of the context when decoding began."""
        return self.input + self.cache_read + self.cache_write


@dataclass(frozen=True)
class ToolCall:
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: str
    """Raw JSON exactly as the model wrote it; may be malformed."""


@dataclass(frozen=True)
class Message:
    """One entry of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    """For role `tool`: the call it answers."""


@dataclass(frozen=True)
class Request:
    """All that is sent for one model call."""

    messages: Sequence[Message]
    tools: Sequence[AnyTool] = ()
    max_tokens: int = 1024
    temperature: float | None = None
    """None leaves the provider's default."""
    seed: int | None = None


@dataclass(frozen=True)
class Reply:
    """All that came back."""

    message: Message
    usage: Usage
    stop: Literal["end", "tool", "length", "refusal"]
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The provider's body as received, JSON-able."""


class Model(Protocol):
    """One model at one provider. Maps requests and replies; counts, retries and budgets are not its business."""

    @property
    def name(self) -> str:
        """`provider:name` as the experiment wrote it."""
        ...

    async def count_tokens(self, request: Request) -> int:
        """Never less than the input tokens the provider will bill for `request`."""
        ...

    async def complete(self, request: Request) -> Reply:
        """Raises `ModelError`."""
        ...

    async def close(self) -> None: ...


class AccountView(Protocol):
    """A policy's window on its budget."""

    def left(self, meter: str) -> float:
        """In the meter's own unit; `inf` when it has no limit."""
        ...


class Session(Protocol):
    """All that a policy may touch. Each method reserves, acts, settles and records; a policy does none of that itself.

    Every method raises `BudgetExceeded` before anything is done that does not fit; a policy lets it pass.
    """

    @property
    def task(self) -> Task: ...
    @property
    def tools(self) -> Mapping[str, AnyTool]: ...
    @property
    def account(self) -> AccountView: ...
    @property
    def rng(self) -> Random: ...

    async def ask(self, messages: Sequence[Message], *, max_tokens: int = 1024) -> Reply:
        """One model call. `max_tokens` is lowered to what the budget allows. Raises `ModelError`."""
        ...

    async def act(self, call: ToolCall) -> ToolResult:
        """One tool call. Unknown tools and malformed arguments come back as error observations, counted."""
        ...

    async def write(self, path: str, body: bytes) -> None:
        """Puts a file into the workspace."""
        ...

    async def evaluate(self) -> Verdict:
        """The task's verifier on the present artifacts, search split; costs one of `evaluations`."""
        ...

    def notices(self) -> list[str]:
        """Soft thresholds crossed since last asked, one sentence each. What to make of them is the policy's."""
        ...


@dataclass(frozen=True)
class Agent:
    """A named policy."""

    name: str
    run: Callable[[Session], Awaitable[None]]
    """Ends by returning. What stands in the artifacts then, or was submitted or evaluated best, is judged."""
    uses_model: bool = True
    """False for policies that never ask: they are planned once, not once per model."""
    summary: str = ""
