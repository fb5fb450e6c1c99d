"""The words of the tasks room: what is asked and how it is judged. Knows no agent, model or ledger."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Protocol

from outlay.sandbox.types import Sandbox, SandboxSpec


class Direction(StrEnum):
    """Which scores are better."""

    HIGHER = "higher"
    LOWER = "lower"


class Split(StrEnum):
    """What a verification is for. A verifier keeps the two apart, so that feedback cannot be overfitted."""

    SEARCH = "search"
    """Feedback during a rollout (`evaluate`): public seeds and cases."""
    FINAL = "final"
    """The score of record: hidden seeds and cases."""


@dataclass(frozen=True)
class Submission:
    """The declared artifacts, read once from the agent's sandbox: what is judged, hashed and kept is these bytes.
    Missing ones are absent.
    """

    files: Mapping[str, bytes]
    """Workspace path to content."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Workspace path to why what lies there was not taken."""

    def lack(self, path: str) -> str:
        """What stands instead of an artifact that is not among the files, in words for the agent."""
        return f"{path} is refused: {self.refused[path]}" if path in self.refused else f"{path} is missing"

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for path, body in sorted(self.files.items()):
            digest.update(f"{len(path.encode())}:{path}{len(body)}:".encode() + body)
        return digest.hexdigest()


@dataclass(frozen=True)
class Verdict:
    """What a verifier found."""

    valid: bool
    """All hard constraints held. An invalid submission has no score."""
    score: float | None = None
    """In the task's own unit."""
    passed: bool | None = None
    """For tasks with a yes or no."""
    normalised: float | None = None
    """0 at the baseline, 1 at the reference, measured by the same verification; not clipped."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    """What the agent may be shown."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What only people may see; JSON-able."""
    seconds: float = 0.0


class Bench(Protocol):
    """The verifier's workplace. Verifiers run in a judge process, never in the candidate's sandbox."""

    @property
    def split(self) -> Split: ...
    @property
    def rng(self) -> Random:
        """Draws hidden cases. Equal for all agents of one repeat, so that their scores are paired."""
        ...

    def fresh(self) -> AbstractAsyncContextManager[Sandbox]:
        """A pristine sandbox: the only place where a candidate's code may run."""
        ...


class Verifier(Protocol):
    """Judges one submission. May take long or crash: it runs in its own process, under a deadline."""

    async def __call__(self, submission: Submission, bench: Bench) -> Verdict: ...


@dataclass(frozen=True)
class Task:
    """One problem, ready to be attempted."""

    id: str
    """`family/name`."""
    version: str
    """Changes whenever scores are not comparable any more."""
    prompt: str
    verifier: Verifier
    artifacts: Sequence[str]
    """Workspace paths that are collected and judged; nothing else counts."""
    baseline: Mapping[str, bytes]
    """Artifacts of normalised score 0; the ones in `files` unless the task starts empty."""
    reference: Mapping[str, bytes]
    """Artifacts of normalised score 1, from the literature or by an expert. Never put into a sandbox of the agent."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The starting workspace."""
    tools: Sequence[str] = ("bash", "python", "edit", "evaluate", "submit")
    """Names the agent is offered. Without `evaluate` the task gives no feedback before the end."""
    direction: Direction = Direction.HIGHER
    unit: str = ""
    """Of the score, for the scoreboard: `x`, `% error`."""
    sandbox: SandboxSpec = field(default_factory=SandboxSpec)
    verify_s: float = 120.0
    """Deadline of one verification."""
    repeatable_within: float = 0.0
    """Largest relative difference of two verifications of the same submission; 0 for deterministic verifiers."""
    summary: str = ""
    """One line for `outlay tasks`."""


TaskFactory = Callable[[int], Task]
"""Makes the task's instance for a seed. Tasks with one instance ignore it."""
