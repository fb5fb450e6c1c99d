"""An engine that stalls, fails, or takes a sandbox away: a typed error in time, nothing left, the next one works."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.errors import NotFound

from outlay.sandbox import channel, departure, engine
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import ImageUnavailable, SandboxLost, SandboxUnavailable
from outlay.sandbox.janitor import START_S, sweep
from outlay.sandbox.owner import this_process
from outlay.sandbox.recipes import DEFAULT
from outlay.sandbox.types import PLAIN, SandboxSpec
from tests.sandbox.engine_proxy import EngineProxy, engine_proxy
from tests.sandbox.shell import sh

pytestmark = pytest.mark.docker


@pytest.fixture
def real(docker_engine: None) -> Iterator[Any]:  # noqa: ARG001
    """The engine itself, past any proxy."""
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def proxy(real: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProxy]:  # noqa: ARG001
    """What our calls go through; they may take 6 s."""
    with engine_proxy() as opened:
        monkeypatch.setenv("DOCKER_HOST", opened.address)
        monkeypatch.setattr(engine, "CALL_S", 6)
        monkeypatch.setattr(departure, "GONE_S", 6)
        monkeypatch.setattr(channel, "GRACE_S", 1.0)
        yield opened
        engine.client().close()


def until_busy(real: Any, container: str) -> None:
    """Returns when a command runs in it."""
    while "sleep 600" not in str(real.api.top(container)["Processes"]):
        pass


def gone(real: Any, container: str) -> None:
    """Waits until the engine has removed it; fails after a minute."""
    with suppress(NotFound):
        real.api.wait(container, condition="removed", timeout=60)
    with pytest.raises(NotFound):
        real.api.inspect_container(container)


@asynccontextmanager
async def in_a_command(real: Any, spec: SandboxSpec = PLAIN) -> AsyncIterator[tuple[str, "asyncio.Task[Any]"]]:
    """A container, and the task of a command that runs in it."""
    async with docker_sandbox(spec) as sandbox:
        task = asyncio.create_task(sandbox.exec(["sleep", "600"], wall_s=6))
        container = str(sandbox.record["container"])
        await asyncio.to_thread(until_busy, real, container)
        yield container, task


def ours(real: Any) -> set[str]:
    """Containers of this process."""
    mine = {"label": f"outlay.owner={this_process()}"}
    return {container["Id"] for container in real.api.containers(all=True, filters=mine)}


async def works() -> bool:
    async with docker_sandbox() as sandbox:
        return (await sh(sandbox, "echo alive")).stdout == b"alive\n"


def stall(proxy: EngineProxy) -> None:
    proxy.flowing.clear()


def fail(proxy: EngineProxy) -> None:
    proxy.failing.set()


def recover(proxy: EngineProxy) -> None:
    proxy.failing.clear()
    proxy.flowing.set()


def test_no_sandbox_opens_while_the_engine_fails_and_the_next_does(proxy: EngineProxy) -> None:
    async def body() -> None:
        assert await works()
        fail(proxy)
        with pytest.raises(SandboxLost, match="could not start"):
            await works()
        recover(proxy)
        assert await works()

    asyncio.run(body())


def test_no_sandbox_opens_during_a_stall_and_what_the_engine_makes_of_it_later_is_swept(
    proxy: EngineProxy, real: Any
) -> None:
    async def body() -> None:
        assert await works()
        stall(proxy)
        with pytest.raises(SandboxLost, match="could not start"):
            await works()

    asyncio.run(body())
    recover(proxy)
    while not (late := ours(real)):
        pass
    assert not {each.id for each in sweep(real, time.time()).removed} & late
    assert late <= {each.id for each in sweep(real, time.time() + START_S + 1).removed}
    assert asyncio.run(works())


@pytest.mark.parametrize("fault", [stall, fail])
def test_an_ill_engine_is_not_available(proxy: EngineProxy, fault: Callable[[EngineProxy], None]) -> None:
    fault(proxy)
    lack = engine.probe()
    assert isinstance(lack, SandboxUnavailable)
    recover(proxy)
    assert engine.probe() is None


def test_a_stall_during_a_command_is_a_lost_sandbox_in_time(proxy: EngineProxy, real: Any) -> None:
    async def body() -> str:
        async with in_a_command(real) as (container, command):
            stall(proxy)
            with pytest.raises(SandboxLost, match="no reply to exec within"):
                await command
            recover(proxy)
            assert await works()
        return container

    gone(real, asyncio.run(body()))


def test_a_stall_during_a_command_without_a_guest_is_a_lost_sandbox_in_time(
    image_without_python: str, proxy: EngineProxy, real: Any
) -> None:
    async def body() -> str:
        async with in_a_command(real, SandboxSpec(image=image_without_python)) as (container, command):
            stall(proxy)
            with pytest.raises(SandboxLost, match="the main process said nothing"):
                await command
            recover(proxy)
        return container

    gone(real, asyncio.run(body()))


def test_a_container_that_the_engine_will_not_remove_ends_with_its_stdin(proxy: EngineProxy, real: Any) -> None:
    async def body() -> str:
        async with docker_sandbox() as sandbox:
            fail(proxy)
            return str(sandbox.record["container"])

    gone(real, asyncio.run(body()))


@pytest.mark.parametrize("deed", ["remove", "kill"])
def test_a_container_taken_away_during_a_command_is_a_lost_sandbox(real: Any, deed: str) -> None:
    async def body() -> None:
        async with in_a_command(real) as (container, command):
            if deed == "remove":
                real.api.remove_container(container, force=True)
            else:
                real.api.kill(container)
            with pytest.raises(SandboxLost, match="the guest ended"):
                await command
        assert await works()

    asyncio.run(body())


def test_a_paused_container_is_a_lost_sandbox_in_time(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "GRACE_S", 1.0)

    async def body() -> str:
        async with in_a_command(real) as (container, command):
            real.api.pause(container)
            with pytest.raises(SandboxLost, match="no reply to exec within"):
                await command
        return container

    gone(real, asyncio.run(body()))


def test_an_image_removed_during_a_run_ends_nothing_that_runs(real: Any) -> None:
    name = f"127.0.0.1:1/outlay-test-{uuid4().hex}:1"
    dockerfile = f"FROM {DEFAULT}\nLABEL test={uuid4().hex}\n".encode()
    image, _ = real.images.build(fileobj=io.BytesIO(dockerfile), tag=name, rm=True)

    async def body() -> None:
        async with docker_sandbox(SandboxSpec(image=name)) as sandbox:
            real.images.remove(name, force=True)
            assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"
        real.images.remove(image.id)
        with pytest.raises(SandboxLost, match="No such image"):
            async with docker_sandbox(SandboxSpec(image=name)):
                pass
        with pytest.raises(ImageUnavailable, match="not on this engine"):
            async with docker_sandbox(SandboxSpec(image=name)):
                pass

    asyncio.run(body())
