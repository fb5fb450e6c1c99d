"""What a verifier is handed: the split, hidden randomness, and clean sandboxes."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random

from outlay.sandbox.types import Sandbox, SandboxMaker, SandboxSpec
from outlay.tasks.types import Split


@dataclass(frozen=True)
class CleanBench:
    """Opens sandboxes of one kind, as the task wants them."""

    split: Split
    rng: Random
    maker: SandboxMaker
    spec: SandboxSpec

    def fresh(self) -> AbstractAsyncContextManager[Sandbox]:
        """A pristine sandbox: the only place where a candidate's code may run."""
        return self.maker(self.spec)
