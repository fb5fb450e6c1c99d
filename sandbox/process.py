"""The process sandbox: a workspace folder, rlimits, a process group of its own, a scrubbed environment.

It limits accidents. It does not stop an attacker: commands run as this user, see the file system and the network, and
outlive their deadline if they start a session of their own.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlay.sandbox.capture import CHUNK, capture
from outlay.sandbox.errors import PathRefused, SandboxLost
from outlay.sandbox.guest import files, tree
from outlay.sandbox.guest.tar import check
from outlay.sandbox.guest_sandbox import FILE_BYTES, TREE_CAPS, manifest_of
from outlay.sandbox.types import PLAIN, Completed, Isolation, Limits, Manifest, SandboxSpec, Snapshot

DRAIN_S = 1.0
"""How long the pipes of a killed group may take to close."""


@dataclass(frozen=True)
class ProcessSandbox:
    """One workspace on this machine."""

    workspace: Path
    limits: Limits
    isolation: Isolation = Isolation.WEAK

    @property
    def temporary(self) -> Path:
        """Beside the workspace, so that nobody's scratch files are listed; made by the first command."""
        return self.workspace.with_name(f"{self.workspace.name}.tmp")

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = ".",  # noqa: ARG002
        wall_s: float | None = None,
    ) -> Completed:
        deadline = self.limits.wall_s if wall_s is None else min(self.limits.wall_s, wall_s)
        began = time.monotonic()
        if not self.workspace.is_dir():
            raise SandboxLost(f"the workspace {self.workspace} is gone")
        self.temporary.mkdir(exist_ok=True)
        try:
            child = await _started_whole(argv, self.workspace, {**self._environment(), **(env or {})}, self.limits)
        except (OSError, ValueError) as error:  # no such program, or arguments that no program can take
            reason = error.strerror if isinstance(error, OSError) else error
            return Completed(127, b"", f"{argv[0]}: {reason}\n".encode(errors="replace"), time.monotonic() - began)
        streams = asyncio.create_task(capture(child.process, stdin, self.limits.output_bytes))
        code: int | None = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline):
                    await child.exited.wait()
                code = child.process.returncode
        finally:
            _kill_group(child.process.pid)
            await asyncio.wait([streams], timeout=DRAIN_S)
            child.transport.close()  # ends the streams where something that left the group still holds them
            await asyncio.wait([streams], timeout=DRAIN_S)
        stdout, stderr, dropped = await streams
        exit_code = 128 - code if code is not None and code < 0 else code  # as a shell counts death by a signal
        return Completed(exit_code, stdout, stderr, time.monotonic() - began, dropped)

    def _environment(self) -> dict[str, str]:
        """No secret of ours, and no virtual environment: `python3` is the base interpreter, which lacks outlay."""
        python = Path(sys.base_prefix) / "bin"
        return {
            "PATH": f"{python}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.workspace),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    async def read(self, path: str) -> bytes:
        with self._folder() as root:
            return b"".join(files.read_file(root, path, FILE_BYTES))

    async def write(self, path: str, data: bytes) -> None:
        with self._folder() as root:
            files.write_file(root, path, [data])

    @property
    def record(self) -> Mapping[str, Any]:
        return {"isolation": str(self.isolation)}

    async def manifest(self) -> Manifest:
        with self._folder() as root:
            return manifest_of(b"".join(files.manifest(root)))

    async def snapshot(self) -> Snapshot:
        with self._folder() as root:
            return Snapshot(b"".join(tree.pack(root, TREE_CAPS)))

    async def restore(self, snapshot: Snapshot) -> None:
        with self._folder() as root:
            check(snapshot.tar, TREE_CAPS)
            tree.unpack(root, [snapshot.tar], TREE_CAPS)

    async def list(self) -> Sequence[str]:
        return sorted(path for path, entry in (await self.manifest()).items() if entry.kind == "file")

    @contextmanager
    def _folder(self) -> Iterator[int]:
        root = os.open(self.workspace, files.FOLDER_FLAGS)
        try:
            yield root
        except files.Refused as error:
            raise PathRefused(error.path, error.reason) from error
        finally:
            os.close(root)


@asynccontextmanager
async def process_sandbox(spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[ProcessSandbox]:
    """Opens a workspace; removes it, whatever happened. A process killed with -9 leaves it under the temp folder."""
    sandbox = ProcessSandbox(Path(tempfile.mkdtemp(prefix="outlay-")), spec.limits)
    try:
        if start is not None:
            await sandbox.restore(start)
        yield sandbox
    finally:
        shutil.rmtree(sandbox.workspace, ignore_errors=True)
        if sandbox.temporary.exists():
            shutil.rmtree(sandbox.temporary, ignore_errors=True)


@dataclass(frozen=True)
class _Child:
    process: asyncio.subprocess.Process
    transport: asyncio.SubprocessTransport
    exited: asyncio.Event
    """Set when the leader ends. `Process.wait` of some Python versions also waits for whoever holds its pipes."""


class _Exit(asyncio.subprocess.SubprocessStreamProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, exited: asyncio.Event) -> None:
        super().__init__(limit=CHUNK, loop=loop)
        self._exited = exited

    def process_exited(self) -> None:
        super().process_exited()
        self._exited.set()


async def _started_whole(argv: Sequence[str], folder: Path, env: Mapping[str, str], limits: Limits) -> _Child:
    """Cancelled half-way, asyncio may wait for ever on a child whose pipes it had not connected: start, then end it."""
    starting = asyncio.ensure_future(_started(argv, folder, env, limits))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError, ValueError):
            child = await starting
            _kill_group(child.process.pid)
            await child.exited.wait()
            child.transport.close()
        raise


async def _started(argv: Sequence[str], folder: Path, env: Mapping[str, str], limits: Limits) -> _Child:
    loop, exited = asyncio.get_running_loop(), asyncio.Event()
    transport, protocol = await loop.subprocess_exec(
        lambda: _Exit(loop, exited),
        *argv,
        cwd=folder,
        env=dict(env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_limiter(limits),
    )
    return _Child(asyncio.subprocess.Process(transport, protocol, loop), transport, exited)


def _limiter(limits: Limits) -> Callable[[], None]:
    """Runs in the child before exec: limits set from outside would come after the command's first instructions.

    RLIMIT_NPROC counts all processes of the user, ours and the desktop's too, and does not bind root: it is not set.
    """
    wanted = (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, limits.disk_bytes),
        (resource.RLIMIT_CORE, 0),
    )
    caps = [(kind, _within(cap, resource.getrlimit(kind)[1])) for kind, cap in wanted]

    def limit() -> None:
        for kind, cap in caps:
            resource.setrlimit(kind, (cap, cap))

    return limit


def _within(cap: int, hard: int) -> int:
    """A limit already on us cannot be raised."""
    return cap if hard == resource.RLIM_INFINITY else min(cap, hard)


def _kill_group(leader: int) -> None:
    """Also after a normal end: what a command left running in its group ends with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
