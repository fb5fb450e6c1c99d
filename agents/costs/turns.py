"""A trajectory as a list of turns: what each model call sent, got, continued and paid, folded from events alone.

Every cost model, re-pricing and pattern statistic is a function of these records; nothing is run again for them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from outlay.agents.events import Event, ModelReply, ModelRequest, Settled, ToolCalled, ToolReturned
from outlay.agents.meters import SCALE, added
from outlay.agents.models.chat import contradicts_itself
from outlay.agents.types import Usage

Outcome = Literal["ok", "failed", "unknown", "unanswered", "no call"]


@dataclass(frozen=True)
class Turn:
    """One model call and the tools called after it. Tokens are those of the call; times are nanoseconds."""

    seq: int
    """Of the request's event."""
    span: str
    model: str | None
    """None for tools that were called before any model was asked."""
    outcome: Outcome
    """`unanswered`: the log ends, or the attempt was cut, before a reply. As with `unknown`, all that was held for it
    stays booked, and its tokens are those of the worst case. `failed`: nothing was billed."""
    usage: Usage
    """As booked: disjoint parts, clamped where a provider's own contradict each other."""
    clamped: bool
    """Whether they did; the reply's event keeps what was received."""
    carried: int
    """Tokens of the context that the call it continues held when it ended: its context, and what it decoded without the
    reasoning, which is not sent again. Zero when nothing is continued, when it asked another model, or when only a part
    of its messages is kept: what an edited context shares with it is not on record, so none counts as kept."""
    pause_s: float
    """From the end of that call to the start of this one; 0 when nothing is carried."""
    began: int
    ended: int
    """Wall clock; equal to `began` without a reply."""
    seconds: float
    """Of the call, by the monotonic clock."""
    tools_s: float = 0.0
    tools: Mapping[str, int] = field(default_factory=dict)
    """Units by tool: what its calls drew of meters of its own, else one per call."""
    booked: Mapping[str, int] = field(default_factory=dict)
    """For the call and its tools, in the smallest unit of each meter."""

    @property
    def new(self) -> int:
        """Tokens of the context that were in no call of this trajectory before, as far as is known."""
        return self.usage.context - self.carried

    @property
    def at_worst(self) -> bool:
        """Whether it counts with its worst case, because what happened is not known."""
        return self.outcome in ("unknown", "unanswered")


@dataclass(frozen=True)
class _Held:
    """What a call leaves in a cache. A call that failed passes on what it would have read."""

    model: str | None
    messages: int
    """How many messages of its request."""
    tokens: int
    reply: str | None
    """Hash of the message decoded after them."""
    reply_tokens: int
    until: int
    """When it was last used, ns."""

    def carried(self, request: ModelRequest) -> int:
        """Tokens that a request which continues this one finds, if they are still kept."""
        if request.model != self.model or request.keep < self.messages:
            return 0
        continued = self.reply is not None and request.add[:1] == (self.reply,)
        return self.tokens + (self.reply_tokens if continued else 0)


_NOTHING = _Held(None, 0, 0, None, 0, 0)


def turns(events: Iterable[Event]) -> list[Turn]:
    """In the order of their requests. Branches are found by what each request continues, not by the line before it."""
    fold = _Fold()
    for event in events:
        match event:
            case ModelRequest():
                fold.request(event)
            case ModelReply():
                fold.reply(event)
            case ToolCalled():
                fold.tool_call(event)
            case ToolReturned():
                fold.tool_result(event.call, event.cost, event.wall_s)
            case Settled():
                fold.tool_result(event.hold, event.cost, 0.0)
    return list(fold.turns.values())


def booked(turns: Sequence[Turn]) -> dict[str, int]:
    """Sum over turns, in the smallest unit of each meter. One that a model call could not measure is left out."""
    made = [turn.booked for turn in turns if turn.model is not None and turn.outcome != "failed"]
    meters = dict.fromkeys(meter for turn in turns for meter in turn.booked)
    unmeasured = {meter for meter in ("usd", "pte") if any(meter not in amounts for amounts in made)}
    return {meter: sum(turn.booked.get(meter, 0) for turn in turns) for meter in meters if meter not in unmeasured}


@dataclass
class _Fold:
    """The turns so far, by the `seq` of their request."""

    turns: dict[int, Turn] = field(default_factory=dict)
    requests: dict[int, ModelRequest] = field(default_factory=dict)
    held: dict[int, _Held] = field(default_factory=dict)
    latest: dict[str, int] = field(default_factory=dict)
    """Span to its last turn, which pays for the tools that follow."""
    calls: dict[int, tuple[int, ToolCalled]] = field(default_factory=dict)
    """Tool call to its turn."""

    def request(self, event: ModelRequest) -> None:
        held = self.held.get(event.base, _NOTHING) if event.base is not None else _NOTHING
        worst = Usage(max(0, event.held.get("tokens", 0) - event.max_tokens), output=event.max_tokens)
        carried = min(held.carried(event), worst.context)
        self.requests[event.seq] = event
        messages = event.keep + len(event.add)
        self.held[event.seq] = _Held(event.model, messages, held.carried(event), None, 0, held.until)
        self.turns[event.seq] = Turn(
            seq=event.seq,
            span=event.span,
            model=event.model,
            outcome="unanswered",
            usage=worst,
            clamped=False,
            carried=carried,
            pause_s=(event.t - held.until) / 1e9 if carried else 0.0,
            began=event.t,
            ended=event.t,
            seconds=0.0,
            booked=event.held,
        )
        self.latest[event.span] = event.seq

    def reply(self, event: ModelReply) -> None:
        turn, held = self.turns[event.request], self.held[event.request]
        turn = replace(turn, outcome=event.outcome, ended=event.t, seconds=event.wall_s, booked=event.cost)
        if event.outcome == "failed":
            turn = replace(turn, usage=Usage(), carried=0, pause_s=0.0)
        elif event.outcome == "ok":
            usage = _usage(event.usage)
            carried = min(held.tokens, usage.context)
            clamped = contradicts_itself(_raw_usage(event.raw))
            turn = replace(
                turn, usage=usage, clamped=clamped, carried=carried, pause_s=turn.pause_s if carried else 0.0
            )
            said = usage.output - usage.reasoning
            held = replace(held, tokens=usage.context, reply=event.message, reply_tokens=said, until=event.t)
            self.held[event.request] = held
        self.turns[event.request] = turn

    def tool_call(self, event: ToolCalled) -> None:
        seq = self.latest.setdefault(event.span, event.seq)
        turn = self.turns.get(seq) or _without_model(event)
        own = [amount for meter, amount in event.held.items() if meter not in SCALE]
        units = Counter(turn.tools) + Counter({event.name: sum(own) if own else 1})
        self.turns[seq] = replace(turn, tools=dict(units), booked=added(turn.booked, event.held))
        self.calls[event.seq] = seq, event

    def tool_result(self, hold: int, cost: Mapping[str, int], seconds: float) -> None:
        if hold not in self.calls:
            return  # an evaluation of the policy's own
        seq, call = self.calls[hold]
        turn = self.turns[seq]
        corrections = {meter: -amount for meter, amount in call.held.items()}
        booked = added(added(turn.booked, cost), corrections)
        self.turns[seq] = replace(turn, tools_s=turn.tools_s + seconds, booked=booked)


def _without_model(event: ToolCalled) -> Turn:
    return Turn(
        seq=event.seq,
        span=event.span,
        model=None,
        outcome="no call",
        usage=Usage(),
        clamped=False,
        carried=0,
        pause_s=0.0,
        began=event.t,
        ended=event.t,
        seconds=0.0,
    )


def _usage(fields: Mapping[str, int]) -> Usage:
    """Kinds of tokens that only newer logs know are left out."""
    return Usage(**{name: fields[name] for name in vars(Usage()) if name in fields})


def _raw_usage(raw: Any) -> Mapping[str, Any]:
    usage = raw.get("usage") if isinstance(raw, Mapping) else None
    return usage if isinstance(usage, Mapping) else {}
