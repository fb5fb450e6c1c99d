"""A trajectory as people read it: turns, what each cost, the verdict. Built from events only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from outlay.agents.events import (
    BudgetRefused,
    Connected,
    Ended,
    Evaluated,
    Event,
    Failed,
    FileChanged,
    Judged,
    MessageSeen,
    ModelReply,
    Started,
    ToolReturned,
)
from outlay.agents.meters import from_units


@dataclass
class Block:
    """One paragraph of a transcript."""

    title: str
    body: str = ""
    notes: Mapping[str, object] = field(default_factory=dict)


def transcript(events: Iterable[Event]) -> Iterator[Block]:
    """In order; messages that only repeat a tool's result are left out."""
    messages: dict[str, MessageSeen] = {}
    turn = 0
    for event in events:
        match event:
            case MessageSeen():
                messages[event.hash] = event
                if event.role in ("system", "user"):
                    yield Block(event.role, event.text)
            case ModelReply():
                turn += 1
                yield _reply(turn, event, messages)
            case _:
                yield from _other(event)


def _reply(turn: int, event: ModelReply, messages: Mapping[str, MessageSeen]) -> Block:
    notes = {**event.usage, **_costs(event.cost), "seconds": round(event.wall_s, 3)}
    if event.outcome != "ok" or event.message is None:
        return Block(f"turn {turn}: model call {event.outcome}", event.error or "", notes)
    message = messages[event.message]
    calls = [f"{call['name']} {call['arguments']}" for call in message.calls]
    return Block(f"turn {turn}: model ({event.stop})", "\n".join(filter(None, [message.text, *calls])), notes)


def _other(event: Event) -> Iterator[Block]:
    match event:
        case Started():
            rollout = event.rollout
            title = f"{rollout['task']} | {rollout['agent']} | {rollout['model']} | attempt {event.attempt}"
            yield Block(
                title, "", {"isolation": event.isolation, **{f"max {k}": v for k, v in rollout["budget"].items()}}
            )
        case ToolReturned():
            yield Block("tool error" if event.is_error else "tool", event.text, {"seconds": round(event.wall_s, 3)})
        case Connected():
            fate = "reached" if event.allowed and not event.failure else event.failure
            yield Block(f"connection to {event.host}:{event.port}", fate, {"bytes": event.received_bytes})
        case FileChanged():
            yield Block(f"wrote {event.path}", "", {"blob": event.body[:12]})
        case Evaluated():
            yield Block("evaluation", "", _verdict(event.verdict))
        case BudgetRefused():
            yield Block("budget", f"{event.meter}: {event.asked:g} asked, {event.left:g} of {event.limit:g} left")
        case Failed():
            yield Block(f"error in {event.where}", event.error)
        case Judged():
            yield Block(f"verdict on what was {event.chosen}", str(event.verdict["feedback"]), _verdict(event.verdict))
        case Ended():
            yield Block(f"ended: {event.status}", "", dict(from_units(event.spent)))


def _costs(cost: Mapping[str, int]) -> dict[str, float]:
    return {meter: amount for meter, amount in from_units(cost).items() if meter in ("usd", "pte")}


def _verdict(verdict: Mapping[str, object]) -> dict[str, object]:
    return {name: verdict[name] for name in ("valid", "score", "normalised") if verdict[name] is not None}
