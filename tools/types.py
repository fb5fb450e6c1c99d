"""The words of the tools room: typed arguments in, text and data out. Knows sandboxes, not who calls."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from outlay.sandbox.types import Sandbox

ArgsT = TypeVar("ArgsT", bound=BaseModel, contravariant=True)


@dataclass(frozen=True)
class ToolResult:
    """One observation."""

    text: str
    """What goes back to the model."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What policies and the record read; JSON-able."""
    is_error: bool = False
    submits: bool = False
    """The artifacts as they are now are the submission; the rollout ends."""


class Evaluate(Protocol):
    """Scores the present artifacts. Handed in by whoever runs the rollout: a tool cannot see a verifier."""

    def __call__(self) -> Awaitable[ToolResult]: ...


@dataclass(frozen=True)
class ToolContext:
    """What one call may touch."""

    sandbox: Sandbox
    evaluate: Evaluate | None = None
    """None when the task gives no feedback before the end."""


class Tool(Protocol, Generic[ArgsT]):
    """Something an agent can call. Plain Python errors it raises become error observations."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def arguments(self) -> type[BaseModel]: ...

    @property
    def meters(self) -> Sequence[str]:
        """Meters of its own, counted in ones, that `units` draws from and budgets can limit; () for most."""
        ...

    def units(self, args: ArgsT) -> Mapping[str, int]:
        """What this call draws from the budget beside its one `tool_calls`, by meter, known before it runs. A batch of
        three queries may draw three of a meter `queries`.
        """
        ...

    async def __call__(self, args: ArgsT, context: ToolContext) -> ToolResult: ...


AnyTool = Tool[Any]
