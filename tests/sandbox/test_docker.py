"""What only containers promise: flags read back from inside, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.owner import this_process
from outlay.sandbox.types import Limits, SandboxSpec
from tests.sandbox.shell import ALIVE, sh

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

OWNER = """
import asyncio
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.types import Limits, SandboxSpec

async def main():
    async with docker_sandbox() as sandbox:
        print(sandbox.container.id, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def engine(docker_engine: None) -> Iterator[Any]:  # noqa: ARG001
    with closing(docker.from_env()) as client:
        yield client


def test_a_container_is_as_hard_as_its_flags_say() -> None:
    async def body() -> None:
        async with docker_sandbox(SandboxSpec(limits=Limits(memory_bytes=256 << 20, pids=64, files=100))) as sandbox:
            status = (await sh(sandbox, "cat /proc/self/status")).stdout.decode()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert fields["Uid"].split() == ["10000"] * 4
            assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
            assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
            assert (await sh(sandbox, "ls /sys/class/net")).stdout.split() == [b"lo"]
            assert (await sh(sandbox, "touch /etc/x")).exit_code != 0
            assert (await sh(sandbox, "ulimit -n; ulimit -c; hostname")).stdout.split() == [b"100", b"0", b"sandbox"]
            assert (await sh(sandbox, "ls /var/run/docker.sock")).exit_code != 0

    asyncio.run(body())


def test_the_engine_holds_the_limits_and_knows_the_this_process() -> None:
    async def body() -> None:
        async with docker_sandbox(SandboxSpec(limits=Limits(memory_bytes=256 << 20, pids=64, cpus=0.5))) as sandbox:
            sandbox.container.reload()
            host, config = sandbox.container.attrs["HostConfig"], sandbox.container.attrs["Config"]
            assert host["Memory"] == host["MemorySwap"] == 256 << 20
            assert (host["PidsLimit"], host["NanoCpus"]) == (64, 500_000_000)
            assert (host["LogConfig"]["Type"], host["AutoRemove"], config["StdinOnce"]) == ("none", True, True)
            assert config["Labels"]["outlay.owner"] == str(this_process())

    asyncio.run(body())


def test_what_flees_into_another_session_dies_with_its_command() -> None:
    async def body() -> None:
        async with docker_sandbox() as sandbox:
            await sh(sandbox, "setsid sh -c 'echo $$ > child; exec sleep 300' & until test -s child; do :; done")
            assert (await sh(sandbox, ALIVE)).exit_code != 0

    asyncio.run(body())


def test_killing_the_watching_program_is_a_failed_command_not_a_lost_sandbox() -> None:
    async def body() -> None:
        async with docker_sandbox() as sandbox:
            assert (await sh(sandbox, "kill -9 $PPID")).exit_code == 137
            assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"

    asyncio.run(body())


def test_a_container_removed_under_us_is_a_lost_sandbox() -> None:
    async def body() -> None:
        async with docker_sandbox() as sandbox:
            sandbox.container.remove(force=True)
            for attempt in (sh(sandbox, "true"), sandbox.list(), sandbox.read("x")):
                with pytest.raises(SandboxLost):
                    await attempt

    asyncio.run(body())


def test_an_image_that_is_not_there_is_a_lost_sandbox_and_leaves_nothing(engine: Any) -> None:
    async def body() -> None:
        async with docker_sandbox(SandboxSpec(image="outlay-no-such-image:1")):
            pass

    with pytest.raises(SandboxLost, match="No such image"):
        asyncio.run(body())
    assert not engine.containers.list(all=True, filters={"label": f"outlay.owner={this_process()}"})


def test_a_container_is_gone_afterwards(engine: Any) -> None:
    async def body() -> str:
        async with docker_sandbox() as sandbox:
            return str(sandbox.container.id)

    with pytest.raises(NotFound):
        engine.containers.get(asyncio.run(body()))


def test_a_container_does_not_outlive_its_owner(engine: Any) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        container = engine.containers.get(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
    try:
        container.wait(condition="removed", timeout=60)
    except NotFound:
        return  # gone already
    with pytest.raises(NotFound):
        container.reload()
