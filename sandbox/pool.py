"""Warm sandboxes: started before they are asked for, checked before they are handed out, never used twice.

A pool is itself a `SandboxMaker`, so whoever opens sandboxes need not know of it. Each sandbox lives in a task of its
own, its keeper, which opens it, waits until its user is done, and removes it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from outlay.sandbox.errors import SandboxError
from outlay.sandbox.types import PLAIN, Sandbox, SandboxMaker, SandboxSpec, Snapshot

CHECK_S = 5.0
"""How long a warm sandbox may take to show that it is alive and empty."""


@dataclass(eq=False)
class _Kept:
    """One sandbox and its keeper."""

    spec: SandboxSpec
    done: asyncio.Event = field(default_factory=asyncio.Event)
    opened: "asyncio.Future[Sandbox]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(eq=False)
class Pool:
    """At most `most` sandboxes at a time; up to `warm` idle ones per spec that was asked for before."""

    maker: SandboxMaker
    warm: int
    most: int
    _idle: defaultdict[SandboxSpec, deque[_Kept]] = field(default_factory=lambda: defaultdict(deque))
    _keepers: set[asyncio.Task[None]] = field(default_factory=set)
    _places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.most)

    @asynccontextmanager
    async def __call__(self, spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[Sandbox]:
        kept, sandbox = await self._taken(spec)
        try:
            if start is not None:
                await sandbox.restore(start)
            yield sandbox
        finally:
            kept.done.set()

    def prepare(self, spec: SandboxSpec) -> None:
        """Starts as many idle sandboxes of `spec` as are wanted and have a place; returns at once."""
        while len(self._idle[spec]) < self.warm and len(self._keepers) < self.most:
            self._idle[spec].append(self._open(spec))

    async def prepared(self, spec: SandboxSpec) -> None:
        """The same, and returns when they are open. Raises `SandboxError` when one cannot be opened."""
        self.prepare(spec)
        await asyncio.gather(*(asyncio.shield(kept.opened) for kept in self._idle[spec]))

    async def close(self) -> None:
        """Removes the idle ones; returns when every sandbox is gone."""
        for waiting in self._idle.values():
            while waiting:
                waiting.popleft().done.set()
        while self._keepers:
            await asyncio.wait(self._keepers)

    async def _taken(self, spec: SandboxSpec) -> tuple[_Kept, Sandbox]:
        while self._idle[spec]:
            kept = self._idle[spec].popleft()
            if (sandbox := await _checked(kept)) is not None:
                self.prepare(spec)
                return kept, sandbox
        if self._places.locked():
            self._make_room(spec)
        kept = self._open(spec)
        sandbox = await _opened(kept)
        self.prepare(spec)
        return kept, sandbox

    def _make_room(self, wanted: SandboxSpec) -> None:
        """An idle sandbox of another kind gives its place to one that is needed now."""
        for spec, waiting in self._idle.items():
            if spec != wanted and waiting:
                waiting.pop().done.set()
                return

    def _open(self, spec: SandboxSpec) -> _Kept:
        kept = _Kept(spec)
        keeper = asyncio.create_task(self._keep(kept))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        return kept

    async def _keep(self, kept: _Kept) -> None:
        """Ends when the sandbox is gone. An opening that fails is told to whoever takes it."""
        try:
            async with self._places, self.maker(kept.spec) as sandbox:
                if not kept.opened.cancelled():
                    kept.opened.set_result(sandbox)
                await kept.done.wait()
        except Exception as error:
            if kept.opened.done():
                return  # it was lost on its way out: its user has been told by its own calls
            kept.opened.set_exception(error)
            kept.opened.exception()  # nobody may ever take it


async def _opened(kept: _Kept) -> Sandbox:
    """Cancelled, or failed, it leaves the sandbox to its keeper, who removes it."""
    try:
        return await asyncio.shield(kept.opened)
    except BaseException:
        kept.done.set()
        raise


async def _checked(kept: _Kept) -> Sandbox | None:
    """None when it could not be opened, does not answer, or is not empty; it is then on its way out."""
    try:
        sandbox = await _opened(kept)
        async with asyncio.timeout(CHECK_S):
            if not await sandbox.manifest():
                return sandbox
    except (SandboxError, TimeoutError):
        pass
    except BaseException:
        kept.done.set()
        raise
    kept.done.set()
    return None


@asynccontextmanager
async def warm_pool(maker: SandboxMaker, *, warm: int, most: int) -> AsyncIterator[Pool]:
    """A pool whose sandboxes are gone when its context ends."""
    pool = Pool(maker, warm, most)
    try:
        yield pool
    finally:
        await asyncio.shield(asyncio.ensure_future(pool.close()))
