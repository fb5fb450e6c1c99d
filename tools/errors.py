"""What can go wrong in the tools room.

OutlayError
└── ArgumentsRefused    a model's call that does not fit the tool's arguments
"""

from outlay.sandbox.errors import OutlayError


class ArgumentsRefused(OutlayError):
    """A call that does not fit. The message goes back to the model, so that it can mend the call."""

    def __init__(self, tool: str, reason: str, expected: str) -> None:
        super().__init__(tool, reason, expected)
        self.tool, self.reason, self.expected = tool, reason, expected

    def __str__(self) -> str:
        return f"the call of {self.tool!r} does not fit: {self.reason}\nExpected a JSON object with {self.expected}"
