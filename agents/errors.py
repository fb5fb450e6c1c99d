"""What can go wrong between an agent, its model and its budget."""

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
