"""Removes what dead owners left: containers, networks and volumes on the engine, workspaces in the temporary folder.

Containers normally end with their owner, because their stdin does. This is for those that could not: the engine was
stalled, the machine was suspended, the owner died between two calls. What belongs to a living owner, to another boot or
machine before its time is over, or to nobody of ours is never touched, whatever its name.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal

from outlay.sandbox.errors import SandboxError, SandboxUnavailable
from outlay.sandbox.owner import Reason, parse, this_process, why_orphaned
from outlay.sandbox.workspaces import orphaned_folders, remove_orphan

ENGINE_S = 30.0
"""How long one call to the engine may take."""
EVERY_S = 30.0
JOIN_S = 10.0
"""How long the end of a run waits for a sweep under way."""
START_S = 600.0
"""How long after a container was made its owner would not start it any more: far longer than any call may take."""
AT_ONCE = 8
"""Removals at a time; more only make each one slower."""

Kind = Literal["container", "network", "volume", "workspace"]
Labelled = tuple[Kind, str, Mapping[str, str]]
"""What it is, its id or name, its labels."""


@dataclass(frozen=True)
class Orphan:
    """Something of ours without a living owner; or, when overdue, with one that should have ended it."""

    kind: Kind
    id: str
    """The engine's id or name; of a workspace its path."""
    owner: str
    """As on its label; empty for a workspace, whose owner is whoever holds its lock."""
    experiment: str
    reason: Reason


@dataclass(frozen=True)
class Swept:
    """What a sweep found."""

    removed: tuple[Orphan, ...] = ()
    """What was removed, or in a dry run would be."""
    kept: tuple[Orphan, ...] = ()
    """Overdue, but the owner lives."""
    failed: tuple[tuple[Orphan, str], ...] = ()
    """What could not be removed, and why."""

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(self.removed + other.removed, self.kept + other.kept, self.failed + other.failed)


def orphans(client: Any, now: float) -> list[Orphan]:
    """What on this engine has no living owner, in the order in which it can be removed. `now` is Unix time."""
    ours = {"label": "outlay"}
    containers = client.api.containers(all=True, filters=ours)
    found: list[Labelled] = [
        *(("container", each["Id"], each["Labels"]) for each in containers),
        *(("network", each["Id"], each["Labels"]) for each in client.api.networks(filters=ours)),
        *(("volume", each["Name"], each["Labels"]) for each in client.api.volumes(filters=ours)["Volumes"] or ()),
    ]
    forgotten: list[Labelled] = [("container", c["Id"], c["Labels"]) for c in containers if _is_forgotten(c, now)]
    return _orphaned(found, now) + [_orphan(*each, Reason.NEVER_STARTED) for each in forgotten]


def _is_forgotten(container: Mapping[str, Any], now: float) -> bool:
    is_ours = parse(container["Labels"].get("outlay.owner", "")) == this_process()
    return is_ours and container["State"] == "created" and now > container["Created"] + START_S


def stale_workspaces() -> list[Orphan]:
    """Folders of workspaces whose runner, this user's, is dead: nobody holds their lock."""
    return [Orphan("workspace", str(folder), "", "", Reason.OWNER_DEAD) for folder in orphaned_folders()]


def _orphaned(found: Sequence[Labelled], now: float) -> list[Orphan]:
    return [_orphan(*each, reason) for each in found if (reason := why_orphaned(each[2], now))]


def _orphan(kind: Kind, name: str, labels: Mapping[str, str], reason: Reason) -> Orphan:
    return Orphan(kind, name, labels["outlay.owner"], labels.get("outlay.experiment", ""), reason)


def sweep(client: Any, now: float, *, dry_run: bool = False) -> Swept:
    """Removes the engine's orphans, first the containers, since they hold the rest."""
    found = orphans(client, now)
    removers: dict[Kind, Callable[[str], None]] = {
        "container": partial(_remove_container, client),
        "network": client.api.remove_network,
        "volume": client.api.remove_volume,
    }
    swept = Swept()
    for kind, remove in removers.items():
        swept += _removed([orphan for orphan in found if orphan.kind == kind], remove, dry_run=dry_run)
    return swept


def sweep_workspaces(*, dry_run: bool = False) -> Swept:
    """Removes this user's stale workspaces."""
    return _removed(stale_workspaces(), lambda path: remove_orphan(Path(path)), dry_run=dry_run)


def sweep_engine(*, dry_run: bool = False) -> Swept:
    """`sweep` on the engine that the environment names. Raises `SandboxUnavailable` when it does not answer."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        raise SandboxUnavailable("docker", "the docker package is missing", "Mend: pip install docker") from None
    try:
        with closing(docker.from_env(timeout=ENGINE_S)) as client:
            return sweep(client, time.time(), dry_run=dry_run)
    except (DockerException, OSError) as error:
        raise SandboxUnavailable("docker", f"no engine answers ({error})", "Mend: start dockerd") from error


@asynccontextmanager
async def tended(*, engine: bool) -> AsyncIterator[None]:
    """Sweeps at once and every `EVERY_S`, in a thread of its own, for as long as the context is open.

    `engine` says whether containers are swept too. Quiet: what fails is tried again, and `outlay clean` tells why.
    """
    stop = Event()
    thread = Thread(target=_tend, args=(stop, engine), name="outlay-janitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.shield(asyncio.to_thread(thread.join, JOIN_S))


def _tend(stop: Event, engine: bool) -> None:
    while True:
        sweep_workspaces()
        if engine:
            with suppress(SandboxError):
                sweep_engine()
        if stop.wait(EVERY_S):
            return


def _removed(found: Sequence[Orphan], remove: Callable[[str], None], *, dry_run: bool) -> Swept:
    kept = tuple(orphan for orphan in found if orphan.reason is Reason.OVERDUE)
    going = [orphan for orphan in found if orphan.reason is not Reason.OVERDUE]
    if dry_run or not going:
        return Swept(tuple(going), kept)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        faults = list(threads.map(lambda orphan: _fault(remove, orphan.id), going))
    outcomes = list(zip(going, faults, strict=True))
    return Swept(
        tuple(orphan for orphan, fault in outcomes if fault is None),
        kept,
        tuple((orphan, fault) for orphan, fault in outcomes if fault is not None),
    )


def _fault(remove: Callable[[str], None], name: str) -> str | None:
    """Why it could not be removed. None when it is gone, by whoever's hand: sweeps may meet."""
    try:
        remove(name)
    except FileNotFoundError:
        return None
    except OSError as error:  # also what the engine's client raises; one failure must not end a sweep
        return None if getattr(error, "status_code", None) == 404 else str(error)
    return None


def _remove_container(client: Any, name: str) -> None:
    from docker.errors import APIError

    try:
        client.api.remove_container(name, force=True, v=True)
    except APIError as error:
        if error.status_code != 409:
            raise
        client.api.wait(name, timeout=ENGINE_S, condition="removed")  # it is being removed already
