"""The Docker sandbox: one hardened container per checkout, whose main process is our guest program, or a shell.

Either reads an attached stdin. When this process dies, however it dies, that stream closes, the main process ends and
the engine removes the container.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from outlay.sandbox import engine
from outlay.sandbox.channel import Channel, EngineStreams
from outlay.sandbox.departure import removed
from outlay.sandbox.egress import ENVIRONMENT as PROXY_ENVIRONMENT
from outlay.sandbox.egress import PORT, Egress
from outlay.sandbox.errors import SandboxLost, SandboxUnavailable
from outlay.sandbox.exec_sandbox import ExecSandbox, tools_of
from outlay.sandbox.flags import GUEST_CAPABILITIES, SHELL_CAPABILITIES, WORKSPACE
from outlay.sandbox.guest_sandbox import GuestSandbox
from outlay.sandbox.main_shell import MainShell
from outlay.sandbox.main_shell import command as shell_command
from outlay.sandbox.recipes import reference_of
from outlay.sandbox.shell_scripts import ESSENTIAL
from outlay.sandbox.shipment import command as guest_command
from outlay.sandbox.shipment import shipment
from outlay.sandbox.threads import creators, in_thread, removers
from outlay.sandbox.types import PLAIN, Isolation, Sandbox, SandboxSpec, Snapshot
from outlay.sandbox.whole import whole

FIRST_UID, UIDS = 100_000, (1 << 30) - 100_000
"""Users of commands: none of them has a name or owns a file anywhere."""
BOOT_S = 30.0
"""How long a main process may take from the container's start to its first answer."""
OLD_PYTHON = ("python3 is older than", "future feature annotations is not defined")
"""How a Python says that it is not enough for a guest."""
Serve = Callable[[SandboxSpec, int, Any, socket.socket], Awaitable["Opened"]]
"""Makes a sandbox of a started container and the stream to its main process."""
_without_python: set[str] = set()
"""Digests of images in which no guest can start, as this process has seen."""


@dataclass(frozen=True)
class Opened:
    """A sandbox and what must be removed with it."""

    sandbox: Sandbox
    container: Any
    ends: tuple[Callable[[], Awaitable[None]], ...]
    """To be called in this order before the container is removed."""

    async def close(self) -> None:
        """Removes the container. Cancelled, it does so nevertheless."""
        await whole(self._close())

    async def _close(self) -> None:
        for end in self.ends:
            await end()
        await in_thread(removers(), lambda: removed(self.container))


@asynccontextmanager
async def docker_sandbox(spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[Sandbox]:
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

    Raises `SandboxUnavailable` when the image can be served in no way, `SandboxLost` when the engine fails.
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
    """With a guest where the image has a Python for it, else through the engine's exec API."""
    if engine.known_digest(spec.image) not in _without_python:
        try:
            return await _open_container(spec, guest_command(), GUEST_CAPABILITIES, _guest)
        except SandboxLost as error:
            if not (_lacks(error, "python3") or any(sign in str(error) for sign in OLD_PYTHON)):
                raise
    image = reference_of(spec.image)
    if spec.egress:
        reason = f"image {image} has no python3 (>= 3.9), and without it a sandbox has no way out"
        raise SandboxUnavailable("docker", reason, "Mend: add Python 3.9 or newer to it, or list no egress")
    try:
        opened = await _open_container(spec, shell_command(), SHELL_CAPABILITIES, _shell)
    except SandboxLost as error:
        if not _lacks(error, "sh"):
            raise
        reason = f"image {image} has neither python3 (>= 3.9) nor sh"
        raise SandboxUnavailable("docker", reason, "Mend: add Python 3.9 or newer to it, or a shell") from error
    _without_python.add(opened.container.attrs["Image"])
    return opened


async def _open_container(spec: SandboxSpec, argv: list[str], capabilities: tuple[str, ...], serve: Serve) -> Opened:
    uid = FIRST_UID + secrets.randbelow(UIDS)
    container, stream = await in_thread(creators(), lambda: engine.started(spec, uid, argv, capabilities))
    try:
        return await serve(spec, uid, container, stream)
    except BaseException:
        await in_thread(removers(), lambda: removed(container))
        raise


async def _guest(spec: SandboxSpec, uid: int, container: Any, stream: socket.socket) -> Opened:
    config = {"uid": uid, "workspace": WORKSPACE, "egress_port": PORT if spec.egress else None}
    _, channel = await asyncio.get_running_loop().create_connection(lambda: Channel(EngineStreams()), sock=stream)
    try:
        facts = await channel.open(shipment("container", config), within_s=BOOT_S)
    except BaseException:
        await channel.close()
        raise
    record = {**_record(spec, uid, container), "channel": "guest", "python": str(facts.get("python"))[:32]}
    sandbox = GuestSandbox(channel, spec.limits, Isolation.CONTAINER, record)
    if not spec.egress:
        return Opened(sandbox, container, (channel.close,))
    egress = Egress(channel, frozenset(spec.egress))
    channel.streams = egress.take
    environment = {**sandbox.environment, **PROXY_ENVIRONMENT}
    sandbox = replace(sandbox, environment=environment, connections=egress.connections)
    return Opened(sandbox, container, (egress.close, channel.close))


async def _shell(spec: SandboxSpec, uid: int, container: Any, stream: socket.socket) -> Opened:
    _, main = await asyncio.get_running_loop().create_connection(MainShell, sock=stream)
    try:
        lacking = await main.open(within_s=BOOT_S)
        if unmet := sorted(lacking & ESSENTIAL):
            reason = f"image {reference_of(spec.image)} has neither python3 (>= 3.9) nor {', '.join(unmet)}"
            raise SandboxUnavailable("docker", reason, "Mend: add Python 3.9 or newer to it, or those tools")
        tools = await tools_of(container, uid, main, lacking)
    except BaseException:
        await main.close()
        raise
    record = {**_record(spec, uid, container, tools.missing()), "channel": "exec"}
    sandbox = ExecSandbox(main, container, uid, tools, spec.limits, Isolation.CONTAINER, record)
    return Opened(sandbox, container, (main.close,))


def _lacks(error: SandboxLost, program: str) -> bool:
    """Whether a container did not start because its image lacks that: in the words of tini, catatonit and runtimes."""
    signs = (f"{program} failed: No such file", "failed to exec pid1: No such file", "executable file not found")
    return any(sign in str(error) for sign in signs)


def _record(spec: SandboxSpec, uid: int, container: Any, lacks: Sequence[str] = ()) -> dict[str, Any]:
    dialect = engine.dialect()
    missing = [*dialect.missing(), *lacks]
    return {
        "isolation": str(Isolation.CONTAINER),
        "container": container.id,
        "image": reference_of(spec.image),
        "image_id": container.attrs["Image"],
        "engine": dialect.engine,
        "runtime": dialect.runtime or container.attrs["HostConfig"]["Runtime"],
        "network": container.attrs["HostConfig"]["NetworkMode"],
        "egress": sorted(spec.egress),
        "user": uid,
        "limits": asdict(spec.limits),
        **({"missing": missing} if missing else {}),
    }
