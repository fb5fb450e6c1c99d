"""What both backends share: a place with models and sandboxes open, for as long as rollouts are run in it."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from outlay.agents.models.open import open_model
from outlay.agents.types import Model
from outlay.runs.exec.rollout import Workplace
from outlay.runs.store.experiment import ExperimentStore
from outlay.sandbox.choose import resolve, sandbox_maker
from outlay.sandbox.janitor import tended
from outlay.sandbox.owner import EXPERIMENT
from outlay.sandbox.pool import warm_pool

MOST_WARM = 4
"""Idle sandboxes that are kept ready; each holds about 9 MiB."""


@asynccontextmanager
async def workplace(
    store: ExperimentStore, *, models: Iterable[str], sandbox: str, slots: int
) -> AsyncIterator[Workplace]:
    """Opens every model once, for `slots` rollouts at a time, and sweeps what dead runs left while it is open.

    Raises `MissingKey`, `MissingPart` or `SandboxUnavailable` before anything runs.
    """
    os.environ[EXPERIMENT] = store.layout.experiment  # judges are processes of their own, and take it over
    kind = resolve(sandbox)
    make_sandbox = sandbox_maker(kind)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tended(engine=kind == "docker"))
        opened: dict[str, Model] = {}
        for name in models:
            opened[name] = await open_model(name, slots=slots)
            stack.push_async_callback(opened[name].close)
        if kind == "docker":  # starting a container takes longer than many a rollout
            warm = min(slots, MOST_WARM)
            make_sandbox = await stack.enter_async_context(warm_pool(make_sandbox, warm=warm, most=slots + warm))
        yield Workplace(store, opened, make_sandbox, kind)
