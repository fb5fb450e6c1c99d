"""Spec to list of rollouts; every name is looked up before anything runs."""

from outlay.agents.costs.catalogue import costs_of, price_lines, profile_lines
from outlay.agents.meters import known, of_tools
from outlay.agents.models.open import check_name
from outlay.agents.registry import load_agent
from outlay.runs.errors import SpecError
from outlay.runs.types import Rollout, Spec
from outlay.tasks.registry import load_task
from outlay.tasks.types import Task
from outlay.tools.registry import load_tool


def plan(spec: Spec) -> list[Rollout]:
    """Repeats outermost, so that an interrupted experiment has complete rounds.

    Raises `UnknownName` for a task, agent, model or meter that is not there, `SpecError` for a combination that
    cannot be run.
    """
    for model in spec.models:
        check_name(model)
        _check_measurable(model, spec)
    agents = {name: load_agent(name) for name in spec.agents}
    thirsty = [name for name, agent in agents.items() if agent.uses_model]
    if thirsty and not spec.models:
        raise SpecError(f"agent {thirsty[0]!r} uses a model, and no model is named. Mend: models = [...] or -m MODEL")
    tasks = {name: load_task(name, spec.seed) for name in spec.tasks}
    for task in tasks.values():
        _check_meters(spec, task)
    return [
        Rollout(
            task=task,
            task_version=tasks[task].version,
            agent=agent,
            model=model,
            budget=spec.budget,
            notices=tuple(spec.notices),
            seed=spec.seed + repeat,
            repeat=repeat,
            sandbox=spec.sandbox,
            hardware=spec.hardware,
        )
        for repeat in range(spec.repeats)
        for task in spec.tasks
        for agent in spec.agents
        for model in (spec.models if agents[agent].uses_model else [None])
    ]


def _check_meters(spec: Spec, task: Task) -> None:
    own = of_tools(map(load_tool, task.tools))
    for meter in spec.budget:
        known(meter, own)


def _check_measurable(model: str, spec: Spec) -> None:
    """A budget on what cannot be measured would never hold."""
    costs = costs_of(model, spec.hardware)
    if "usd" in spec.budget and costs.price is None:
        raise SpecError(f"budget.usd: there is no price for {model!r}, so usd cannot be kept. {price_lines(model)}")
    if "pte" in spec.budget and costs.gamma is None:
        raise SpecError(f"budget.pte: there is no profile for {model!r}, so no PTE. {profile_lines(model)}")
