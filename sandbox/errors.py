"""What can go wrong in Outlay. This is the leftmost room, so the root of every room's errors lives here.

OutlayError
├── SandboxError
│   ├── SandboxUnavailable   this machine lacks what the sandbox needs
│   ├── SandboxLost          the sandbox died or was removed under us
│   ├── ImageUnavailable     an image is not here and could not be made or fetched
│   └── PathRefused          a path left the workspace, or is not a regular file
├── UnknownName          a task, tool, agent, model or meter that is not there
└── (each room adds its own beside its words)
"""

from collections.abc import Iterable
from difflib import get_close_matches


class OutlayError(Exception):
    """Root of all errors raised on purpose. The message says what was wrong, where, and the mend."""


class SandboxError(OutlayError):
    """The sandbox, not the command in it, failed."""


class SandboxUnavailable(SandboxError):
    """This machine lacks what the sandbox needs."""

    def __init__(self, kind: str, reason: str, mend: str) -> None:
        super().__init__(kind, reason, mend)
        self.kind, self.reason, self.mend = kind, reason, mend

    def __str__(self) -> str:
        return f"sandbox {self.kind!r} is not available: {self.reason}. {self.mend}"


class SandboxLost(SandboxError):
    """The sandbox died or was removed under us; its workspace is gone."""


class ImageUnavailable(SandboxError):
    """An image that is not here and could not be built or pulled."""

    def __init__(self, image: str, reason: str, mend: str) -> None:
        super().__init__(image, reason, mend)
        self.image, self.reason, self.mend = image, reason, mend

    def __str__(self) -> str:
        return f"image {self.image!r} is not available: {self.reason.rstrip('.')}. {self.mend}"


class PathRefused(SandboxError):
    """A path that leaves the workspace, or names something that is not a regular file."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path!r} is refused: {self.reason}"


class UnknownName(OutlayError):
    """A name that nothing answers to. The message suggests near matches, or lists what is known."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        near = get_close_matches(self.name, self.known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(self.known)}"
        return f"unknown {self.kind} {self.name!r}; {hint}"
