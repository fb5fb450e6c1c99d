"""Budgets. An account never promises more than it and all its ancestors have left.

At every instant `spent + held <= limit` for every meter with a limit, unless a provider broke its own contract: an
actual above its worst case is booked in full, because money spent is never hidden. Amounts are integers in the
smallest unit of their meter (`meters.SCALE`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from outlay.agents.errors import BudgetExceeded
from outlay.agents.meters import SCALE


@dataclass(eq=False)
class Account:
    """One node of the tree experiment > rollout > agent > branch. Not thread-safe: one event loop owns a tree."""

    name: str
    limits: Mapping[str, int] = field(default_factory=dict)
    parent: "Account | None" = None
    spent: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def open(self, name: str, limits: Mapping[str, int]) -> "Account":
        """A child; what it holds and spends is held and spent here too."""
        return Account(f"{self.name}/{name}", limits, parent=self)

    def left_units(self, meter: str) -> int | None:
        """What can still be reserved, in smallest units; None when nothing limits the meter."""
        lefts = [a.limits[meter] - a.spent[meter] - a.held[meter] for a in self._lineage() if meter in a.limits]
        return min(lefts, default=None)

    def left(self, meter: str) -> float:
        """The same in the meter's own unit; `inf` when nothing limits it."""
        units = self.left_units(meter)
        return float("inf") if units is None else units / SCALE[meter]

    def reserve(self, worst: Mapping[str, int]) -> "Hold":
        """Sets `worst` aside in this account and all its ancestors. Raises `BudgetExceeded` and changes nothing."""
        for account in self._lineage():
            for meter, asked in worst.items():
                account._check(meter, asked)
        for account in self._lineage():
            account.held.update(worst)
        return Hold(self, dict(worst))

    def _check(self, meter: str, asked: int) -> None:
        limit = self.limits.get(meter)
        if limit is None or self.spent[meter] + self.held[meter] + asked <= limit:
            return
        scale = SCALE[meter]
        raise BudgetExceeded(
            self.name,
            meter,
            limit=limit / scale,
            spent=self.spent[meter] / scale,
            held=self.held[meter] / scale,
            asked=asked / scale,
        )

    def _lineage(self) -> Iterator["Account"]:
        account: Account | None = self
        while account:
            yield account
            account = account.parent


@dataclass(eq=False)
class Hold:
    """A reservation; closed exactly once, by `settle` or `release`."""

    account: Account
    worst: Mapping[str, int]
    closed: bool = False

    def settle(self, actual: Mapping[str, int]) -> None:
        """Gives the hold back and books `actual`. Raises `RuntimeError` when already closed."""
        if self.closed:
            raise RuntimeError(f"a hold of {self.account.name} is settled twice")
        self.closed = True
        for account in self.account._lineage():
            account.held.subtract(self.worst)
            account.spent.update(actual)

    def release(self) -> None:
        """Nothing was spent."""
        self.settle({})
