"""One rollout, in five steps: prepare, act, collect, verify, commit."""

import asyncio
import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
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
from outlay.agents.meters import from_units, of_tools, to_units
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


@dataclass(frozen=True)
class Attempt:
    """One try at a rollout: what it is made of, and where it is written down."""

    rollout: Rollout
    number: int
    task: Task
    agent: Agent
    tools: Mapping[str, AnyTool]
    books: Books
    log: AttemptLog
    place: Workplace


async def run_rollout(rollout: Rollout, place: Workplace) -> Outcome:
    """Runs the next attempt and commits how it ended. Only cancellation is raised, after it was recorded."""
    task, agent = load_task(rollout.task, rollout.seed), load_agent(rollout.agent)
    tools = {tool.name: tool for tool in map(load_tool, task.tools)}
    books = _open_books(rollout, of_tools(tools.values()))
    number, log = place.store.open_attempt(rollout)
    attempt = Attempt(rollout, number, task, agent, tools, books, log, place)
    ending = Ending(Status.CANCELLED, "interrupted")
    try:
        ending = await _run(attempt)
    finally:
        outcome = _commit(attempt, ending)
    return outcome


def _open_books(rollout: Rollout, meters: Sequence[str]) -> Books:
    """Time is kept by a clock, not by the account: nothing can be reserved of it."""
    limits = to_units({meter: amount for meter, amount in rollout.budget.items() if meter != "wall_s"}, meters)
    return open_books(rollout.id, limits, meters=meters)


async def _run(attempt: Attempt) -> Ending:
    try:
        async with attempt.place.make_sandbox(attempt.task.sandbox) as sandbox:
            session = await _prepare(attempt, sandbox)
            ending = await _timed_act(attempt.agent, session, attempt.rollout.budget.get("wall_s"))
            ending = replace(await _collect(session, ending), isolation=sandbox.isolation)
    except SandboxError as error:
        return _failed(attempt.log, Status.SANDBOX_ERROR, "sandbox", error)
    return await _verify(attempt, ending)


async def _prepare(attempt: Attempt, sandbox: Sandbox) -> RolloutSession:
    """A sandbox with the task's files, and a session around it."""
    rollout, tools, books, log = attempt.rollout, attempt.tools, attempt.books, attempt.log
    offered = [{"name": t.name, "description": t.description, "parameters": parameters(t)} for t in tools.values()]
    log.write(
        Started(
            rollout=rollout.model_dump(mode="json"),
            attempt=attempt.number,
            versions=_versions(),
            isolation=sandbox.isolation,
            sandbox=sandbox.record,
            account=rollout.id,
            limits=books.agent.limits,
            meters=of_tools(tools.values()),
            tools=log.blob(json.dumps(offered).encode()),
        )
    )
    for path, body in attempt.task.files.items():
        await sandbox.write(path, body)

    async def judge(submission: Submission) -> Verdict:
        return await _judge(attempt, submission, Split.SEARCH)

    return RolloutSession(
        task=attempt.task,
        tools=tools,
        account=books.agent,
        judge_account=books.judge,
        thresholds=Thresholds(books.agent, rollout.notices, rollout.budget.get("wall_s"), _stopwatch()),
        rng=Random(f"{rollout.agent}:{rollout.task}:{rollout.seed}"),
        sandbox=sandbox,
        recorder=log,
        judge=judge,
        model=attempt.place.models[rollout.model] if rollout.model else None,
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


async def _verify(attempt: Attempt, ending: Ending) -> Ending:
    """The score of record, in fresh sandboxes, after the agent's own is gone."""
    submission = ending.submission
    if submission is None:
        return ending
    try:
        verdict = await _judge(attempt, submission, Split.FINAL)
    except VerifierError as error:
        return replace(_failed(attempt.log, Status.VERIFIER_ERROR, "verify", error), isolation=ending.isolation)
    cost = judging_cost(verdict)
    attempt.books.judge.charge(cost)
    attempt.log.write(
        Judged(
            submission={path: attempt.log.blob(body) for path, body in submission.files.items()},
            sha256=submission.sha256,
            chosen=ending.chosen,
            verdict=verdict_record(verdict),
            cost=cost,
        )
    )
    return replace(ending, verdict=verdict)


async def _judge(attempt: Attempt, submission: Submission, split: Split) -> Verdict:
    rollout, place = attempt.rollout, attempt.place
    secret = place.store.judge_seed(rollout)
    return await verify(rollout.task, rollout.seed, submission, split=split, judge_seed=secret, sandbox=place.sandbox)


def _commit(attempt: Attempt, ending: Ending) -> Outcome:
    """Seals the log, then lets the outcome stand."""
    spent, judge = attempt.books.agent.spent, attempt.books.judge.spent
    attempt.log.write(Ended(status=ending.status, spent=spent, judge=judge))
    attempt.log.close()
    outcome = Outcome(
        rollout=attempt.rollout,
        attempt=attempt.number,
        status=ending.status,
        direction=attempt.task.direction,
        unit=attempt.task.unit,
        spent=from_units(spent),
        judge=from_units(judge),
        error=ending.error,
        isolation=ending.isolation,
        **(outcome_fields(ending.verdict) if ending.verdict else {}),
    )
    attempt.place.store.commit(outcome)
    return outcome


def _failed(log: Recorder, status: Status, where: str, error: Exception) -> Ending:
    text = f"{type(error).__name__}: {error}"
    log.write(Failed(where=where, error=text, traceback="".join(traceback.format_exception(error))))
    return Ending(status, text)
