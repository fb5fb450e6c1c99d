"""From measured steps to what `outlay validate-cost` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlay.agents.costs.idealized import IdealizedRuntime, Timing, fit
from outlay.agents.models.gguf_header import GgufShape
from outlay.runs.validation.costs import CostModel, cost_models
from outlay.runs.validation.explain import Correlation, correlations
from outlay.runs.validation.measure import fastest
from outlay.runs.validation.profile import Profile, fit_profile
from outlay.runs.validation.types import Conversation, Step


@dataclass(frozen=True)
class Report:
    """What was found on one model and machine."""

    step: Mapping[str, Correlation]
    trajectory: Mapping[str, Correlation]
    profile: Profile
    runtime: IdealizedRuntime
    costs: Mapping[str, CostModel]
    judged: Sequence[Step]
    trajectories: int
    noise: float
    """Median, over requests, of the slowest round's time over the fastest's; 1 on a quiet machine."""


def report(measured: Sequence[Step], conversations: Sequence[Conversation], shape: GgufShape, seed: int) -> Report:
    """Fits on the calibration grid, judges on all else, each request at its fastest. Raises `CannotFit`."""
    kinds = {conversation.name: conversation.kind for conversation in conversations}
    steps = fastest(measured)
    grid = [step for step in steps if kinds[step.conversation] == "calibration"]
    judged = [step for step in steps if kinds[step.conversation] != "calibration"]
    profile = fit_profile(grid)
    runtime = fit(Timing(step.context, step.output, step.seconds) for step in grid)
    costs = cost_models(profile, runtime, shape)
    amounts = {name: [model.amount(step) for step in judged] for name, model in costs.items()}
    seconds, owners = [step.seconds for step in judged], [step.conversation for step in judged]
    whole = [name for name, kind in kinds.items() if kind == "trajectory"]
    return Report(
        step=correlations(amounts, seconds, owners, seed),
        trajectory=correlations(
            {name: _sums(values, owners, whole) for name, values in amounts.items()},
            _sums(seconds, owners, whole),
            whole,
            seed,
        ),
        profile=profile,
        runtime=runtime,
        costs=costs,
        judged=judged,
        trajectories=len(whole),
        noise=_noise(measured),
    )


def _sums(values: Sequence[float], owners: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """Of each conversation's steps."""
    return [sum(v for v, owner in zip(values, owners, strict=True) if owner == name) for name in wanted]


def _noise(measured: Sequence[Step]) -> float:
    from statistics import median

    rounds: dict[tuple[str, int], list[float]] = {}
    for step in measured:
        rounds.setdefault((step.conversation, step.turn), []).append(step.seconds)
    return median(max(seconds) / min(seconds) for seconds in rounds.values())
