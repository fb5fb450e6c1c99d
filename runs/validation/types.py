"""The words of validation: what is asked of a served model, and what its clock says."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["calibration", "single", "trajectory"]


@dataclass(frozen=True)
class Turn:
    """One request of a conversation: all that came before, and something new."""

    fresh: int
    """Tokens appended to the context, as a tool result would be."""
    output: int
    """Tokens to decode, exactly."""
    pause_s: float = 0.0
    """Waited before it, as for a tool."""
    evicted: bool = False
    """Nothing is taken from the cache."""


@dataclass(frozen=True)
class Conversation:
    """Turns that share a growing context."""

    name: str
    kind: Kind
    """`calibration` is for fitting only, the others for judging only."""
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Step:
    """One request as the server measured it. Tool pauses and the network are in neither time."""

    conversation: str
    turn: int
    context: int
    """Tokens of the whole prompt."""
    cached: int
    """Of those, tokens taken from the cache."""
    output: int
    prefill_s: float
    """Until the first output token is there."""
    decode_s: float
    """For the other output tokens."""

    @property
    def fresh(self) -> int:
        """Tokens that were prefilled."""
        return self.context - self.cached

    @property
    def seconds(self) -> float:
        return self.prefill_s + self.decode_s
