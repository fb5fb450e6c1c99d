"""One run of the soak: takes sandboxes from a warm pool and does to them what agents do, faults included.

    python -m tests.soak.runner SEED SANDBOXES

Prints a line with what was done after each sandbox, then the number of its open descriptors, once nothing is open.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import docker

from outlay.sandbox import engine
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.pool import Pool, warm_pool
from outlay.sandbox.types import Limits, Sandbox, SandboxSpec

SPEC = SandboxSpec(limits=Limits(memory_bytes=128 << 20, disk_bytes=16 << 20, pids=64, wall_s=10))
AT_ONCE = 8
FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"


async def works(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    await sandbox.write("a/b", b"x" * 10_000)
    assert (await sandbox.exec(["wc", "-c", "a/b"])).stdout.split()[0] == b"10000"


async def forks(sandbox: Sandbox, pool: Pool) -> None:
    await sandbox.write("kept", b"kept")
    async with pool(SPEC, start=await sandbox.snapshot()) as fork:
        assert await fork.read("kept") == b"kept"


async def floods(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    assert (await sandbox.exec(["yes"], wall_s=0.2)).killed in ("deadline", "flood")


async def bombs(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    assert (await sandbox.exec(["python3", "-c", FORK_BOMB], wall_s=0.2)).killed == "deadline"
    assert (await sandbox.exec(["true"])).exit_code == 0


async def fills(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    assert (await sandbox.exec(["sh", "-c", "head -c 100M /dev/zero > full"])).exit_code != 0


async def escapes(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    assert (await sandbox.exec(["sh", "-c", "setsid sleep 300 & (sleep 300 &) & exit 3"])).exit_code == 3


async def is_cancelled(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    running = asyncio.create_task(sandbox.exec(["sleep", "300"]))
    await asyncio.wait([running], timeout=0.1)
    running.cancel()
    await asyncio.wait([running])


async def is_removed(sandbox: Sandbox, pool: Pool) -> None:  # noqa: ARG001
    running = asyncio.create_task(sandbox.exec(["sleep", "300"]))
    await asyncio.to_thread(_remove, str(sandbox.record["container"]))
    try:
        await running
    except SandboxLost:
        return
    raise AssertionError("a removed sandbox answered")


DEEDS: tuple[Callable[[Sandbox, Pool], Awaitable[None]], ...] = (
    *(works, works, works, forks, forks),
    *(floods, bombs, fills, escapes, is_cancelled, is_removed),
)


def _remove(container: str) -> None:
    client = docker.from_env()
    try:
        client.api.remove_container(container, force=True)
    finally:
        client.close()


async def soak(seed: int, count: int) -> None:
    rng = Random(seed)
    deeds = iter([rng.choice(DEEDS) for _ in range(count)])

    async def use(pool: Pool) -> None:
        for deed in deeds:
            async with pool(SPEC) as sandbox:
                await deed(sandbox, pool)
            print(deed.__name__, flush=True)

    async with warm_pool(docker_sandbox, warm=2, most=2 * AT_ONCE) as pool, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(use(pool))


def main() -> None:
    asyncio.run(soak(int(sys.argv[1]), int(sys.argv[2])))
    engine.client().close()  # it keeps as many connections as were once needed at the same time
    gc.collect()
    print("descriptors", len(list(Path("/proc/self/fd").iterdir())), flush=True)


if __name__ == "__main__":
    main()
