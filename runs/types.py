"""The words of the runs room: what was asked for (Spec), what will run (Rollout), what came out (Outcome)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

SandboxKind = Literal["docker", "process", "weak", "auto"]


class Status(StrEnum):
    """Why a rollout ended."""

    COMPLETED = "completed"
    """The agent submitted or returned."""
    BUDGET_EXHAUSTED = "budget_exhausted"
    """The next call did not fit, or time ran out; its best submission was judged."""
    AGENT_ERROR = "agent_error"
    """The policy raised. Stands, without a score."""
    MODEL_ERROR = "model_error"
    SANDBOX_ERROR = "sandbox_error"
    VERIFIER_ERROR = "verifier_error"
    CANCELLED = "cancelled"
    """Interrupted; nothing stands."""

    @property
    def stands(self) -> bool:
        """Whether the next run leaves it alone. Infrastructure errors are tried again, and never scored."""
        return self in (Status.COMPLETED, Status.BUDGET_EXHAUSTED, Status.AGENT_ERROR)


class Spec(BaseModel):
    """An experiment file: every task with every agent, every model and every repeat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    """Names the directory of results."""
    tasks: list[str] = Field(min_length=1)
    agents: list[str] = Field(min_length=1)
    models: list[str] = []
    """`provider:name`. May be empty when no agent uses a model."""
    budget: dict[str, float] = {}
    """Limits of one rollout, by meter. Without a meter here, nothing limits it."""
    notices: list[Annotated[float, Field(ge=0, le=1)]] = []
    """Shares of a limit, from 0 to 1, at which agents that listen are told."""
    repeats: PositiveInt = 1
    seed: int = 0
    """Repeat r uses seed + r for the task's instance, the policy and the sampling."""
    sandbox: SandboxKind = "auto"
    hardware: str = "H100"
    """Profile that PTE is computed for."""


class Rollout(BaseModel):
    """One row of the plan. Plain data, so that it can be hashed, pickled and sent to a worker."""

    model_config = ConfigDict(frozen=True)

    task: str
    task_version: str
    agent: str
    model: str | None
    budget: Mapping[str, float]
    notices: Sequence[float] = ()
    seed: int
    repeat: int
    sandbox: SandboxKind
    hardware: str

    @property
    def id(self) -> str:
        """Hash of all that decides what happens. The sandbox kind is recorded but does not make another rollout."""
        body = json.dumps(self.model_dump(mode="json", exclude={"sandbox"}), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:16]


class Outcome(BaseModel):
    """How one attempt ended: a summary of its events, so that a scoreboard need not read them."""

    rollout: Rollout
    attempt: int
    status: Status
    valid: bool | None = None
    score: float | None = None
    passed: bool | None = None
    normalised: float | None = None
    direction: str = "higher"
    unit: str = ""
    spent: dict[str, float] = {}
    """By the agent, by meter, in the meter's own unit. A meter that could not be measured is absent."""
    judge: dict[str, float] = {}
    """By the judge, from an account of its own."""
    error: str | None = None
    isolation: str | None = None

    @property
    def id(self) -> str:
        return self.rollout.id


def outcome_fields(verdict: Any) -> dict[str, Any]:
    """What an outcome keeps of a `Verdict`."""
    return {name: getattr(verdict, name) for name in ("valid", "score", "passed", "normalised")}
