"""Writes requests and replies so that each message is recorded once and a long conversation grows linearly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from outlay.agents.events import MessageSeen, ModelReply, ModelRequest, Recorder, message_hash
from outlay.agents.types import Message, Reply, Request


@dataclass(eq=False)
class Conversation:
    """What one attempt's log already holds of its conversation."""

    recorder: Recorder
    results: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Call id to the event and text of its result."""
    _seen: dict[str, None] = field(default_factory=dict)
    _last: tuple[int, Sequence[Message]] | None = None

    def request(self, model: str, request: Request, held: Mapping[str, int]) -> int:
        """Returns the `seq` of the request's event."""
        base, keep = None, 0
        if self._last is not None:
            base, keep = self._last[0], _common(self._last[1], request.messages)
        added = tuple(self._see(message) for message in request.messages[keep:])
        seq = self.recorder.write(
            ModelRequest(
                model=model,
                base=base,
                keep=keep,
                add=added,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                seed=request.seed,
                held=held,
            )
        )
        self._last = (seq, tuple(request.messages))
        return seq

    def reply(
        self, request: int, reply: Reply, cost: Mapping[str, int], held: Mapping[str, int], wall_s: float
    ) -> None:
        self.recorder.write(
            ModelReply(
                request=request,
                message=self._see(reply.message),
                stop=reply.stop,
                usage={name: amount for name, amount in vars(reply.usage).items() if amount},
                cost=cost,
                overshoot={
                    meter: cost[meter] - held.get(meter, 0) for meter in cost if cost[meter] > held.get(meter, 0)
                },
                wall_s=wall_s,
                raw=reply.raw or None,
            )
        )

    def _see(self, message: Message) -> str:
        name = message_hash(message)
        if name in self._seen:
            return name
        self._seen[name] = None
        seq, text = self.results.get(message.call_id or "", (None, None))
        repeats = message.role == "tool" and text == message.text
        self.recorder.write(
            MessageSeen(
                hash=name,
                role=message.role,
                text="" if repeats else message.text,
                calls=tuple({"id": c.id, "name": c.name, "arguments": c.arguments} for c in message.calls),
                call_id=message.call_id,
                result=seq if repeats else None,
            )
        )
        return name


def _common(earlier: Sequence[Message], later: Sequence[Message]) -> int:
    """Length of the common prefix. Messages are compared by identity first, so unchanged ones cost nothing."""
    for i, (a, b) in enumerate(zip(earlier, later, strict=False)):
        if a is not b and a != b:
            return i
    return min(len(earlier), len(later))
