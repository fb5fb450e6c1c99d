"""What can go wrong in the tasks room.

OutlayError
└── VerifierError    the judge, not the submission, failed
"""

from outlay.sandbox.errors import OutlayError


class VerifierError(OutlayError):
    """A verifier that crashed, hung, died or returned something malformed. It says nothing about the submission."""

    def __init__(self, task: str, reason: str) -> None:
        super().__init__(task, reason)
        self.task, self.reason = task, reason

    def __str__(self) -> str:
        return f"the verifier of {self.task!r} failed: {self.reason}"
