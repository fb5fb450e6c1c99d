"""The warm pool, over process sandboxes: what it promises does not depend on what it keeps warm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from outlay.sandbox.choose import sandbox_maker
from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.pool import Pool, warm_pool
from outlay.sandbox.types import PLAIN, Limits, Sandbox, SandboxSpec, Snapshot

OTHER = SandboxSpec(limits=Limits(wall_s=7))


@dataclass
class Counting:
    """Opens real process sandboxes and counts those that are open."""

    open: dict[SandboxSpec, int] = field(default_factory=dict)
    most: int = 0
    made: list[Sandbox] = field(default_factory=list)
    broken: bool = False

    @asynccontextmanager
    async def __call__(self, spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[Sandbox]:
        if self.broken:
            raise SandboxLost("the engine is away")
        async with sandbox_maker("weak")(spec, start=start) as sandbox:
            self.made.append(sandbox)
            self.open[spec] = self.open.get(spec, 0) + 1
            self.most = max(self.most, self.total)
            try:
                yield sandbox
            finally:
                self.open[spec] -= 1

    @property
    def total(self) -> int:
        return sum(self.open.values())


def pooled(body: Callable[[Pool, Counting], Awaitable[None]], *, warm: int = 2, most: int = 4) -> None:
    """Runs `body` with a pool; nothing is open afterwards."""

    async def run() -> None:
        counting = Counting()
        async with warm_pool(counting, warm=warm, most=most) as pool:
            await body(pool, counting)
        assert counting.total == 0

    asyncio.run(asyncio.wait_for(run(), 30))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.to_thread(lambda: None)


def test_the_second_of_a_kind_was_waiting() -> None:
    async def body(pool: Pool, counting: Counting) -> None:
        async with pool(PLAIN):
            await until(lambda: counting.open[PLAIN] == 3)
        waiting = counting.made[1]
        async with pool(PLAIN) as second:
            assert second is waiting

    pooled(body)


def test_a_sandbox_is_never_handed_out_twice() -> None:
    async def body(pool: Pool, counting: Counting) -> None:  # noqa: ARG001
        for _ in range(6):
            async with pool(PLAIN) as sandbox:
                assert await sandbox.list() == []
                await sandbox.write("mark", b"dirty")

    pooled(body)


def test_one_that_was_touched_while_it_waited_is_not_handed_out() -> None:
    async def body(pool: Pool, counting: Counting) -> None:
        pool.prepare(PLAIN)
        await until(lambda: counting.total == 2)
        await counting.made[0].write("mark", b"dirty")
        async with pool(PLAIN) as sandbox:
            assert sandbox is counting.made[1]

    pooled(body)


def test_no_more_are_open_than_allowed_and_nobody_waits_for_ever() -> None:
    async def body(pool: Pool, counting: Counting) -> None:
        async def use(number: int) -> None:
            async with pool(PLAIN if number % 2 else OTHER) as sandbox:
                await sandbox.exec(["true"])

        await asyncio.gather(*(use(number) for number in range(20)))
        assert counting.most <= 4

    pooled(body)


def test_idle_ones_make_room_for_another_kind() -> None:
    async def body(pool: Pool, counting: Counting) -> None:
        pool.prepare(PLAIN)
        await until(lambda: counting.total == 2)
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(pool(OTHER))
            assert counting.open[PLAIN] <= 1

    pooled(body, most=2)


def test_a_fork_starts_with_the_snapshots_files() -> None:
    async def body(pool: Pool, counting: Counting) -> None:  # noqa: ARG001
        async with pool(PLAIN) as first:
            await first.write("deep/file", b"kept")
            snapshot = await first.snapshot()
        async with pool(PLAIN, start=snapshot) as fork:
            assert await fork.read("deep/file") == b"kept"

    pooled(body)


def test_an_engine_that_is_away_is_told_to_who_asks_and_forgotten_when_it_is_back() -> None:
    async def body(pool: Pool, counting: Counting) -> None:
        counting.broken = True
        pool.prepare(PLAIN)
        with pytest.raises(SandboxLost, match="away"):
            async with pool(PLAIN):
                pass
        counting.broken = False
        async with pool(PLAIN) as sandbox:
            assert (await sandbox.exec(["true"])).exit_code == 0

    pooled(body)


def test_a_cancelled_checkout_leaves_nothing_open() -> None:
    async def body(pool: Pool, counting: Counting) -> None:
        async def use() -> None:
            async with pool(PLAIN):
                await asyncio.Event().wait()

        using = [asyncio.create_task(use()) for _ in range(8)]
        await until(lambda: counting.total == 4)
        for task in using:
            task.cancel()
        await asyncio.gather(*using, return_exceptions=True)
        await pool.close()
        assert counting.total == 0

    pooled(body)
