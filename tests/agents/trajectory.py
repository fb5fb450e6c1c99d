"""A trajectory written by hand, so that tests read as examples. Times are in seconds."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from outlay.agents.events import Event, MessageSeen, ModelReply, ModelRequest, ToolCalled, ToolReturned

MODEL = "scripted:hand-made"


class Log:
    """Events in order. What is asked, answered and called here stands at the time `at`."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event, at: float) -> int:
        seq = len(self.events)
        self.events.append(event.model_copy(update={"seq": seq, "t": round(at * 1e9)}))
        return seq

    def say(self, name: str, text: str = "", calls: Sequence[Mapping[str, str]] = ()) -> str:
        """A message of the model; returns its name."""
        self.write(MessageSeen(hash=name, role="assistant", text=text, calls=tuple(calls)), 0)
        return name

    def ask(
        self,
        at: float,
        *add: str,
        base: int | None = None,
        keep: int = 0,
        model: str = MODEL,
        span: str = "",
        held: Mapping[str, int] | None = None,
    ) -> int:
        """A request with at most 100 tokens of reply; returns its `seq`."""
        event = ModelRequest(
            model=model, base=base, keep=keep, add=add, max_tokens=100, held=held or {"tokens": 1100}, span=span
        )
        return self.write(event, at)

    def answer(
        self,
        at: float,
        request: int,
        message: str | None = None,
        *,
        outcome: Literal["ok", "failed", "unknown"] = "ok",
        cost: Mapping[str, int] | None = None,
        raw: Any = None,
        **usage: int,
    ) -> None:
        """Its reply, after a second of waiting."""
        event = ModelReply(
            request=request, outcome=outcome, message=message, usage=usage, cost=cost or {}, wall_s=1.0, raw=raw
        )
        self.write(event, at)

    def tool(
        self, at: float, name: str, text: str = "", *, arguments: str = "{}", is_error: bool = False, units: int = 1
    ) -> None:
        """A tool call, and its result half a second later."""
        held = {"tool_calls": 1, **({} if units == 1 else {name: units})}
        call = self.write(ToolCalled(id="c", name=name, arguments=arguments, held=held), at)
        self.write(ToolReturned(call=call, text=text, is_error=is_error, cost=held, wall_s=0.5), at + 0.5)
