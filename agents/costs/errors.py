"""What can go wrong with a cost model."""

from outlay.sandbox.errors import OutlayError


class CannotFit(OutlayError):
    """Measurements that do not determine what is to be fitted."""

    def __init__(self, model: str, needs: str) -> None:
        super().__init__(model, needs)
        self.model, self.needs = model, needs

    def __str__(self) -> str:
        return f"{self.model} cannot be fitted; measure {self.needs}"
