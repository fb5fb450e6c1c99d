"""The trajectory: one append-only stream of events per attempt; exactly what was sent, received, run and paid.

A message is written once, when it first occurs, and named by content hash afterwards. A request names the earlier
request it continues (`base`), how many of that one's messages it keeps, and the hashes it adds: the log of a long
conversation grows linearly, and an edited context shows as a smaller `keep`. Amounts (`held`, `cost`, `limits`) are
integers in the smallest unit of their meter, and they are the ledger: `books.fold` makes the accounts of them. Bodies
above `INLINE_BYTES` are blobs, named by SHA-256.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from outlay.agents.types import Message

SCHEMA = 1
INLINE_BYTES = 16 << 10

Amounts = Mapping[str, int]


class _Event(BaseModel):
    """Fields of all events. Unknown fields are kept on reading, so that older readers lose nothing."""

    model_config = ConfigDict(extra="allow")
    seq: int = 0
    """Position in the attempt, from 0, set by the recorder."""
    t: int = 0
    """Wall clock, nanoseconds since the epoch, set by the recorder."""
    span: str = ""
    """Path of the branch this happened in; empty for the rollout itself."""


class Started(_Event):
    """First event: all that is needed to run the rollout again."""

    type: Literal["started"] = "started"
    schema_version: int = SCHEMA
    rollout: Mapping[str, Any]
    attempt: int
    versions: Mapping[str, str]
    isolation: str
    sandbox: Mapping[str, Any] = {}
    """What was reached: image, limits, user, network, runtime and the like."""
    account: str = ""
    """Name of the rollout's account."""
    limits: Amounts
    """Of the agent's account in it."""
    meters: tuple[str, ...] = ()
    """The tools' own."""
    tools: str = ""
    """Blob of the tool schemas as offered."""


class MessageSeen(_Event):
    """A message that no earlier event of this attempt holds."""

    type: Literal["message"] = "message"
    hash: str
    role: str
    text: str = ""
    calls: tuple[Mapping[str, str], ...] = ()
    call_id: str | None = None
    result: int | None = None
    """`seq` of the tool result whose text this message repeats; `text` is then empty."""


class ModelRequest(_Event):
    """A call about to be sent; its worst case is held."""

    type: Literal["request"] = "request"
    model: str
    base: int | None = None
    """`seq` of the request whose first `keep` messages this one starts with."""
    keep: int = 0
    add: tuple[str, ...] = ()
    max_tokens: int
    temperature: float | None = None
    seed: int | None = None
    held: Amounts


class ModelReply(_Event):
    """What came back, and what was booked for it."""

    type: Literal["reply"] = "reply"
    request: int
    outcome: Literal["ok", "failed", "unknown"] = "ok"
    """`unknown`: it may have been billed, so the worst case was booked."""
    message: str | None = None
    stop: str | None = None
    usage: Mapping[str, int] = {}
    cost: Amounts
    overshoot: Amounts = {}
    """By how much `cost` is above what was held: the provider broke its own contract."""
    wall_s: float
    error: str | None = None
    raw: Any = None


class ToolCalled(_Event):
    """A call about to run."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: str
    held: Amounts


class ToolReturned(_Event):
    """Its observation, and what was booked for it."""

    type: Literal["tool_result"] = "tool_result"
    call: int
    text: str
    data: Mapping[str, Any] = {}
    is_error: bool = False
    cost: Amounts
    wall_s: float


class Connected(_Event):
    """A command's attempt to reach the outside through the sandbox's proxy."""

    type: Literal["connection"] = "connection"
    host: str
    port: int
    allowed: bool
    failure: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0


class FileChanged(_Event):
    """A file the policy itself put into the workspace."""

    type: Literal["file_change"] = "file_change"
    path: str
    body: str
    """Blob."""


class Evaluated(_Event):
    """Feedback on the artifacts as they were."""

    type: Literal["evaluation"] = "evaluation"
    submission: Mapping[str, str]
    """Path to blob."""
    verdict: Mapping[str, Any]
    hold: int | None = None
    """`seq` of the reservation that `cost` closes; None when a tool call pays."""
    cost: Amounts
    judge: Amounts = {}
    """What the judge spent, from its own account."""


class Opened(_Event):
    """An account below that of `span`; its own span is `span/name`."""

    type: Literal["account"] = "account"
    name: str
    limits: Amounts = {}


class Limited(_Event):
    """New limits of the account of `span`, for these meters."""

    type: Literal["limits"] = "limits"
    limits: Amounts


class Reserved(_Event):
    """Something about to be done that is neither a model nor a tool call."""

    type: Literal["reserve"] = "reserve"
    what: str
    held: Amounts


class Settled(_Event):
    """What was booked for a call that failed without a result of its own, or for a `reserve`."""

    type: Literal["settle"] = "settle"
    hold: int
    """`seq` of the event with what was held."""
    cost: Amounts


class Charged(_Event):
    """Booked without a reservation, such as time that went by."""

    type: Literal["charge"] = "charge"
    cost: Amounts


class Notified(_Event):
    """A soft threshold that was crossed, as it was put to the agent."""

    type: Literal["notice"] = "notice"
    meter: str
    share: float
    """Of the limit, from 0 to 1."""
    text: str


class BudgetRefused(_Event):
    """A call that was not made because its worst case did not fit."""

    type: Literal["budget"] = "budget"
    meter: str
    asked: float
    left: float
    limit: float


class Failed(_Event):
    """Why the attempt could not go on."""

    type: Literal["error"] = "error"
    where: str
    error: str
    traceback: str = ""


class Judged(_Event):
    """The score of record: which submission, how it was chosen, what the verifier found."""

    type: Literal["verdict"] = "verdict"
    submission: Mapping[str, str]
    sha256: str
    chosen: Literal["submitted", "best evaluated", "as left"]
    verdict: Mapping[str, Any]
    cost: Amounts = {}
    """What the judge spent, from its own account."""


class Ended(_Event):
    """Last event."""

    type: Literal["ended"] = "ended"
    status: str
    spent: Amounts
    """By the agent."""
    judge: Amounts = {}
    """Spent by the judge."""


Event = Annotated[
    Started
    | MessageSeen
    | ModelRequest
    | ModelReply
    | ToolCalled
    | ToolReturned
    | Connected
    | FileChanged
    | Evaluated
    | Opened
    | Limited
    | Reserved
    | Settled
    | Charged
    | Notified
    | BudgetRefused
    | Failed
    | Judged
    | Ended,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Recorder(Protocol):
    """Where events go. `write` has reached the operating system when it returns: a killed process loses nothing."""

    def write(self, event: Event) -> int:
        """Returns the event's `seq`."""
        ...

    def blob(self, body: bytes) -> str:
        """Keeps `body` once; returns its SHA-256."""
        ...


def message_hash(message: Message) -> str:
    """64 bits of the content: enough to tell the messages of one attempt apart."""
    calls = [(c.id, c.name, c.arguments) for c in message.calls]
    body = json.dumps([message.role, message.text, calls, message.call_id])
    return hashlib.blake2b(body.encode(), digest_size=8).hexdigest()
