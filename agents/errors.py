"""What can go wrong between an agent, its model and its budget."""

from collections.abc import Sequence

from outlay.sandbox.errors import OutlayError


class BudgetExceeded(OutlayError):
    """A reservation that did not fit. Nothing was changed. Amounts are in the meter's own unit."""

    def __init__(self, account: str, meter: str, *, limit: float, spent: float, held: float, asked: float) -> None:
        super().__init__(account, meter, limit, spent, held, asked)
        self.account, self.meter = account, meter
        self.limit, self.spent, self.held, self.asked = limit, spent, held, asked

    def __reduce__(self) -> tuple[object, ...]:
        return _budget_exceeded, (self.account, self.meter, self.limit, self.spent, self.held, self.asked)

    def __str__(self) -> str:
        left = self.limit - self.spent - self.held
        return f"{self.meter}: {self.asked:g} asked, {left:g} of {self.limit:g} left in {self.account}"


def _budget_exceeded(account: str, meter: str, limit: float, spent: float, held: float, asked: float) -> BudgetExceeded:
    return BudgetExceeded(account, meter, limit=limit, spent=spent, held=held, asked=asked)


class BadAmount(OutlayError):
    """An amount that is no whole number of smallest units from 0 up."""

    def __init__(self, meter: str, amount: object) -> None:
        super().__init__(meter, amount)
        self.meter, self.amount = meter, amount

    def __str__(self) -> str:
        return f"{self.meter}: {self.amount!r} is no amount; expected a whole number of its smallest unit, 0 or more"


class HoldClosed(OutlayError):
    """A reservation that was settled or released already: nothing is booked twice."""

    def __init__(self, account: str) -> None:
        super().__init__(account)
        self.account = account

    def __str__(self) -> str:
        return f"a hold of {self.account} was settled twice"


class LimitTooLow(OutlayError):
    """A limit below what is spent and held already. Amounts are in smallest units."""

    def __init__(self, account: str, meter: str, limit: int, spent: int, held: int) -> None:
        super().__init__(account, meter, limit, spent, held)
        self.account, self.meter, self.limit, self.spent, self.held = account, meter, limit, spent, held

    def __str__(self) -> str:
        return f"{self.meter}: {self.account} has spent {self.spent} and holds {self.held}, over the limit {self.limit}"


class LeaseLost(OutlayError):
    """An allowance that has expired or was closed: nothing may be spent of it any more."""

    def __init__(self, owner: str, fence: int) -> None:
        super().__init__(owner, fence)
        self.owner, self.fence = owner, fence

    def __str__(self) -> str:
        return f"lease {self.fence} of {self.owner} is over"


class ModelError(OutlayError):
    """A provider failed or refused. `billed` says whether it may have charged for the call."""

    def __init__(self, model: str, reason: str, billed: bool = True) -> None:
        super().__init__(model, reason, billed)
        self.model, self.reason, self.billed = model, reason, billed

    def __str__(self) -> str:
        return f"{self.model}: {self.reason}"


class MissingKey(OutlayError):
    """A provider needs a secret that the environment lacks."""

    def __init__(self, model: str, variable: str) -> None:
        super().__init__(model, variable)
        self.model, self.variable = model, variable

    def __str__(self) -> str:
        return f"{self.model} needs {self.variable}, which is not set. Mend: export {self.variable}=..."


class MissingPart(OutlayError):
    """A package or program that this machine lacks."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what, mend)
        self.what, self.mend = what, mend

    def __str__(self) -> str:
        return f"{self.what} is missing. Mend: {self.mend}"


class BadCostTable(OutlayError):
    """A file of prices or profiles that does not hold what it should."""

    def __init__(self, path: str, complaints: Sequence[str]) -> None:
        super().__init__(path, complaints)
        self.path, self.complaints = path, complaints

    def __str__(self) -> str:
        return "\n".join(f"{self.path}: {complaint}" for complaint in self.complaints)


class BadCachePolicy(OutlayError):
    """A cache policy that is none."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"cache {self.text!r}: expected evict, ttl:SECONDS (for instance ttl:300), perfect or reported"


class CannotFit(OutlayError):
    """Measurements that do not determine what is to be fitted."""

    def __init__(self, model: str, needs: str) -> None:
        super().__init__(model, needs)
        self.model, self.needs = model, needs

    def __str__(self) -> str:
        return f"{self.model} cannot be fitted; measure {self.needs}"
