"""The words of the sandbox room: what runs untrusted commands. Knows no task, tool or agent.

Sizes are bytes, times are seconds, paths are relative to the sandbox's workspace.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Isolation(StrEnum):
    """How far commands were confined, as reached, not as asked for."""

    CONTAINER = "container"
    """Hardened Docker container: own namespaces, cgroup limits, seccomp, no network."""
    PROCESS = "process"
    """A process group with rlimits and a scrubbed environment: limits accidents, does not stop an attacker."""


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use."""

    memory_bytes: int = 2 << 30
    cpus: float = 1.0
    pids: int = 256
    files: int = 1024
    """Open file descriptors per process."""
    disk_bytes: int = 1 << 30
    output_bytes: int = 1 << 20
    """Kept per stream and command; the rest is drained, counted and dropped."""
    wall_s: float = 60.0
    """Deadline of one command, unless the call names a shorter one."""


@dataclass(frozen=True)
class Completed:
    """One finished command."""

    exit_code: int | None
    """None when the command was killed by its deadline."""
    stdout: bytes
    stderr: bytes
    wall_s: float
    dropped_bytes: int = 0
    """Output beyond `Limits.output_bytes`, over both streams."""


class Sandbox(Protocol):
    """A workspace and the right to run commands in it. Made by a `SandboxMaker`, destroyed on leaving its context."""

    @property
    def isolation(self) -> Isolation: ...

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        wall_s: float | None = None,
    ) -> Completed:
        """Runs `argv` in the workspace with a scrubbed environment plus `env`; kills its whole process group at the
        deadline, `wall_s` or `Limits.wall_s` if that is shorter. A failing command is a result, not an error.

        Raises `SandboxLost` when the sandbox itself is gone.
        """
        ...

    async def read(self, path: str) -> bytes:
        """Raises `PathRefused` if `path` leaves the workspace or is no regular file (links count as none), and
        `FileNotFoundError`.
        """
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Creates parent folders. Raises `PathRefused` if `path` leaves the workspace."""
        ...

    async def list(self) -> Sequence[str]:
        """Regular files of the workspace, sorted."""
        ...


class SandboxMaker(Protocol):
    """Opens clean sandboxes; one is destroyed with everything in it when its context ends, never reused."""

    def __call__(self, limits: Limits) -> AbstractAsyncContextManager[Sandbox]: ...


@dataclass(frozen=True)
class Finding:
    """One line of `outlay doctor`."""

    what: str
    ok: bool
    detail: str
    mend: str = ""
    """The command or sentence that mends a lack; empty when `ok`."""
