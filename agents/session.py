"""The only implementation of `Session`: every call is reserved, recorded, made, settled and recorded again.

What is about to be sent or run is on disk, with what is held for it, before it is sent or run. A process that dies in
between leaves a request without a reply, and readers of the log count what was held.
"""

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from math import ceil
from random import Random

from outlay.agents.conversation import Conversation
from outlay.agents.costs.catalogue import CallCosts
from outlay.agents.errors import BudgetExceeded, ModelError
from outlay.agents.events import (
    BudgetRefused,
    Connected,
    Evaluated,
    FileChanged,
    ModelReply,
    Recorder,
    Reserved,
    Settled,
    ToolCalled,
    ToolReturned,
)
from outlay.agents.ledger import Account, Hold
from outlay.agents.meters import SCALE, added
from outlay.agents.notices import Thresholds
from outlay.agents.types import Message, Model, Reply, Request, ToolCall
from outlay.agents.verdicts import better, judging_cost, observation, verdict_record
from outlay.sandbox.errors import PathRefused, SandboxError
from outlay.sandbox.types import Sandbox
from outlay.tasks.collect import collect
from outlay.tasks.errors import VerifierError
from outlay.tasks.types import Submission, Task, Verdict
from outlay.tools.errors import ArgumentsRefused
from outlay.tools.schema import parse
from outlay.tools.types import AnyTool, ToolContext, ToolResult

MIN_REPLY_TOKENS = 16
"""A call that could not answer more than this is refused instead of made."""


@dataclass(eq=False)
class RolloutSession:
    """One attempt's session."""

    task: Task
    tools: Mapping[str, AnyTool]
    account: Account
    rng: Random
    sandbox: Sandbox
    recorder: Recorder
    judge: Callable[[Submission], Awaitable[Verdict]]
    """The task's verifier on the search split."""
    judge_account: Account
    thresholds: Thresholds
    model: Model | None = None
    costs: CallCosts | None = None
    tool_usd: Callable[[str], Decimal] = lambda _: Decimal(0)
    """Price of a tool's unit, by its name."""
    seed: int | None = None
    """Of the model's sampling."""
    submitted: Submission | None = None
    best: tuple[float, Submission] | None = None
    """The best valid evaluation so far."""
    conversation: Conversation = field(init=False)
    _connections: int = 0
    """How many of the sandbox's connections are on record."""

    def __post_init__(self) -> None:
        self.conversation = Conversation(self.recorder)

    async def ask(self, messages: Sequence[Message], *, max_tokens: int = 1024) -> Reply:
        if self.model is None or self.costs is None:
            raise RuntimeError("this agent was registered with uses_model=False, so it has no model to ask")
        offered = tuple(self.tools.values())
        request = Request(messages, offered, max_tokens, seed=self.seed)
        counted = await self.model.count_tokens(request)
        hold, max_tokens = self._hold_call(counted, max_tokens, self.costs)
        request = Request(messages, offered, max_tokens, seed=self.seed)
        sent = self.conversation.request(self.model.name, request, hold.worst)
        began = time.perf_counter()
        try:
            reply = await self.model.complete(request)
            cost = {"model_calls": 1, **self.costs.amounts(reply.usage)}
            hold.settle(cost)
        except BaseException as error:
            unknown = not isinstance(error, ModelError) or error.billed
            self._close(hold, sent, began, cost=hold.worst if unknown else {}, unknown=unknown, error=error)
            raise
        self.conversation.reply(sent, reply, cost, hold.worst, round(time.perf_counter() - began, 6))
        return reply

    def _hold_call(self, counted: int, max_tokens: int, costs: CallCosts) -> tuple[Hold, int]:
        """Reserves the worst case, with `max_tokens` lowered to what fits."""

        def overdraws(tokens: int) -> bool:
            worst = costs.worst(counted, tokens)
            lefts = ((amount, self.account.left_units(meter)) for meter, amount in worst.items())
            return any(left is not None and amount > left for amount, left in lefts)

        if overdraws(max_tokens):
            affordable = bisect_left(range(max_tokens), True, key=overdraws) - 1
            max_tokens = max(affordable, min(max_tokens, MIN_REPLY_TOKENS))
        return self._reserve({"model_calls": 1, **costs.worst(counted, max_tokens)}), max_tokens

    def _close(
        self, hold: Hold, sent: int, began: float, *, cost: Mapping[str, int], unknown: bool, error: BaseException
    ) -> None:
        hold.settle(cost)
        self.recorder.write(
            ModelReply(
                request=sent,
                outcome="unknown" if unknown else "failed",
                cost=cost,
                wall_s=round(time.perf_counter() - began, 6),
                error=f"{type(error).__name__}: {error}",
            )
        )

    def _reserve(self, worst: Mapping[str, int]) -> Hold:
        try:
            return self.account.reserve(worst)
        except BudgetExceeded as e:
            left = e.limit - e.spent - e.held
            self.recorder.write(BudgetRefused(meter=e.meter, asked=e.asked, left=left, limit=e.limit))
            raise

    async def act(self, call: ToolCall) -> ToolResult:
        tool = self.tools.get(call.name)
        refusal, units, args = "", {}, None
        if tool is None:
            refusal = f"There is no tool {call.name!r}. Tools: {', '.join(self.tools)}."
        else:
            try:
                args = parse(tool, call.arguments)
                units = self._drawn(tool, args)
            except ArgumentsRefused as error:
                refusal = str(error)
        worst = {"tool_calls": 1, **units}
        hold = self._reserve(worst)
        began = time.perf_counter()
        called = self.recorder.write(ToolCalled(id=call.id, name=call.name, arguments=call.arguments, held=worst))
        try:
            if tool is None or args is None:
                result = ToolResult(refusal, is_error=True)
            else:
                result = await self._run(tool, args)
            if result.submits:
                self.submitted = await self.collect()
        except BaseException:
            self._settle_failed(hold, called)
            raise
        finally:
            self._record_connections()
        hold.settle(worst)
        self._record_result(called, call.id, result, worst, round(time.perf_counter() - began, 6))
        return result

    def _drawn(self, tool: AnyTool, args: object) -> dict[str, int]:
        """What a call draws beside its one `tool_calls`: the tool's units, and if it has a price, that of its units: of
        those of meters of its own, else of one per call.
        """
        units = dict(tool.units(args))
        price = self.tool_usd(tool.name)
        if not price:
            return units
        count = sum(units.get(meter, 0) for meter in tool.meters) if tool.meters else 1
        return added(units, {"usd": ceil(price * count * SCALE["usd"])})

    def _settle_failed(self, hold: Hold, begun: int) -> None:
        """What it was held for may have been done."""
        hold.settle(hold.worst)
        self.recorder.write(Settled(hold=begun, cost=hold.worst))

    async def _run(self, tool: AnyTool, args: object) -> ToolResult:
        """Infrastructure errors pass; whatever else a tool raises is the model's to mend."""
        evaluate = self._evaluate_as_tool if "evaluate" in self.tools else None
        try:
            return await tool(args, ToolContext(self.sandbox, evaluate))
        except PathRefused as error:
            return ToolResult(str(error), is_error=True)
        except (SandboxError, VerifierError):
            raise
        except Exception as error:
            return ToolResult(f"{type(error).__name__}: {error}", is_error=True)

    def _record_result(
        self, called: int, call_id: str, result: ToolResult, cost: Mapping[str, int], wall_s: float
    ) -> None:
        seq = self.recorder.write(
            ToolReturned(
                call=called, text=result.text, data=result.data, is_error=result.is_error, cost=cost, wall_s=wall_s
            )
        )
        self.conversation.results[call_id] = (seq, result.text)

    def _record_connections(self) -> None:
        for connection in self.sandbox.connections[self._connections :]:
            self.recorder.write(Connected(**asdict(connection)))
            self._connections += 1

    async def write(self, path: str, body: bytes) -> None:
        await self.sandbox.write(path, body)
        self.recorder.write(FileChanged(path=path, body=self.recorder.blob(body)))

    async def evaluate(self) -> Verdict:
        hold = self._reserve({"evaluations": 1})
        begun = self.recorder.write(Reserved(what="evaluation", held=hold.worst))
        try:
            submission, verdict = await self._judged()
        except BaseException:
            self._settle_failed(hold, begun)
            raise
        hold.settle(hold.worst)
        self._record_evaluation(submission, verdict, begun, hold.worst)
        return verdict

    async def _evaluate_as_tool(self) -> ToolResult:
        submission, verdict = await self._judged()
        self._record_evaluation(submission, verdict, None, {})
        return observation(self.task, verdict)

    async def _judged(self) -> tuple[Submission, Verdict]:
        submission = await self.collect()
        return submission, await self.judge(submission)

    def _record_evaluation(
        self, submission: Submission, verdict: Verdict, hold: int | None, cost: Mapping[str, int]
    ) -> None:
        if verdict.score is not None and (self.best is None or better(self.task, verdict.score, self.best[0])):
            self.best = (verdict.score, submission)
        judge = judging_cost(verdict)
        self.judge_account.charge(judge)
        blobs = {path: self.recorder.blob(body) for path, body in submission.files.items()}
        record = verdict_record(verdict)
        self.recorder.write(Evaluated(submission=blobs, verdict=record, hold=hold, cost=cost, judge=judge))

    def notices(self) -> list[str]:
        told = self.thresholds.crossed()
        for notice in told:
            self.recorder.write(notice)
        return [notice.text for notice in told]

    async def collect(self) -> Submission:
        """The declared artifacts as they are now."""
        return await collect(self.sandbox, self.task.artifacts)
