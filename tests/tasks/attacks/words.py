"""The words of the attack corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import dedent


@dataclass(frozen=True)
class Attack:
    """One way to be accepted without having solved the task, as an agent would leave it in its workspace."""

    id: str
    """V01 and so on; letters mark variants."""
    what: str
    artifact: str
    """The text of `total.py`, the only declared artifact."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Other files of the workspace."""
    before: str = ""
    """Python that the agent ran in its workspace at the end."""
    endless: bool = False
    """It ends by a deadline only."""
    container_only: bool = False
    """It would harm a machine that does not confine it."""

    @property
    def tree(self) -> dict[str, str]:
        return {"total.py": dedent(self.artifact), **{name: dedent(body) for name, body in self.beside.items()}}
