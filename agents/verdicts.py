"""Verdicts as agents see them, and as records keep them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from outlay.agents.meters import SCALE
from outlay.tasks.types import Direction, Task, Verdict
from outlay.tools.types import ToolResult


def better(task: Task, score: float, than: float) -> bool:
    """Whether `score` is strictly better in the task's direction."""
    return score > than if task.direction is Direction.HIGHER else score < than


def observation(task: Task, verdict: Verdict) -> ToolResult:
    """What `evaluate` tells the model: score, direction and feedback, never the evidence."""
    if not verdict.valid or verdict.score is None:
        return ToolResult(f"Invalid: {verdict.feedback}", {"valid": False, "score": None})
    line = f"Score {verdict.score:.6g}{' ' + task.unit if task.unit else ''} ({task.direction} is better)."
    return ToolResult(f"{line} {verdict.feedback}".strip(), {"valid": True, "score": verdict.score})


def verdict_record(verdict: Verdict) -> Mapping[str, Any]:
    """JSON-able, all fields."""
    return asdict(verdict)


def judging_cost(verdict: Verdict) -> dict[str, int]:
    """What a verification drew from the judge's account."""
    return {"wall_s": round(verdict.seconds * SCALE["wall_s"])}
