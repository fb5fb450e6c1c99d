"""The local backend: rollouts as asyncio tasks in this process, `jobs` at a time."""

import asyncio
from collections.abc import Callable, Sequence

from outlay.runs.exec.rollout import Workplace, run_rollout
from outlay.runs.exec.worker import workplace
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.types import Outcome, Rollout
from outlay.tasks import judge


async def run_local(
    rollouts: Sequence[Rollout],
    store: ExperimentStore,
    *,
    sandbox: str,
    jobs: int,
    ended: Callable[[Outcome], None],
) -> None:
    """Calls `ended` after each commit. On cancellation every running rollout is stopped, recorded and cleaned up."""
    models = dict.fromkeys(r.model for r in rollouts if r.model)
    async with workplace(store, models=models, sandbox=sandbox, slots=jobs) as place:
        waiting = iter(rollouts)

        async def work(place: Workplace) -> None:
            for rollout in waiting:
                ended(await run_rollout(rollout, place))

        async with asyncio.TaskGroup() as group:
            group.create_task(judge.warm(place.sandbox))
            for _ in range(min(jobs, len(rollouts))):
                group.create_task(work(place))
