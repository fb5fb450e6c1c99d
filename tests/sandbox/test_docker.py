"""What only containers promise: flags read back from inside, a record of them, and nothing left behind."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import ImageUnavailable, PathRefused, SandboxLost, SandboxUnavailable
from outlay.sandbox.guest_sandbox import GuestSandbox
from outlay.sandbox.owner import this_process
from outlay.sandbox.types import PLAIN, Limits, SandboxSpec, Snapshot
from tests.sandbox.shell import ALIVE, sh

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

OWNER = """
import asyncio, sys
from outlay.sandbox.docker import docker_sandbox

async def main():
    async with docker_sandbox() as sandbox:
        print(sandbox.record["container"], flush=True)
        if sys.argv[1] == "busy":
            await sandbox.exec(["sh", "-c", "setsid sleep 300 & sleep 300"], wall_s=60)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def engine(docker_engine: None) -> Iterator[Any]:  # noqa: ARG001
    with closing(docker.from_env()) as client:
        yield client


def inside(body: Callable[[GuestSandbox], Awaitable[None]], spec: SandboxSpec = PLAIN) -> None:
    """Runs a test's body in a fresh container."""

    async def opened() -> None:
        async with docker_sandbox(spec) as sandbox:
            await body(sandbox)

    asyncio.run(opened())


def test_a_container_is_as_hard_as_its_flags_say() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        status = (await sh(sandbox, "cat /proc/self/status")).stdout.decode()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == fields["Gid"].split() == [str(sandbox.record["user"])] * 4
        assert sandbox.record["user"] >= 100_000
        assert not fields["Groups"].strip()
        assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        assert (await sh(sandbox, "ls /sys/class/net")).stdout.split() == [b"lo"]
        assert (await sh(sandbox, "touch /etc/x")).exit_code != 0
        assert (await sh(sandbox, "ulimit -n; ulimit -c; hostname")).stdout.split() == [b"100", b"0", b"sandbox"]
        assert (await sh(sandbox, "ls /var/run/docker.sock")).exit_code != 0

    inside(body, SandboxSpec(limits=Limits(memory_bytes=256 << 20, pids=64, files=100)))


def test_a_command_inherits_three_streams_and_an_environment_of_our_choice() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        descriptors = await sandbox.exec(["python3", "-c", "import os; print(os.listdir('/proc/self/fd'))"])
        assert descriptors.stdout == b"['0', '1', '2', '3']\n"  # the fourth is the listing's own
        environment = (await sandbox.exec(["env"], env={"GIVEN": "yes"})).stdout.split()
        names = [line.partition(b"=")[0] for line in environment]
        assert sorted(names) == [b"GIVEN", b"HOME", b"LANG", b"PATH", b"PYTHONDONTWRITEBYTECODE", b"TMPDIR"]
        assert (await sh(sandbox, "cut -d' ' -f6 /proc/$$/stat; echo $$")).stdout.split()[0] != b"0"

    inside(body)


def test_the_engine_holds_the_limits_and_knows_the_owner(engine: Any) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        attributes = engine.containers.get(sandbox.record["container"]).attrs
        host, config = attributes["HostConfig"], attributes["Config"]
        assert host["Memory"] == host["MemorySwap"] == 256 << 20
        assert (host["PidsLimit"], host["NanoCpus"]) == (64, 500_000_000)
        assert (host["LogConfig"]["Type"], host["AutoRemove"], config["StdinOnce"]) == ("none", True, True)
        assert config["Labels"]["outlay.owner"] == str(this_process())

    inside(body, SandboxSpec(limits=Limits(memory_bytes=256 << 20, pids=64, cpus=0.5)))


def test_the_record_says_what_was_reached(engine: Any) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        record = dict(sandbox.record)
        assert record["image_id"] == engine.images.get(record["image"]).id
        assert (record["isolation"], record["network"], record["channel"]) == ("container", "none", "guest")
        assert record["runtime"] in engine.info()["Runtimes"]
        assert record["limits"]["pids"] == Limits().pids
        assert record["python"].encode() in (await sandbox.exec(["python3", "--version"])).stdout

    inside(body)


def test_two_sandboxes_have_two_users() -> None:
    async def both() -> None:
        async with docker_sandbox() as a, docker_sandbox() as b:
            assert a.record["user"] != b.record["user"]

    asyncio.run(both())


def test_memory_runs_out_for_commands_before_it_does_for_the_guest() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        assert (await sandbox.exec(["cat", "/proc/self/oom_score_adj"])).stdout == b"1000\n"
        assert (await sandbox.channel.request("ping", {}, within_s=5)).header["oom_score_adj"] == 0

    inside(body)


def test_a_command_starts_in_the_folder_asked_for() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        await sh(sandbox, "mkdir -p a/b; ln -s a link; ln -s /etc out")
        assert (await sandbox.exec(["pwd"], cwd="a/b")).stdout == b"/work/a/b\n"
        assert (await sandbox.exec(["pwd"])).stdout == b"/work\n"
        assert (await sandbox.exec(["pwd"], cwd="nowhere")).exit_code == 127
        for leaving in ("..", "/etc", "out", "link"):
            with pytest.raises(PathRefused):
                await sandbox.exec(["pwd"], cwd=leaving)

    inside(body)


def test_a_fork_has_the_files_and_nothing_else() -> None:
    async def body() -> Snapshot:
        async with docker_sandbox() as sandbox:
            await sandbox.write("a/b", b"kept")
            await sh(sandbox, "chmod 750 a/b; ln -s b a/c; mkfifo pipe; sleep 300 &")
            return await sandbox.snapshot()

    async def fork(snapshot: Snapshot) -> None:
        async with docker_sandbox(start=snapshot) as sandbox:
            assert (await sh(sandbox, "cat a/c; stat -c %a a/b")).stdout == b"kept750\n"
            assert set(await sandbox.manifest()) == {"a", "a/b", "a/c"}
            assert (await sandbox.snapshot()).id == snapshot.id

    asyncio.run(fork(asyncio.run(body())))


def test_a_cancelled_command_is_ended_and_the_sandbox_goes_on(engine: Any) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        container = engine.containers.get(sandbox.record["container"])
        running = asyncio.create_task(sh(sandbox, "echo $$ > child; sleep 300", stdin=b"x" * 20_000_000))
        await asyncio.to_thread(container.exec_run, ["sh", "-c", "until test -s /work/child; do :; done"])
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await sh(sandbox, ALIVE)).exit_code != 0
        assert sandbox.channel.lost is None

    inside(body)


def test_a_container_removed_or_a_guest_killed_under_us_is_a_lost_sandbox(engine: Any) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        container = engine.containers.get(sandbox.record["container"])
        guest = (await sandbox.channel.request("ping", {}, within_s=5)).header["pid"]
        running = asyncio.create_task(sh(sandbox, "sleep 300"))
        await asyncio.to_thread(container.exec_run, ["sh", "-c", f"kill -9 {guest}"], user="0")
        for attempt in (running, sh(sandbox, "true"), sandbox.list(), sandbox.read("x"), sandbox.snapshot()):
            with pytest.raises(SandboxLost, match="ended"):
                await asyncio.wait_for(attempt, 20)

    inside(body)


def test_an_image_that_is_nowhere_is_named_and_leaves_nothing(engine: Any) -> None:
    nowhere = "127.0.0.1:1/outlay-no-such-image:1"  # no registry answers there
    with pytest.raises(ImageUnavailable, match="no-such-image"):
        inside(lambda sandbox: sandbox.write("x", b""), SandboxSpec(image=nowhere))
    assert not engine.containers.list(all=True, filters={"label": f"outlay.owner={this_process()}"})


def test_an_image_with_neither_python_nor_a_shell_is_named_with_its_mend(engine: Any) -> None:
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w") as writer:
        writer.addfile(tarfile.TarInfo("nothing"))
    engine.api.import_image_from_data(empty.getvalue(), repository="outlay-test-empty", tag="1")
    try:
        with pytest.raises(SandboxUnavailable, match="has neither python3"):
            inside(lambda sandbox: sandbox.write("x", b""), SandboxSpec(image="outlay-test-empty:1"))
        assert not engine.containers.list(all=True, filters={"label": f"outlay.owner={this_process()}"})
    finally:
        engine.images.remove("outlay-test-empty:1")


def test_a_container_is_gone_afterwards(engine: Any) -> None:
    async def body() -> str:
        async with docker_sandbox() as sandbox:
            return str(sandbox.record["container"])

    with pytest.raises(NotFound):
        engine.containers.get(asyncio.run(body()))


def test_cancelling_the_start_leaves_nothing(engine: Any) -> None:
    async def body() -> None:
        task = asyncio.create_task(docker_sandbox().__aenter__())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())
    assert not engine.containers.list(all=True, filters={"label": f"outlay.owner={this_process()}"})


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_container_does_not_outlive_its_owner(engine: Any, state: str) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, state], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        container = engine.containers.get(process.stdout.readline().strip())
        if state == "busy":
            while "sleep" not in str(container.top()["Processes"]):
                pass
        os.kill(process.pid, signal.SIGKILL)
    try:
        container.wait(condition="removed", timeout=60)
    except NotFound:
        return  # gone already
    with pytest.raises(NotFound):
        container.reload()
