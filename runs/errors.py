"""What can go wrong with an experiment."""

from outlay.sandbox.errors import OutlayError


class SpecError(OutlayError):
    """An experiment that cannot be planned; the message names file, line, field, what was wrong and what is allowed."""


class NotFound(OutlayError):
    """An experiment, rollout or attempt that is not on disk."""
