"""The ledger as a fold: the events of a trajectory, in order, give its accounts again, to the last unit.

What was reserved and never closed stands as a hold. After kill -9 those are the calls in flight: whoever carries on
settles each at what it learns, or at its worst case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from outlay.agents.events import (
    Charged,
    Evaluated,
    Event,
    Judged,
    Limited,
    ModelReply,
    ModelRequest,
    Opened,
    Reserved,
    Settled,
    Started,
    ToolCalled,
    ToolReturned,
)
from outlay.agents.ledger import Account, Hold

AGENT, JUDGE = "agent", "judge"
"""The two accounts of a rollout. The agent's has the budget; what judging costs is never drawn from it."""


@dataclass
class Books:
    """The accounts of one attempt. An event's span names its account: "" the agent's, "a/b" one opened below it."""

    rollout: Account
    accounts: dict[str, Account] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    """In flight, by `seq` of the event that says what is held."""

    @property
    def agent(self) -> Account:
        return self.accounts[""]

    @property
    def judge(self) -> Account:
        return self.accounts[JUDGE]


def open_books(
    name: str, limits: Mapping[str, int], *, meters: Iterable[str] = (), parent: Account | None = None
) -> Books:
    """Of a rollout about to begin; `meters` are its tools' own. Raises `UnknownName`, `BadAmount`."""
    rollout = Account(name, parent=parent, meters=frozenset(meters))
    return Books(rollout, {"": rollout.open(AGENT, limits), JUDGE: rollout.open(JUDGE)})


def fold(events: Iterable[Event], parent: Account | None = None) -> Books | None:
    """The accounts as the log leaves them, below `parent`; None when it does not even say what was started."""
    books: Books | None = None
    for event in events:
        if isinstance(event, Started):
            books = open_books(event.account, event.limits, meters=event.meters, parent=parent)
        elif books is not None:
            _book(books, event)
    return books


def _book(books: Books, event: Event) -> None:
    match event:
        case ModelRequest() | ToolCalled() | Reserved():
            books.holds[event.seq] = books.accounts[event.span].resume(event.held)
        case ModelReply(request=hold) | ToolReturned(call=hold) | Settled(hold=hold):
            books.holds.pop(hold).settle(event.cost)
        case Evaluated():
            if event.hold is not None:
                books.holds.pop(event.hold).settle(event.cost)
            books.judge.charge(event.judge)
        case Judged():
            books.judge.charge(event.cost)
        case Charged():
            books.accounts[event.span].charge(event.cost)
        case Opened():
            span = f"{event.span}/{event.name}" if event.span else event.name
            books.accounts[span] = books.accounts[event.span].open(event.name, event.limits)
        case Limited():
            books.accounts[event.span].limit(event.limits)
