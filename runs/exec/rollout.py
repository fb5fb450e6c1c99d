"""One rollout, in five steps: prepare, act, collect, verify, commit."""

import asyncio
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from platform import python_version
from random import Random
from typing import Literal

from outlay.agents.books import Books, open_books
from outlay.agents.costs.catalogue import CallCosts, costs_of, tool_usd
from outlay.agents.errors import BudgetExceeded, ModelError
from outlay.agents.events import BudgetRefused, Charged, Ended, Failed, Judged, Recorder, Started
from outlay.agents.ledger import Account
from outlay.agents.meters import from_units, to_units
from outlay.agents.notices import Thresholds
from outlay.agents.registry import load_agent
from outlay.agents.session import RolloutSession
from outlay.agents.types import Agent, Model
from outlay.agents.verdicts import judging_cost, verdict_record
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.store.log import AttemptLog
from outlay.runs.types import Outcome, Rollout, Status, outcome_fields
from outlay.sandbox.errors import SandboxError
from outlay.sandbox.types import Isolation, Sandbox, SandboxMaker
from outlay.tasks.errors import VerifierError
from outlay.tasks.judge import verify
from outlay.tasks.registry import load_task
from outlay.tasks.types import Split, Submission, Task, Verdict
from outlay.tools.registry import load_tool
from outlay.tools.schema import parameters
from outlay.tools.types import AnyTool

Chosen = Literal["submitted", "best evaluated", "as left"]


@dataclass(frozen=True)
class Workplace:
    """What a worker keeps open between rollouts."""

    store: ExperimentStore
    models: Mapping[str, Model]
    make_sandbox: SandboxMaker
    sandbox: str
    """The kind `make_sandbox` makes: `docker`, `process` or `weak`."""


@dataclass(frozen=True)
class Ending:
    """How far an attempt came."""

    status: Status
    error: str | None = None
    isolation: Isolation | None = None
    chosen: Chosen = "as left"
    submission: Submission | None = None
    verdict: Verdict | None = None


async def run_rollout(rollout: Rollout, place: Workplace) -> Outcome:
    """Runs the next attempt and commits how it ended. Only cancellation is raised, after it was recorded."""
    task, agent = load_task(rollout.task, rollout.seed), load_agent(rollout.agent)
    tools = {tool.name: tool for tool in map(load_tool, task.tools)}
    attempt, log = place.store.open_attempt(rollout)
    books = _open_books(rollout, tools)
    ending = Ending(Status.CANCELLED, "interrupted")
    try:
        ending = await _attempt(rollout, attempt, task, tools, agent, books, log, place)
    finally:
        outcome = _commit(rollout, attempt, task, books, ending, log, place)
    return outcome


def _open_books(rollout: Rollout, tools: Mapping[str, AnyTool]) -> Books:
    """Time is kept by a clock, not by the account: nothing can be reserved of it."""
    meters = [meter for tool in tools.values() for meter in tool.meters]
    limits = to_units({meter: amount for meter, amount in rollout.budget.items() if meter != "wall_s"}, meters)
    return open_books(rollout.id, limits, meters=meters)


async def _attempt(
    rollout: Rollout,
    attempt: int,
    task: Task,
    tools: Mapping[str, AnyTool],
    agent: Agent,
    books: Books,
    log: AttemptLog,
    place: Workplace,
) -> Ending:
    try:
        async with place.make_sandbox(task.sandbox) as sandbox:
            session = await _prepare(rollout, attempt, task, tools, books, log, place, sandbox)
            ending = await _timed_act(agent, session, rollout.budget.get("wall_s"))
            ending = replace(await _collect(session, ending), isolation=sandbox.isolation)
    except SandboxError as error:
        return _failed(log, Status.SANDBOX_ERROR, "sandbox", error)
    return await _verify(rollout, ending, books.judge, log, place)


async def _prepare(
    rollout: Rollout,
    attempt: int,
    task: Task,
    tools: Mapping[str, AnyTool],
    books: Books,
    log: AttemptLog,
    place: Workplace,
    sandbox: Sandbox,
) -> RolloutSession:
    """A sandbox with the task's files, and a session around it."""
    offered = [{"name": t.name, "description": t.description, "parameters": parameters(t)} for t in tools.values()]
    log.write(
        Started(
            rollout=rollout.model_dump(mode="json"),
            attempt=attempt,
            versions=_versions(),
            isolation=sandbox.isolation,
            sandbox=sandbox.record,
            account=rollout.id,
            limits=books.agent.limits,
            meters=tuple(meter for tool in tools.values() for meter in tool.meters),
            tools=log.blob(json.dumps(offered).encode()),
        )
    )
    for path, body in task.files.items():
        await sandbox.write(path, body)

    async def judge(submission: Submission) -> Verdict:
        return await _judge(rollout, submission, Split.SEARCH, place)

    return RolloutSession(
        task=task,
        tools=tools,
        account=books.agent,
        judge_account=books.judge,
        thresholds=Thresholds(books.agent, rollout.notices, rollout.budget.get("wall_s"), _stopwatch()),
        rng=Random(f"{rollout.agent}:{rollout.task}:{rollout.seed}"),
        sandbox=sandbox,
        recorder=log,
        judge=judge,
        model=place.models[rollout.model] if rollout.model else None,
        costs=_costs(rollout),
        tool_usd=tool_usd,
        seed=rollout.seed,
    )


@cache
def _versions() -> Mapping[str, str]:
    return {"outlay": version("outlay"), "python": python_version()}


def _costs(rollout: Rollout) -> CallCosts | None:
    return costs_of(rollout.model, rollout.hardware) if rollout.model else None


def _stopwatch() -> Callable[[], int]:
    """Nanoseconds since now."""
    began = time.monotonic_ns()
    return lambda: time.monotonic_ns() - began


async def _timed_act(agent: Agent, session: RolloutSession, wall_s: float | None) -> Ending:
    """Books the agent's own time; judging the outcome is not the agent's to pay."""
    elapsed_ns = _stopwatch()
    try:
        return await _act(agent, session, wall_s)
    finally:
        cost = {"wall_s": elapsed_ns()}
        session.account.charge(cost)
        session.recorder.write(Charged(cost=cost))


async def _act(agent: Agent, session: RolloutSession, wall_s: float | None) -> Ending:
    """The policy's turn. Classifies why it ended."""
    log = session.recorder
    try:
        async with asyncio.timeout(wall_s) as clock:
            await agent.run(session)
    except BudgetExceeded as error:
        return Ending(Status.BUDGET_EXHAUSTED, str(error))
    except ModelError as error:
        return _failed(log, Status.MODEL_ERROR, "model", error)
    except SandboxError as error:
        return _failed(log, Status.SANDBOX_ERROR, "sandbox", error)
    except VerifierError as error:
        return _failed(log, Status.VERIFIER_ERROR, "evaluate", error)
    except Exception as error:
        if clock.expired() and wall_s is not None:
            log.write(BudgetRefused(meter="wall_s", asked=0, left=0, limit=wall_s))
            return Ending(Status.BUDGET_EXHAUSTED, f"wall_s: {wall_s:g} s are over")
        return _failed(log, Status.AGENT_ERROR, "agent", error)
    return Ending(Status.COMPLETED)


async def _collect(session: RolloutSession, ending: Ending) -> Ending:
    """What was submitted; else what was evaluated best; else what lies there."""
    if ending.status not in (Status.COMPLETED, Status.BUDGET_EXHAUSTED):
        return ending
    if session.submitted is not None:
        return replace(ending, chosen="submitted", submission=session.submitted)
    if session.best is not None:
        return replace(ending, chosen="best evaluated", submission=session.best[1])
    return replace(ending, submission=await session.collect())


async def _verify(rollout: Rollout, ending: Ending, account: Account, log: AttemptLog, place: Workplace) -> Ending:
    """The score of record, in fresh sandboxes, after the agent's own is gone."""
    submission = ending.submission
    if submission is None:
        return ending
    try:
        verdict = await _judge(rollout, submission, Split.FINAL, place)
    except VerifierError as error:
        return replace(_failed(log, Status.VERIFIER_ERROR, "verify", error), isolation=ending.isolation)
    cost = judging_cost(verdict)
    account.charge(cost)
    log.write(
        Judged(
            submission={path: log.blob(body) for path, body in submission.files.items()},
            sha256=submission.sha256,
            chosen=ending.chosen,
            verdict=verdict_record(verdict),
            cost=cost,
        )
    )
    return replace(ending, verdict=verdict)


async def _judge(rollout: Rollout, submission: Submission, split: Split, place: Workplace) -> Verdict:
    secret = place.store.judge_seed(rollout)
    return await verify(rollout.task, rollout.seed, submission, split=split, judge_seed=secret, sandbox=place.sandbox)


def _commit(
    rollout: Rollout,
    attempt: int,
    task: Task,
    books: Books,
    ending: Ending,
    log: AttemptLog,
    place: Workplace,
) -> Outcome:
    """Seals the log, then lets the outcome stand."""
    spent, judge = books.agent.spent, books.judge.spent
    log.write(Ended(status=ending.status, spent=spent, judge=judge))
    log.close()
    outcome = Outcome(
        rollout=rollout,
        attempt=attempt,
        status=ending.status,
        direction=task.direction,
        unit=task.unit,
        spent=from_units(spent),
        judge=from_units(judge),
        error=ending.error,
        isolation=ending.isolation,
        **(outcome_fields(ending.verdict) if ending.verdict else {}),
    )
    place.store.commit(outcome)
    return outcome


def _failed(log: Recorder, status: Status, where: str, error: Exception) -> Ending:
    text = f"{type(error).__name__}: {error}"
    log.write(Failed(where=where, error=text, traceback="".join(traceback.format_exception(error))))
    return Ending(status, text)
