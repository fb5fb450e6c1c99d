"""Containers of images without Python: the engine's exec API, with busybox's tools and with Debian's."""

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

from outlay.sandbox import docker as opener
from outlay.sandbox import engine
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import PathRefused, SandboxLost
from outlay.sandbox.types import Isolation, Limits, Sandbox, SandboxSpec, Snapshot
from tests.sandbox.shell import ALIVE, sh

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

Inside = Callable[[Callable[[Any], Awaitable[None]]], None]
LIMITS = Limits(memory_bytes=256 << 20, pids=64, files=100, wall_s=20)
OWNER = """
import asyncio, sys
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.types import SandboxSpec

async def main():
    async with docker_sandbox(SandboxSpec(image=sys.argv[1])) as sandbox:
        print(sandbox.record["container"], flush=True)
        await sandbox.exec(["sh", "-c", "setsid sleep 300 & sleep 300"], wall_s=60)

asyncio.run(main())
"""


@pytest.fixture
def real(docker_engine: None) -> Iterator[Any]:  # noqa: ARG001
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture(params=["busybox", "debian"])
def spec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SandboxSpec:
    """Debian's tools are those of the default image, whose Python is left aside."""
    if request.param == "busybox":
        return SandboxSpec(image=request.getfixturevalue("image_without_python"), limits=LIMITS)
    monkeypatch.setattr(opener, "_without_python", {engine.digest_of(None)})
    return SandboxSpec(limits=LIMITS)


@pytest.fixture
def inside(spec: SandboxSpec) -> Inside:
    """Runs a test's body in a fresh sandbox."""

    def run(body: Callable[[Any], Awaitable[None]]) -> None:
        async def opened() -> None:
            async with docker_sandbox(spec) as sandbox:
                await body(sandbox)

        asyncio.run(opened())

    return run


def test_the_record_names_the_channel_and_what_does_not_hold(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        record = sandbox.record
        assert (sandbox.isolation, record["channel"], record["network"]) == (Isolation.CONTAINER, "exec", "none")
        assert "commands are told the processor time they took" in record["missing"]
        assert "python" not in record
        fine = "times in manifests and snapshots have fractions of a second"
        assert (fine in record["missing"]) == ("outlay-test" in record["image"])

    inside(body)


def test_a_container_is_as_hard_as_with_a_guest(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        status = (await sh(sandbox, "cat /proc/self/status")).stdout.decode()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        user = str(sandbox.record["user"])
        assert fields["Uid"].split() == fields["Gid"].split() == [user] * 4
        assert set(fields["Groups"].split()) <= {user}
        assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        assert (await sh(sandbox, "ls /sys/class/net")).stdout.split() == [b"lo"]
        assert (await sh(sandbox, "touch /etc/x /x")).exit_code != 0
        assert (await sh(sandbox, "ulimit -n; ulimit -c; hostname")).stdout.split() == [b"100", b"0", b"sandbox"]
        assert (await sandbox.exec(["cat", "/proc/self/oom_score_adj"])).stdout == b"1000\n"

    inside(body)


def test_a_command_gets_no_variable_but_ours(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        seen = (await sandbox.exec(["env"], env={"GIVEN": "a b"})).stdout.splitlines()
        names = [line.partition(b"=")[0] for line in seen]
        assert sorted(names) == [b"GIVEN", b"HOME", b"LANG", b"PATH", b"PYTHONDONTWRITEBYTECODE", b"TMPDIR"]
        assert b"GIVEN=a b" in seen

    inside(body)


def test_programs_with_odd_names_are_programs(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sandbox.write("a=b", b"#!/bin/sh\necho ran\n")
        await sh(sandbox, "chmod +x a=b")
        assert (await sandbox.exec(["./a=b"])).stdout == b"ran\n"
        assert (await sandbox.exec(["echo", "-n", "$HOME", "'\"\\"])).stdout == b"$HOME '\"\\"
        assert (await sandbox.exec(["x" * 200_000])).exit_code == 127

    inside(body)


def test_what_the_shell_says_of_signals_is_not_output(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        done = await sh(sandbox, "kill -9 $$")
        assert (done.exit_code, done.stderr) == (137, b"")

    inside(body)


@pytest.mark.parametrize(
    "attack",
    ["b() { b | b & b; }; b", "kill -9 -1; sleep 300", "kill -9 $PPID; setsid sleep 300 & sleep 300"],
    ids=["fork bomb", "kill all", "kill the wrapper"],
)
def test_a_hostile_command_ends_and_the_sandbox_goes_on(inside: Inside, attack: str) -> None:
    async def body(sandbox: Sandbox) -> None:
        done = await sh(sandbox, f"echo begun; {attack}", wall_s=3)
        assert done.exit_code != 0
        assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"
        assert (await sh(sandbox, "ls -d /proc/[0-9]* | wc -l")).stdout.strip() in (b"5", b"6", b"7")

    inside(body)


def test_nobody_but_us_speaks_to_the_main_process(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        found = await sh(sandbox, "for p in /proc/[0-9]*; do grep -q '^Uid:.0' $p/status && echo ${p#/proc/}; done")
        for process in found.stdout.decode().split():
            assert (await sh(sandbox, f"echo x >/proc/{process}/fd/0")).exit_code != 0
            assert (await sh(sandbox, f"kill -9 {process}")).exit_code != 0
        assert (await sh(sandbox, "true")).exit_code == 0

    inside(body)


def test_a_flood_is_ended(spec: SandboxSpec) -> None:
    limits = Limits(output_bytes=1000, flood_bytes=1 << 20, wall_s=20)

    async def body() -> None:
        async with docker_sandbox(SandboxSpec(image=spec.image, limits=limits)) as sandbox:
            done = await sh(sandbox, "yes")
            assert (done.exit_code, done.killed, len(done.stdout)) == (None, "flood", 1000)

    asyncio.run(body())


def test_a_command_starts_in_the_folder_asked_for(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "mkdir -p a/b; ln -s a link; ln -s /etc out")
        assert (await sandbox.exec(["pwd"], cwd="a/b")).stdout == b"/work/a/b\n"
        assert (await sandbox.exec(["pwd"], cwd="nowhere")).exit_code == 127
        for leaving in ("..", "/etc", "out", "link"):
            with pytest.raises(PathRefused):
                await sandbox.exec(["pwd"], cwd=leaving)

    inside(body)


def test_a_rewritten_file_keeps_its_mode_and_a_folder_stays_one(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "echo > script; chmod 4750 script; mkdir folder")
        await sandbox.write("script", b"new")
        assert (await sandbox.manifest())["script"].mode == 0o750
        with pytest.raises(PathRefused, match="folder"):
            await sandbox.write("folder", b"")
        with pytest.raises(PathRefused, match="UTF-8"):
            await sandbox.write("\udcff", b"")

    inside(body)


def test_names_of_every_kind_are_listed(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "touch ' -a\nb' \"$(printf 'c\\377')\" -- '-d'; mkfifo pipe; ln -s /etc out; mkdir e")
        found = {path: entry.kind for path, entry in (await sandbox.manifest()).items()}
        assert found == {
            " -a\nb": "file",
            "c\udcff": "file",
            "-d": "file",
            "pipe": "other",
            "out": "link",
            "e": "folder",
        }

    inside(body)


def test_a_fork_has_the_files_and_nothing_else(spec: SandboxSpec) -> None:
    async def body() -> Snapshot:
        async with docker_sandbox(spec) as sandbox:
            await sandbox.write("a/b", b"kept")
            await sandbox.write("a/" + "long" * 40, b"")
            await sh(sandbox, "chmod 750 a/b; ln a/b same; ln -s b a/c; ln -s /etc out; mkfifo pipe; chmod 550 a")
            return await sandbox.snapshot()

    async def fork(snapshot: Snapshot) -> None:
        async with docker_sandbox(spec, start=snapshot) as sandbox:
            assert (await sh(sandbox, "cat a/c same; stat -c %a a a/b")).stdout == b"keptkept550\n750\n"
            assert set(await sandbox.manifest()) == {"a", "a/b", "a/c", "a/" + "long" * 40, "same"}

    asyncio.run(fork(asyncio.run(body())))


def test_an_archive_is_the_one_that_a_guest_makes() -> None:
    async def guests() -> Snapshot:
        async with docker_sandbox() as sandbox:
            await sh(sandbox, "mkdir -p a/x b.c b; echo 1 > a/x/y; echo 2 > b.c/d; echo 3 > b/e; ln -s e b/link")
            return await sandbox.snapshot()

    async def same(snapshot: Snapshot) -> str:
        async with docker_sandbox(start=snapshot) as sandbox:
            assert sandbox.record["channel"] == "exec"
            return (await sandbox.snapshot()).id

    snapshot = asyncio.run(guests())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opener, "_without_python", {engine.digest_of(None)})
        assert asyncio.run(same(snapshot)) == snapshot.id


def test_nothing_is_restored_through_a_link(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "mkdir a; echo new > a/b; echo new > c")
        snapshot = await sandbox.snapshot()
        await sh(sandbox, "rm -r a c; mkdir real; echo old > real/b; ln -s real a; ln -s real/b c")
        await sandbox.restore(snapshot)
        assert (await sh(sandbox, "cat real/b a/b c; test -L a")).stdout == b"old\nnew\nnew\n"
        await sh(sandbox, "rm c; mkdir c")
        with pytest.raises(PathRefused, match="folder"):
            await sandbox.restore(snapshot)
        evil = io.BytesIO()
        with tarfile.open(fileobj=evil, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("../x"))
        with pytest.raises(PathRefused):
            await sandbox.restore(Snapshot(evil.getvalue()))

    inside(body)


def test_a_cancelled_command_is_ended_and_the_sandbox_goes_on(inside: Inside) -> None:
    async def body(sandbox: Any) -> None:
        running = asyncio.create_task(sh(sandbox, "echo $$ > child; sleep 300", stdin=b"x" * 20_000_000))
        begun = ["sh", "-c", "until test -s /work/child; do :; done"]
        await asyncio.to_thread(sandbox.container.exec_run, begun)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await sh(sandbox, ALIVE)).exit_code != 0

    inside(body)


def test_a_container_removed_under_us_is_a_lost_sandbox(inside: Inside) -> None:
    async def body(sandbox: Any) -> None:
        running = asyncio.create_task(sh(sandbox, "sleep 300"))
        while "sleep" not in str(await asyncio.to_thread(sandbox.container.top)):
            pass
        await asyncio.to_thread(sandbox.container.remove, force=True)
        for attempt in (running, sh(sandbox, "true"), sandbox.list(), sandbox.read("x"), sandbox.snapshot()):
            with pytest.raises(SandboxLost, match="ended"):
                await asyncio.wait_for(attempt, 20)

    inside(body)


def test_a_container_does_not_outlive_its_owner(real: Any, image_without_python: str) -> None:
    argv = [sys.executable, "-c", OWNER, image_without_python]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        container = real.containers.get(process.stdout.readline().strip())
        while "sleep" not in str(container.top()["Processes"]):
            pass
        os.kill(process.pid, signal.SIGKILL)
    try:
        container.wait(condition="removed", timeout=60)
    except NotFound:
        return  # gone already
    with pytest.raises(NotFound):
        container.reload()
