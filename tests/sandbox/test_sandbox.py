"""What every sandbox promises, on every kind; `docker` needs an engine, and `exec` is docker without a guest."""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from outlay.sandbox.choose import sandbox_maker
from outlay.sandbox.errors import PathRefused, SandboxLost, UnknownName
from outlay.sandbox.types import PLAIN, Isolation, Limits, Sandbox, SandboxMaker, SandboxSpec
from tests.sandbox.shell import ALIVE, sh

Inside = Callable[[Callable[[Sandbox], Awaitable[None]]], None]
UNKEPT = {"test_candidates_find_a_python_that_lacks_outlay": "exec is for images without Python"}
"""What a sandbox without a guest does not promise."""


@pytest.fixture(params=["process", "weak", "docker", "exec"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param in ("docker", "exec"):
        request.getfixturevalue("docker_engine")
    if request.param == "exec" and (reason := UNKEPT.get(request.node.originalname)):
        pytest.skip(reason)
    return str(request.param)


@pytest.fixture
def make(kind: str, request: pytest.FixtureRequest) -> SandboxMaker:
    if kind != "exec":
        return sandbox_maker(kind)
    image = request.getfixturevalue("image_without_python")
    docker = sandbox_maker("docker")
    return lambda spec=PLAIN, *, start=None: docker(dataclasses.replace(spec, image=image), start=start)


@pytest.fixture
def inside(make: SandboxMaker) -> Inside:
    """Runs a test's body in a fresh sandbox."""

    def run(body: Callable[[Sandbox], Awaitable[None]]) -> None:
        async def opened() -> None:
            async with make(SandboxSpec(limits=Limits(wall_s=20, output_bytes=1000))) as sandbox:
                await body(sandbox)

        asyncio.run(opened())

    return run


def test_exit_code_and_both_streams_come_back(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        done = await sh(sandbox, "echo out; echo err >&2; exit 3")
        assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")

    inside(body)


def test_a_program_that_is_not_there_is_a_result(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        assert (await sandbox.exec(["no-such-program"])).exit_code == 127

    inside(body)


def test_every_exit_code_is_the_commands_own_and_signals_count_as_in_a_shell(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        assert (await sh(sandbox, "exit 254")).exit_code == 254
        assert (await sh(sandbox, "kill -9 $$")).exit_code == 137

    inside(body)


def test_arguments_that_no_program_can_take_are_a_result(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        done = await sandbox.exec(["sh", "-c", "a\0b"])
        assert (done.exit_code, b"null byte" in done.stderr) == (127, True)

    inside(body)


def test_a_sandbox_says_how_far_it_confines(kind: str, inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        reached = {"process": Isolation.CONFINED, "weak": Isolation.WEAK}.get(kind, Isolation.CONTAINER)
        assert (sandbox.isolation, json.loads(json.dumps(sandbox.record))["isolation"]) == (reached, reached.value)

    inside(body)


def test_candidates_find_a_python_that_lacks_outlay(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        seen = await sandbox.exec(["python3", "-c", "import sys; assert sys.version_info >= (3, 11); import outlay"])
        assert b"No module named 'outlay'" in seen.stderr

    inside(body)


def test_stdin_reaches_the_command_and_ends(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        assert (await sh(sandbox, "wc -c", stdin=b"x" * 300_000)).stdout.strip() == b"300000"
        assert (await sh(sandbox, "true", stdin=b"x" * 300_000)).exit_code == 0

    inside(body)


def test_no_secret_of_ours_is_visible(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")

    async def body(sandbox: Sandbox) -> None:
        seen = await sandbox.exec(["env"], env={"GIVEN": "yes"})
        assert b"hunter2" not in seen.stdout
        assert b"GIVEN=yes" in seen.stdout

    inside(body)


def test_the_deadline_kills_the_command_and_its_children(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        late = await sh(sandbox, "sleep 300 & echo $! > child; echo begun; sleep 300", wall_s=1)
        assert (late.exit_code, late.stdout) == (None, b"begun\n")
        assert (await sh(sandbox, ALIVE)).exit_code != 0

    inside(body)


def test_what_a_command_leaves_running_ends_with_it(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "sleep 300 >/dev/null 2>&1 & echo $! > child")
        assert (await sh(sandbox, ALIVE)).exit_code != 0

    inside(body)


def test_a_background_child_that_holds_the_output_delays_nothing(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        done = await sh(sandbox, "echo hi; sleep 300 & echo $! > child")
        assert (done.exit_code, done.stdout) == (0, b"hi\n")
        assert (await sh(sandbox, ALIVE)).exit_code != 0

    inside(body)


def test_output_is_kept_when_something_left_the_group_with_it(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        done = await sh(sandbox, "setsid sleep 15 & echo hi")
        assert (done.exit_code, done.stdout) == (0, b"hi\n")

    inside(body)


def test_cancelling_ends_the_command_and_leaves_nothing(make: SandboxMaker) -> None:
    async def body() -> None:
        async def opened() -> None:
            async with make(SandboxSpec(limits=Limits(wall_s=60))) as sandbox:
                running.append(sandbox)
                entered.set()
                await sh(sandbox, "sleep 300")

        running: list[Sandbox] = []
        entered = asyncio.Event()
        task = asyncio.create_task(opened())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises((SandboxLost, RuntimeError)):
            await sh(running[0], "true")

    asyncio.run(body())


def test_output_over_the_cap_is_counted_and_dropped(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        flood = await sh(sandbox, "yes | head -c 5000")
        assert (len(flood.stdout), flood.dropped_bytes) == (1000, 4000)

    inside(body)


def test_files_are_written_read_and_listed(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sandbox.write("a/b.txt", b"one")
        await sandbox.write("a/b.txt", b"\x00two")
        assert await sandbox.read("a/b.txt") == b"\x00two"
        await sh(sandbox, "echo hi > c; ln -s c link")
        assert list(await sandbox.list()) == ["a/b.txt", "c"]
        with pytest.raises(FileNotFoundError):
            await sandbox.read("nowhere")

    inside(body)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link", "folder/passwd", "pipe", "a/../../x", ""])
def test_only_regular_files_of_the_workspace_are_read(inside: Inside, path: str) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "ln -s /etc/passwd link; ln -s /etc folder; mkfifo pipe")
        with pytest.raises(PathRefused):
            await sandbox.read(path)

    inside(body)


def test_nothing_is_written_through_a_link(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        await sh(sandbox, "mkdir real; ln -s real folder; ln -s real/x link")
        with pytest.raises(PathRefused):
            await sandbox.write("folder/x", b"")
        await sandbox.write("link", b"a file now")
        assert (await sh(sandbox, "ls real")).stdout == b""

    inside(body)


def test_two_sandboxes_share_nothing(make: SandboxMaker) -> None:
    async def body() -> None:
        async with make() as a, make() as b:
            await a.write("x", b"")
            assert list(await b.list()) == []

    asyncio.run(body())


@pytest.mark.parametrize("kind", ["process", "weak"])
def test_a_workspace_on_this_machine_is_gone_afterwards(kind: str) -> None:
    async def body() -> Path:
        async with sandbox_maker(kind)() as sandbox:
            return Path((await sh(sandbox, "pwd")).stdout.decode().strip())

    assert not asyncio.run(body()).exists()


def test_memory_files_and_core_are_limited(make: SandboxMaker) -> None:
    async def body() -> None:
        async with make(SandboxSpec(limits=Limits(memory_bytes=300 << 20, files=64))) as sandbox:
            assert (await sh(sandbox, "ulimit -n; ulimit -c")).stdout.split() == [b"64", b"0"]
            hog = await sandbox.exec(["tail", "/dev/zero"])
            # Killed where a control group counts; told that there is no more where each process is limited.
            assert (hog.exit_code, hog.out_of_memory) in [(137, True), (1, False)]
            assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"

    asyncio.run(body())


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean docker"):
        sandbox_maker("doker")
