"""Budgets. An account never promises more than it and all its ancestors have left.

At every instant `spent + held <= limit` in every account for every meter with a limit, unless a provider broke its own
contract: an actual above its worst case is booked in full, because money spent is never hidden. Amounts are integers
in the smallest unit of their meter (`meters.scale`), so that sums are exact.
"""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from threading import RLock

from outlay.agents.errors import BadAmount, BudgetExceeded, HoldClosed, LimitTooLow
from outlay.agents.meters import known, scale


class _Cell:
    """One meter of one account."""

    __slots__ = ("held", "limit", "spent")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        """`inf` when nothing limits it here."""
        self.spent = self.held = 0


class Account:
    """One node of a tree: experiment > rollout > agent > branch. What a child holds and spends, its parents do too.

    A child with limits of its own has a part of its parent's budget, one without shares all of it; neither reserves
    anything by being opened. One lock guards a tree, so threads and tasks may use any of its accounts at once.

    `meters` are those of the tree beside the common ones: the units of its tools. Raises `UnknownName` and `BadAmount`
    for limits that are no budget.
    """

    def __init__(
        self,
        name: str,
        limits: Mapping[str, int] | None = None,
        parent: "Account | None" = None,
        *,
        meters: Collection[str] = (),
    ) -> None:
        self.name, self.parent = name, parent
        self._own_meters: Collection[str] = parent._own_meters if parent else meters
        self._lock: RLock = parent._lock if parent else RLock()
        self._cells: dict[str, _Cell] = {}
        self._lines: dict[str, Sequence[_Cell]] = {}
        self.limit(limits or {})

    def open(self, name: str, limits: Mapping[str, int] | None = None) -> "Account":
        """A child."""
        return Account(f"{self.name}/{name}", limits, parent=self)

    @property
    def limits(self) -> dict[str, int]:
        """This account's own, by meter."""
        with self._lock:
            return {meter: int(cell.limit) for meter, cell in self._cells.items() if cell.limit != inf}

    @property
    def spent(self) -> dict[str, int]:
        """By meter, children's included; what is zero is left out."""
        with self._lock:
            return {meter: cell.spent for meter, cell in self._cells.items() if cell.spent}

    @property
    def held(self) -> dict[str, int]:
        """By meter, children's included; what is zero is left out."""
        with self._lock:
            return {meter: cell.held for meter, cell in self._cells.items() if cell.held}

    def left_units(self, meter: str) -> int | None:
        """What can still be reserved, in smallest units; None when nothing limits the meter."""
        with self._lock:
            left = min(cell.limit - cell.spent - cell.held for cell in self._line(meter))
        return None if left == inf else int(left)

    def left(self, meter: str) -> float:
        """The same in the meter's own unit; `inf` when nothing limits it."""
        units = self.left_units(meter)
        return inf if units is None else units / scale(meter)

    def reserve(self, worst: Mapping[str, int]) -> "Hold":
        """Sets `worst` aside in this account and all its ancestors. Raises and changes nothing: `BudgetExceeded`,
        `BadAmount`, `UnknownName`.
        """
        parts = self._parts(worst)
        with self._lock:
            for amount, line in parts:
                for cell in line:
                    if cell.spent + cell.held + amount > cell.limit:
                        raise self._refusal(worst)
            return self._hold(worst, parts)

    def resume(self, worst: Mapping[str, int]) -> "Hold":
        """What was reserved in an earlier life: held whatever the limits say, since it may have been spent. Raises
        `BadAmount`, `UnknownName`.
        """
        parts = self._parts(worst)
        with self._lock:
            return self._hold(worst, parts)

    def _hold(self, worst: Mapping[str, int], parts: "_Parts") -> "Hold":
        for amount, line in parts:
            for cell in line:
                cell.held += amount
        return Hold(self, dict(worst), parts)

    def charge(self, actual: Mapping[str, int]) -> None:
        """Books what was spent without a reservation, such as time that went by. Raises `BadAmount`, `UnknownName`."""
        with self._lock:
            for amount, line in self._parts(actual):
                for cell in line:
                    cell.spent += amount

    def limit(self, limits: Mapping[str, int]) -> None:
        """Sets this account's own limits on these meters. Raises and changes nothing: `LimitTooLow` for one that is
        below what is spent and held, `BadAmount`, `UnknownName`.
        """
        with self._lock:
            parts = self._parts(limits)
            for meter, (limit, (own, *_)) in zip(limits, parts, strict=True):
                if limit < own.spent + own.held:
                    raise LimitTooLow(self.name, meter, limit, own.spent, own.held)
            for limit, (own, *_) in parts:
                own.limit = limit

    def _parts(self, amounts: Mapping[str, int]) -> "_Parts":
        """Each amount, in order, with the cells that it counts in."""
        lines, parts = self._lines, []
        for meter, amount in amounts.items():
            if type(amount) is not int or amount < 0:
                raise BadAmount(meter, amount)
            parts.append((amount, lines[meter] if meter in lines else self._line(meter)))
        return parts

    def _line(self, meter: str) -> Sequence[_Cell]:
        """The meter's cells from here to the root. Raises `UnknownName`."""
        line = self._lines.get(meter)
        if line is None:
            with self._lock:
                own = self._cells.setdefault(known(meter, self._own_meters), _Cell(inf))
                line = self._lines[meter] = (own, *(self.parent._line(meter) if self.parent else ()))
        return line

    def _refusal(self, worst: Mapping[str, int]) -> BudgetExceeded:
        """In the name of the nearest account that has too little."""
        account: Account | None = self
        while account:
            for meter, asked in worst.items():
                cell, unit = account._line(meter)[0], scale(meter)
                if cell.spent + cell.held + asked > cell.limit:
                    limit, spent, held = cell.limit / unit, cell.spent / unit, cell.held / unit
                    return BudgetExceeded(account.name, meter, limit=limit, spent=spent, held=held, asked=asked / unit)
            account = account.parent
        raise AssertionError(f"{worst} fits")


_Parts = list[tuple[int, Sequence[_Cell]]]


class Hold:
    """A reservation; closed exactly once, by `settle` or `release`."""

    __slots__ = ("_parts", "account", "closed", "worst")

    def __init__(self, account: Account, worst: Mapping[str, int], parts: _Parts) -> None:
        self.account, self.worst, self.closed = account, worst, False
        self._parts = parts

    def settle(self, actual: Mapping[str, int]) -> None:
        """Gives the hold back and books `actual`. Raises and changes nothing: `HoldClosed`, `BadAmount`,
        `UnknownName`.
        """
        paid = self.account._parts(actual)
        with self.account._lock:
            if self.closed:
                raise HoldClosed(self.account.name)
            self.closed = True
            for amount, line in self._parts:
                for cell in line:
                    cell.held -= amount
            for amount, line in paid:
                for cell in line:
                    cell.spent += amount

    def release(self) -> None:
        """Nothing was spent. Raises `HoldClosed`."""
        self.settle({})
