"""One rollout, in five steps: prepare, act, collect, verify, commit."""

import asyncio
import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from platform import python_version
from random import Random
from typing import Literal

from outlay.agents.costs.catalogue import CallCosts, costs_of
from outlay.agents.errors import BudgetExceeded, ModelError
from outlay.agents.events import BudgetRefused, Ended, Failed, Judged, Recorder, Started
from outlay.agents.ledger import Account
from outlay.agents.meters import from_units, to_units
from outlay.agents.registry import load_agent
from outlay.agents.session import RolloutSession
from outlay.agents.types import Agent, Model
from outlay.agents.verdicts import verdict_record
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
    attempt, log = place.store.open_attempt(rollout)
    account = Account(rollout.id, to_units({m: a for m, a in rollout.budget.items() if m != "wall_s"}))
    ending = Ending(Status.CANCELLED, "interrupted")
    try:
        ending = await _attempt(rollout, attempt, task, agent, account, log, place)
    finally:
        outcome = _commit(rollout, attempt, task, account, ending, log, place)
    return outcome


async def _attempt(
    rollout: Rollout, attempt: int, task: Task, agent: Agent, account: Account, log: AttemptLog, place: Workplace
) -> Ending:
    try:
        async with place.make_sandbox(task.sandbox) as sandbox:
            session = await _prepare(rollout, attempt, task, account, log, place, sandbox)
            ending = await _timed_act(agent, session, account, rollout.budget.get("wall_s"))
            ending = replace(await _collect(session, ending), isolation=sandbox.isolation)
    except SandboxError as error:
        return _failed(log, Status.SANDBOX_ERROR, "sandbox", error)
    return await _verify(rollout, ending, log, place)


async def _prepare(
    rollout: Rollout,
    attempt: int,
    task: Task,
    account: Account,
    log: AttemptLog,
    place: Workplace,
    sandbox: Sandbox,
) -> RolloutSession:
    """A sandbox with the task's files, and a session around it."""
    tools: dict[str, AnyTool] = {tool.name: tool for tool in map(load_tool, task.tools)}
    offered = [{"name": t.name, "description": t.description, "parameters": parameters(t)} for t in tools.values()]
    log.write(
        Started(
            rollout=rollout.model_dump(mode="json"),
            attempt=attempt,
            versions=_versions(),
            isolation=sandbox.isolation,
            sandbox=sandbox.record,
            limits=account.limits,
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
        account=account,
        rng=Random(f"{rollout.agent}:{rollout.task}:{rollout.seed}"),
        sandbox=sandbox,
        recorder=log,
        judge=judge,
        model=place.models[rollout.model] if rollout.model else None,
        costs=_costs(rollout),
        seed=rollout.seed,
    )


@cache
def _versions() -> Mapping[str, str]:
    return {"outlay": version("outlay"), "python": python_version()}


def _costs(rollout: Rollout) -> CallCosts | None:
    return costs_of(rollout.model, rollout.hardware) if rollout.model else None


async def _timed_act(agent: Agent, session: RolloutSession, account: Account, wall_s: float | None) -> Ending:
    """Books the agent's own time; judging the outcome is not the agent's to pay."""
    began = time.monotonic_ns()
    try:
        return await _act(agent, session, wall_s)
    finally:
        account.charge({"wall_s": time.monotonic_ns() - began})


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


async def _verify(rollout: Rollout, ending: Ending, log: AttemptLog, place: Workplace) -> Ending:
    """The score of record, in fresh sandboxes, after the agent's own is gone."""
    submission = ending.submission
    if submission is None:
        return ending
    try:
        verdict = await _judge(rollout, submission, Split.FINAL, place)
    except VerifierError as error:
        return replace(_failed(log, Status.VERIFIER_ERROR, "verify", error), isolation=ending.isolation)
    log.write(
        Judged(
            submission={path: log.blob(body) for path, body in submission.files.items()},
            sha256=submission.sha256,
            chosen=ending.chosen,
            verdict=verdict_record(verdict),
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
    account: Account,
    ending: Ending,
    log: AttemptLog,
    place: Workplace,
) -> Outcome:
    """Seals the log, then lets the outcome stand."""
    spent = account.spent
    log.write(Ended(status=ending.status, spent=spent))
    log.close()
    outcome = Outcome(
        rollout=rollout,
        attempt=attempt,
        status=ending.status,
        direction=task.direction,
        unit=task.unit,
        spent=from_units(spent),
        error=ending.error,
        isolation=ending.isolation,
        verify_s=ending.verdict.seconds if ending.verdict else 0.0,
        **(outcome_fields(ending.verdict) if ending.verdict else {}),
    )
    place.store.commit(outcome)
    return outcome


def _failed(log: Recorder, status: Status, where: str, error: Exception) -> Ending:
    text = f"{type(error).__name__}: {error}"
    log.write(Failed(where=where, error=text, traceback="".join(traceback.format_exception(error))))
    return Ending(status, text)
