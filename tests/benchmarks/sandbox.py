"""What a Docker sandbox costs: commands, files, forks, starts, memory; beside the docker SDK on the same engine.

    python -m tests.benchmarks.sandbox [--json]

Medians, but for the throughputs and the starts of 32 at once, which are one run each. The SDK's side uses containers of
the same flags, except for `put_archive`, which an engine refuses on a read-only root.
"""

import argparse
import asyncio
import io
import json
import os
import tarfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from functools import partial
from statistics import median
from typing import Any

from outlay.sandbox import engine
from outlay.sandbox.departure import removed
from outlay.sandbox.docker import docker_sandbox, open_container
from outlay.sandbox.flags import GUEST_CAPABILITIES, hardened
from outlay.sandbox.pool import warm_pool
from outlay.sandbox.threads import creators, in_thread, removers
from outlay.sandbox.types import PLAIN, Sandbox

MANY = 32
TREE = {f"folder{number % 5}/file{number}": os.urandom(100_000) for number in range(50)}
"""5 MB in 50 files that no compression makes smaller."""
SPAWNS = """
import os, time
taken = []
for _ in range(200):
    began = time.perf_counter()
    os.waitpid(os.posix_spawn("/usr/bin/true", ["true"], {}), 0)
    taken.append(time.perf_counter() - began)
print(1e3 * sorted(taken)[100])
"""
"""What a machine takes for `true` alone, with nothing around it: no channel can be faster."""


async def measured() -> dict[str, float | None]:
    """All figures, ours and the SDK's, in one run."""
    import docker

    figures: dict[str, float | None] = {}
    with closing(docker.from_env()) as client:
        figures |= await _one(client)
        figures |= await _many(client)
        figures["fork_5mb_ms"] = await _fork_ms()
        figures["checkout_ms"] = await _checkout_ms()
        figures["engine_start_32_s"] = await _engine_start_s(client)
    return figures


async def _one(client: Any) -> dict[str, float | None]:
    """One sandbox: a command, a kilobyte in, a kilobyte out."""
    async with docker_sandbox() as sandbox:
        container = client.containers.get(sandbox.record["container"])
        body = bytes(1024)
        return {
            "spawn_true_ms": float((await sandbox.exec(["python3", "-c", SPAWNS])).stdout),
            "exec_true_ms": await _median_ms(lambda: sandbox.exec(["true"]), 500),
            "put_1k_ms": await _median_ms(lambda: sandbox.write("x", body), 500),
            "get_1k_ms": await _median_ms(lambda: sandbox.read("x"), 500),
            "exec_run_true_ms": _median_blocking_ms(lambda: container.exec_run(["true"]), 20),
            "put_archive_1k_ms": _put_archive_ms(client, body),
        }


async def _many(client: Any) -> dict[str, float | None]:
    """32 sandboxes: their start, their memory while idle, and commands of all of them together."""
    async with AsyncExitStack() as stack:
        began = time.perf_counter()
        opened = await asyncio.gather(*(open_container(PLAIN) for _ in range(MANY)))
        start_s = time.perf_counter() - began
        for each in opened:
            stack.push_async_callback(each.close)
        containers = [client.containers.get(each.sandbox.record["container"]) for each in opened]
        return {
            "start_32_s": start_s,
            "idle_mib": median(_idle_mib(client, container.id) for container in containers),
            "execs_per_s_32": await _execs_per_s([each.sandbox for each in opened], 50),
            "exec_run_per_s_32": await _exec_runs_per_s(containers, 3),
        }


async def _execs_per_s(sandboxes: list[Sandbox], each: int) -> float:
    async def several(sandbox: Sandbox) -> None:
        for _ in range(each):
            await sandbox.exec(["true"])

    began = time.perf_counter()
    await asyncio.gather(*(several(sandbox) for sandbox in sandboxes))
    return len(sandboxes) * each / (time.perf_counter() - began)


async def _exec_runs_per_s(containers: list[Any], each: int) -> float:
    def several(container: Any) -> None:
        for _ in range(each):
            container.exec_run(["true"])

    began = time.perf_counter()
    await asyncio.gather(*(asyncio.to_thread(several, container) for container in containers))
    return len(containers) * each / (time.perf_counter() - began)


async def _fork_ms() -> float:
    """A snapshot of 5 MB, and its restoring into a warm sandbox; each fork into a fresh one."""
    async with AsyncExitStack() as stack:
        first, *warm = [await stack.enter_async_context(docker_sandbox()) for _ in range(6)]
        for path, body in TREE.items():
            await first.write(path, body)
        waiting = iter(warm)

        async def fork() -> None:
            await next(waiting).restore(await first.snapshot())

        return await _median_ms(fork, len(warm))


async def _checkout_ms() -> float:
    """From asking a warm pool to holding a sandbox that has shown to be alive and empty."""
    async with warm_pool(docker_sandbox, warm=8, most=8) as pool, AsyncExitStack() as stack:
        await pool.prepared(PLAIN)
        return await _median_ms(lambda: stack.enter_async_context(pool(PLAIN)), 8)


async def _engine_start_s(client: Any) -> float:
    """32 containers of our flags, as many at a time as we start, created and started by the SDK and no more."""
    made: list[Any] = []

    def start() -> None:
        made.append(
            client.containers.create(
                engine.digest_of(None),
                ["sleep", "600"],
                **hardened(PLAIN, 100_000, GUEST_CAPABILITIES, engine.dialect()),
            )
        )
        made[-1].start()

    began = time.perf_counter()
    try:
        await asyncio.gather(*(in_thread(creators(), start) for _ in range(MANY)))
        return time.perf_counter() - began
    finally:
        await asyncio.gather(*(in_thread(removers(), partial(removed, one)) for one in made))


def _put_archive_ms(client: Any, body: bytes) -> float:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as writer:
        member = tarfile.TarInfo("x")
        member.size = len(body)
        writer.addfile(member, io.BytesIO(body))
    flags = {**hardened(PLAIN, 100_000, GUEST_CAPABILITIES, engine.dialect()), "read_only": False}
    container = client.containers.create(engine.digest_of(None), ["sleep", "600"], **flags)
    try:
        container.start()
        return _median_blocking_ms(lambda: container.put_archive("/var/tmp", packed.getvalue()), 20)
    finally:
        removed(container)


def _idle_mib(client: Any, container: str) -> float:
    """What the container's cgroup is charged with: the guest, init, and their kernel memory."""
    return float(client.api.stats(container, stream=False, one_shot=True)["memory_stats"]["usage"]) / (1 << 20)


async def _median_ms(act: Callable[[], Awaitable[object]], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await act()
        taken.append(time.perf_counter() - began)
    return 1e3 * median(taken)


def _median_blocking_ms(act: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return 1e3 * median(taken)


ROWS = (
    ("`true` alone, in a bare loop, ms", "spawn_true_ms", "spawn_true_ms"),
    ("exec of `true`, ms", "exec_true_ms", "exec_run_true_ms"),
    ("1 KiB in, ms", "put_1k_ms", "put_archive_1k_ms"),
    ("1 KiB out, ms", "get_1k_ms", None),
    ("execs per s over 32", "execs_per_s_32", "exec_run_per_s_32"),
    ("warm checkout, ms", "checkout_ms", None),
    ("fork of 5 MB, 50 files, ms", "fork_5mb_ms", None),
    ("32 starts, s", "start_32_s", "engine_start_32_s"),
    ("idle sandbox, MiB", "idle_mib", None),
)


def table(figures: dict[str, float | None]) -> str:
    """Ours beside the SDK's."""

    def cell(key: str | None) -> str:
        value = figures.get(key) if key else None
        return "-" if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"

    lines = ["| | Outlay | docker SDK |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {cell(ours)} | {cell(theirs)} |" for name, ours, theirs in ROWS])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    as_json = parser.parse_args().json
    found = asyncio.run(measured())
    print(json.dumps(found) if as_json else table(found))
