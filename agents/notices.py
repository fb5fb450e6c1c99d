"""Budget notices: the shares of a limit at which an agent is told, once each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from outlay.agents.events import Notified
from outlay.agents.ledger import Account
from outlay.agents.meters import scale

NS = 10**9


@dataclass(eq=False)
class Thresholds:
    """Watches every limited meter of an account, and time if that is limited too."""

    account: Account
    shares: Sequence[float] = ()
    """Of a limit, from 0 to 1; as in the experiment's `notices`."""
    wall_s: float | None = None
    """Limit of the agent's time."""
    elapsed_ns: Callable[[], int] = lambda: 0
    _told: dict[str, float] = field(default_factory=dict)
    """Highest share told so far, by meter."""

    def crossed(self) -> list[Notified]:
        """One notice per meter that went over a threshold since the last time; of several the highest counts."""
        if not self.shares:
            return []
        found = [self._crossed(meter, used, limit) for meter, (used, limit) in self._used().items()]
        return [notice for notice in found if notice is not None]

    def _crossed(self, meter: str, used: int, limit: int) -> Notified | None:
        over = [share for share in self.shares if used >= share * limit]
        if not over or max(over) <= self._told.get(meter, -1.0):
            return None
        self._told[meter] = max(over)
        unit = scale(meter)
        left, all_of_it = max(0, limit - used) / unit, limit / unit
        text = f"Budget: {max(over):.0%} of {meter} is used; {left:,.6g} of {all_of_it:,.6g} left."
        return Notified(meter=meter, share=max(over), text=text)

    def _used(self) -> Mapping[str, tuple[int, int]]:
        """Spent and limit in smallest units, by limited meter."""
        spent, limits = self.account.spent, self.account.limits
        used = {meter: (spent.get(meter, 0), limit) for meter, limit in limits.items()}
        if self.wall_s is not None:
            used["wall_s"] = (self.elapsed_ns(), round(self.wall_s * NS))
        return used
