"""What a verifier is handed: the split, hidden randomness, and clean sandboxes."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random

from outlay.sandbox.types import Limits, Sandbox, SandboxMaker
from outlay.tasks.types import Split


@dataclass(frozen=True)
class CleanBench:
    """Opens sandboxes of one kind under the task's limits."""

    split: Split
    rng: Random
    maker: SandboxMaker
    limits: Limits

    def fresh(self) -> AbstractAsyncContextManager[Sandbox]:
        """A pristine sandbox: the only place where a candidate's code may run."""
        return self.maker(self.limits)
