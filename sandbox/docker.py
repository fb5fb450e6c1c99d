"""The Docker sandbox: one hardened container per checkout, whose main process is our guest program.

The guest reads an attached stdin. When this process dies, however it dies, that stream closes, the guest ends and the
engine removes the container.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, TypeVar

from outlay.sandbox import engine
from outlay.sandbox.channel import Channel, EngineStreams
from outlay.sandbox.egress import ENVIRONMENT as PROXY_ENVIRONMENT
from outlay.sandbox.egress import PORT, Egress
from outlay.sandbox.errors import SandboxLost, SandboxUnavailable
from outlay.sandbox.flags import WORKSPACE
from outlay.sandbox.guest_sandbox import GuestSandbox
from outlay.sandbox.recipes import reference_of
from outlay.sandbox.shipment import command, shipment
from outlay.sandbox.types import PLAIN, Isolation, SandboxSpec, Snapshot
from outlay.sandbox.whole import whole

T = TypeVar("T")
FIRST_UID, UIDS = 100_000, (1 << 30) - 100_000
"""Users of commands: none of them has a name or owns a file anywhere."""
BOOT_S = 30.0
"""How long a guest may take from the container's start to its first answer."""
NO_PYTHON = ("python3 failed: No such file", "executable file not found")
"""How init programs and runtimes say that an image lacks what it was to start."""


@dataclass(frozen=True)
class Opened:
    """A sandbox and what must be removed with it."""

    sandbox: GuestSandbox
    container: Any
    egress: Egress | None

    async def close(self) -> None:
        """Removes the container. Cancelled, it does so nevertheless."""
        await whole(self._close())

    async def _close(self) -> None:
        if self.egress is not None:
            await self.egress.close()
        await self.sandbox.channel.close()
        await in_thread(removers(), lambda: engine.removed(self.container))


@asynccontextmanager
async def docker_sandbox(spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[GuestSandbox]:
    """Starts a container, removes it, whatever happened. Raises `SandboxUnavailable`, `SandboxLost`."""
    opened = await open_container(spec)
    try:
        if start is not None:
            await opened.sandbox.restore(start)
        yield opened.sandbox
    finally:
        await opened.close()


async def open_container(spec: SandboxSpec) -> Opened:
    """A fresh sandbox, to be closed by the caller. Cancelled, it leaves nothing.

    Raises `SandboxUnavailable` when the image cannot run a guest, `SandboxLost` when the engine fails.
    """
    opening = asyncio.ensure_future(_open(spec))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await whole(_close_when_open(opening))
        raise


async def _close_when_open(opening: asyncio.Future[Opened]) -> None:
    await asyncio.wait([opening])
    if opening.exception() is None:
        await opening.result().close()


async def _open(spec: SandboxSpec) -> Opened:
    uid = FIRST_UID + secrets.randbelow(UIDS)
    container, stream = await in_thread(creators(), lambda: engine.started(spec, uid, command()))
    try:
        config = {"uid": uid, "workspace": WORKSPACE, "egress_port": PORT if spec.egress else None}
        _, channel = await asyncio.get_running_loop().create_connection(lambda: Channel(EngineStreams()), sock=stream)
        try:
            facts = await channel.open(shipment("container", config), within_s=BOOT_S)
        except SandboxLost as error:
            await channel.close()
            raise _start_error(error, spec) from error
    except BaseException:
        await in_thread(removers(), lambda: engine.removed(container))
        raise
    record = _record(spec, uid, container, str(facts.get("python")))
    sandbox = GuestSandbox(channel, spec.limits, Isolation.CONTAINER, record)
    if not spec.egress:
        return Opened(sandbox, container, None)
    egress = Egress(channel, frozenset(spec.egress))
    channel.streams = egress.take
    environment = {**sandbox.environment, **PROXY_ENVIRONMENT}
    return Opened(replace(sandbox, environment=environment, connections=egress.connections), container, egress)


def _start_error(error: SandboxLost, spec: SandboxSpec) -> Exception:
    if any(sign in str(error) for sign in NO_PYTHON):
        image = reference_of(spec.image)
        return SandboxUnavailable("docker", f"image {image} has no python3", "Mend: add Python 3.9 or newer to it")
    return error


def _record(spec: SandboxSpec, uid: int, container: Any, python: str) -> dict[str, Any]:
    return {
        "isolation": str(Isolation.CONTAINER),
        "container": container.id,
        "image": reference_of(spec.image),
        "image_id": container.attrs["Image"],
        "runtime": container.attrs["HostConfig"]["Runtime"],
        "network": container.attrs["HostConfig"]["NetworkMode"],
        "egress": sorted(spec.egress),
        "user": uid,
        "limits": asdict(spec.limits),
        "channel": "guest",
        "python": python[:32],
    }


@cache
def creators() -> ThreadPoolExecutor:
    """Starting does not get faster beyond this many at a time, only each start slower."""
    return ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="outlay-start")


@cache
def removers() -> ThreadPoolExecutor:
    """Their own, so that no removal waits behind a start."""
    return ThreadPoolExecutor(4 * (os.cpu_count() or 1), thread_name_prefix="outlay-remove")


async def in_thread(threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, call)
