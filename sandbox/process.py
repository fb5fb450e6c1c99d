"""The process sandbox: a workspace folder on this machine, and commands confined as far as its kernel can.

Files are touched from here, with the commands' own rights. The process that runs commands starts with the first of
them: most that a sandbox costs is spent there, and many sandboxes run nothing.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from outlay.sandbox import uids
from outlay.sandbox.cgroup import open_group, writable_tree
from outlay.sandbox.errors import PathRefused, SandboxLost, SandboxUnavailable
from outlay.sandbox.file_rights import as_user
from outlay.sandbox.guest import files, tree
from outlay.sandbox.guest.tar import check
from outlay.sandbox.guest_sandbox import FILE_BYTES, TREE_CAPS, GuestSandbox, files_in, manifest_of
from outlay.sandbox.levels import Reached
from outlay.sandbox.local_guest import LocalGuest, started
from outlay.sandbox.policy import confinement, environment, own_root, unbounded
from outlay.sandbox.removal import remove_tree
from outlay.sandbox.types import (
    PLAIN,
    Completed,
    Connection,
    Isolation,
    Limits,
    Manifest,
    Sandbox,
    SandboxMaker,
    SandboxSpec,
    Snapshot,
)
from outlay.sandbox.whole import whole
from outlay.sandbox.workspaces import made_workspace

T = TypeVar("T")


class ProcessSandbox:
    """One workspace on this machine."""

    connections: Sequence[Connection] = ()
    """There is no way out."""

    def __init__(self, workspace: Path, limits: Limits, reached: Reached, uid: int | None) -> None:
        self.workspace = workspace
        self.isolation = reached.isolation
        self._limits, self._reached, self._uid = limits, reached, uid
        self._starting: asyncio.Task[tuple[LocalGuest, GuestSandbox]] | None = None
        self._closed = False

    @property
    def record(self) -> Mapping[str, Any]:
        groups = writable_tree()
        reached = self._reached
        return {
            "isolation": str(self.isolation),
            "missing": [*reached.missing, *unbounded()],
            "network": "none" if reached.isolation is Isolation.CONFINED else "host",
            "user": os.getuid() if self._uid is None else self._uid,
            "limits": asdict(self._limits),
            "namespaces": list(reached.namespaces),
            "landlock_abi": reached.landlock_abi,
            "seccomp": reached.seccomp,
            "cgroup": None if groups is None else {"version": groups.version, "controllers": list(groups.parents)},
            "channel": "guest",
        }

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = ".",
        wall_s: float | None = None,
    ) -> Completed:
        if self._closed or not self.workspace.is_dir():
            raise SandboxLost(f"the workspace {self.workspace} is gone")
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        _, guest = await asyncio.shield(self._starting)
        return await guest.exec(argv, stdin=stdin, env=env, cwd=cwd, wall_s=wall_s)

    async def read(self, path: str) -> bytes:
        return self._touch(lambda root: b"".join(files.read_file(root, path, FILE_BYTES)))

    async def write(self, path: str, data: bytes) -> None:
        self._touch(lambda root: files.write_file(root, path, [data]))

    async def list(self) -> Sequence[str]:
        return files_in(await self.manifest())

    async def manifest(self) -> Manifest:
        return manifest_of(await asyncio.to_thread(self._touch, lambda root: b"".join(files.manifest(root))))

    async def snapshot(self) -> Snapshot:
        return Snapshot(await asyncio.to_thread(self._touch, lambda root: b"".join(tree.pack(root, TREE_CAPS))))

    async def restore(self, snapshot: Snapshot) -> None:
        def unpack(root: int) -> None:
            check(snapshot.tar, TREE_CAPS)
            tree.unpack(root, [snapshot.tar], TREE_CAPS)

        await asyncio.to_thread(self._touch, unpack)

    def _touch(self, work: Callable[[int], T]) -> T:
        """Does something with the open workspace, as the commands' user. Raises `PathRefused`, `SandboxLost`."""
        with as_user(self._uid):
            try:
                root = os.open(self.workspace, files.FOLDER_FLAGS)
            except OSError as error:
                raise SandboxLost(f"the workspace {self.workspace} is gone ({error.strerror})") from error
            try:
                return work(root)
            except files.Refused as error:
                raise PathRefused(error.path, error.reason) from error
            finally:
                os.close(root)

    async def _start(self) -> tuple[LocalGuest, GuestSandbox]:
        scratch = Path("/tmp") if own_root(self._reached) else self._made_scratch()
        given = environment(self.workspace, scratch, self._reached, self._uid)
        group = open_group(self._limits)
        walls = confinement(self.workspace, scratch, self._limits, self._reached, self._uid, group)
        config = {
            "confinement": walls._asdict(),
            "namespaces": self._reached.namespaces,
            "oom_counter": group.oom_counter() if group else None,
        }
        local = await started("process", config, group)
        return local, GuestSandbox(local.channel, self._limits, self.isolation, self.record, given)

    def _made_scratch(self) -> Path:
        """Beside the workspace, so that nobody's scratch files are listed."""
        scratch = self._scratch_path()
        scratch.mkdir(mode=0o700)
        if self._uid is not None:
            os.chown(scratch, self._uid, self._uid)
        return scratch

    def _scratch_path(self) -> Path:
        return self.workspace.with_name(f"{self.workspace.name}.tmp")

    async def close(self) -> None:
        """Ends all that runs and removes all that is there. Cancelled, it does so nevertheless."""
        self._closed = True
        if self._starting is None:
            remove_tree(self.workspace)
        else:
            await whole(self._end(self._starting))

    async def _end(self, starting: asyncio.Task[tuple[LocalGuest, GuestSandbox]]) -> None:
        with suppress(SandboxLost, OSError):
            local, _ = await starting
            await local.close()
        await asyncio.to_thread(remove_tree, self.workspace)
        await asyncio.to_thread(remove_tree, self._scratch_path())


def process_maker(reached: Reached) -> SandboxMaker:
    """Makes sandboxes as confined as was found to be possible. With `levels.UNCONFINED`, weak ones."""

    @asynccontextmanager
    async def opened(spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[Sandbox]:
        """Removes the workspace, whatever happened. What a process killed with -9 leaves, the next one removes."""
        if spec.egress:
            raise SandboxUnavailable(
                "process", f"it cannot let commands reach {', '.join(spec.egress)}", "Mend: --sandbox docker"
            )
        workspace = made_workspace()
        with uids.owned(workspace, wanted=reached.own_uid) as uid:
            sandbox = ProcessSandbox(workspace, spec.limits, reached, uid)
            try:
                if start is not None:
                    await sandbox.restore(start)
                yield sandbox
            finally:
                await sandbox.close()

    return opened
