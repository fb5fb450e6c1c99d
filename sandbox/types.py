"""The words of the sandbox room: what runs untrusted commands. Knows no task, tool or agent.

Sizes are bytes, times are seconds, paths are relative to the sandbox's workspace.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

TREE_BYTES = 256 << 20
"""The largest workspace that is snapshot or restored."""
TREE_ENTRIES = 20_000


class Isolation(StrEnum):
    """How far commands were confined, as reached, not as asked for."""

    CONTAINER = "container"
    """Hardened Docker container: own namespaces, cgroup limits, seccomp, no network."""
    CONFINED = "confined"
    """Without an engine, by the kernel: no write outside the workspace, no network, filtered system calls."""
    WEAK = "weak"
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
    inodes: int = 65_536
    """Files and folders of the workspace."""
    output_bytes: int = 1 << 20
    """Kept per stream and command; the rest is drained, counted and dropped."""
    flood_bytes: int = 256 << 20
    """A command that writes more than this over both streams is killed."""
    wall_s: float = 60.0
    """Deadline of one command, unless the call names a shorter one."""


@dataclass(frozen=True)
class Recipe:
    """An image that is built when this machine lacks it. Its tag is a hash of its content."""

    apt: tuple[str, ...] = ()
    """Debian packages beside a minimal system with Python 3."""
    pip: tuple[str, ...] = ()
    """Requirements, as pip takes them."""
    dockerfile: str = ""
    """Instead of packages: the text of a Dockerfile, built without a context."""


@dataclass(frozen=True)
class SandboxSpec:
    """What kind of sandbox a task wants. Hashable: sandboxes of equal specs are interchangeable while fresh."""

    image: str | Recipe | None = None
    """A name, or how to build it; None for the default image. Sandboxes without an engine ignore it."""
    limits: Limits = field(default_factory=Limits)
    egress: tuple[str, ...] = ()
    """`host:port` pairs that may be reached, through a proxy that records each connection. None by default."""


PLAIN = SandboxSpec()
"""The default image under default limits, without a network."""


@dataclass(frozen=True)
class Completed:
    """One finished command."""

    exit_code: int | None
    """None when we killed the command; `killed` says why."""
    stdout: bytes
    stderr: bytes
    wall_s: float
    dropped_bytes: int = 0
    """Output beyond `Limits.output_bytes`, over both streams."""
    cpu_s: float = 0.0
    """User and system time of the command and the descendants it waited for."""
    killed: Literal["deadline", "flood"] | None = None
    out_of_memory: bool = False
    """The kernel killed a process of the command because the sandbox was out of memory."""


@dataclass(frozen=True)
class Connection:
    """One attempt of a command to reach the outside through the sandbox's proxy."""

    host: str
    port: int
    allowed: bool
    failure: str = ""
    """Why it was refused, or how it broke; empty when it ended well."""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class FileStat:
    """One entry of a workspace, links not followed."""

    kind: Literal["file", "folder", "link", "other"]
    size_bytes: int
    mode: int
    """Permission bits."""
    changed_ns: int
    """The kernel's time of the last change of content or attributes; a command cannot set it."""


Manifest = Mapping[str, FileStat]
"""Every entry of a workspace by path. Two of them, taken before and after, tell what changed in between."""


@dataclass(frozen=True)
class Snapshot:
    """A workspace's files at one moment, running processes not included."""

    tar: bytes

    @property
    def id(self) -> str:
        """SHA-256 of the archive."""
        return hashlib.sha256(self.tar).hexdigest()


class Sandbox(Protocol):
    """A workspace and the right to run commands in it. Made by a `SandboxMaker`, destroyed on leaving its context."""

    @property
    def isolation(self) -> Isolation: ...
    @property
    def record(self) -> Mapping[str, Any]:
        """What was reached, for the trajectory; JSON-able: isolation, limits, network, user, and of containers the
        image's digest, the engine, its runtime, the channel and what is missing, if anything.
        """
        ...

    @property
    def connections(self) -> Sequence[Connection]:
        """Attempts to reach the outside that have ended so far, in that order."""
        ...

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = ".",
        wall_s: float | None = None,
    ) -> Completed:
        """Runs `argv` in folder `cwd` of the workspace with a scrubbed environment plus `env`. Commands run one after
        the other. When the command ends or its deadline (`wall_s`, or `Limits.wall_s` if that is shorter) passes,
        everything it started is killed. A failing command is a result, not an error.

        Raises `PathRefused` for a `cwd` that leaves the workspace, `SandboxLost` when the sandbox itself is gone.
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

    async def manifest(self) -> Manifest:
        """Every entry of the workspace."""
        ...

    async def snapshot(self) -> Snapshot:
        """Files, folders and links that stay inside; anything else is left out. Raises `PathRefused` over
        `TREE_BYTES` or `TREE_ENTRIES`.
        """
        ...

    async def restore(self, snapshot: Snapshot) -> None:
        """Puts a snapshot's files into the workspace, over what is there. Raises `PathRefused` when an entry of the
        archive is not a file, a folder or a link that stays inside, and then changes nothing; and when a limit on the
        workspace is met on the way, after which what had room stays.
        """
        ...


class SandboxMaker(Protocol):
    """Opens clean sandboxes; one is destroyed with everything in it when its context ends, never reused."""

    def __call__(
        self, spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None
    ) -> AbstractAsyncContextManager[Sandbox]:
        """`start` is what its workspace holds at first: a fork of the sandbox the snapshot was taken from."""
        ...


@dataclass(frozen=True)
class Finding:
    """One line of `outlay doctor`."""

    what: str
    ok: bool
    detail: str
    mend: str = ""
    """The command or sentence that mends a lack; empty when `ok`."""
