"""The Ray backend: the same worker inside Ray actors, writing to a results folder that all nodes can reach."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from anyio.from_thread import start_blocking_portal

from outlay.agents.errors import MissingPart
from outlay.runs.exec.rollout import Workplace, run_rollout
from outlay.runs.exec.worker import workplace
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.types import Outcome, Rollout

STOP_S = 15.0
"""How long interrupted rollouts have to record and clean up."""


class Worker:
    """One actor: one rollout at a time.

    Rollouts run in one event loop of our own thread: Ray starts each call as a task without a common root, and the
    judge's process pool lives as long as the root task of its first use.
    """

    def __init__(self, store: ExperimentStore, models: Sequence[str], sandbox: str) -> None:
        self.store, self.models, self.sandbox = store, models, sandbox
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal())
        self.place: Workplace | None = None

    async def run(self, rollout: Rollout) -> Outcome:
        if self.place is None:
            self.place = await asyncio.to_thread(self._open)
        return await asyncio.wrap_future(self.portal.start_task_soon(run_rollout, rollout, self.place))

    def _open(self) -> Workplace:
        opening = workplace(self.store, models=self.models, sandbox=self.sandbox, slots=1)
        return self.stack.enter_context(self.portal.wrap_async_context_manager(opening))

    async def close(self) -> None:
        await asyncio.to_thread(self.stack.close)


def run_ray(
    rollouts: Sequence[Rollout],
    store: ExperimentStore,
    *,
    sandbox: str,
    jobs: int,
    ended: Callable[[Outcome], None],
) -> None:
    """Calls `ended` after each commit. Uses the cluster in `RAY_ADDRESS`, or starts one on this machine.

    Raises `MissingPart` without Ray; an error of a worker's own is raised here.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPart("Ray", "pip install 'outlay[ray]'") from error
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, num_cpus=None if "RAY_ADDRESS" in os.environ else jobs)
    models = list(dict.fromkeys(r.model for r in rollouts if r.model))
    actor: Any = ray.remote(Worker)
    workers = [actor.remote(store, models, sandbox) for _ in range(min(jobs, len(rollouts)))]
    try:
        _drain(list(rollouts), workers, ended)
    finally:
        ray.wait([w.close.remote() for w in workers], num_returns=len(workers), timeout=STOP_S)
        if started:
            ray.shutdown()


def _drain(waiting: list[Rollout], workers: Sequence[Any], ended: Callable[[Outcome], None]) -> None:
    import ray

    waiting.reverse()
    running = {worker.run.remote(waiting.pop()): worker for worker in workers if waiting}
    try:
        while running:
            done, _ = ray.wait(list(running), num_returns=1)
            worker = running.pop(done[0])
            ended(ray.get(done[0]))
            if waiting:
                running[worker.run.remote(waiting.pop())] = worker
    except BaseException:
        for call in running:
            ray.cancel(call)
        ray.wait(list(running), num_returns=max(1, len(running)), timeout=STOP_S)
        raise
