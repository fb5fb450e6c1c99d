"""What a process sandbox costs and leaves: nothing until it runs something, and nothing afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outlay.sandbox.choose import process_lack, sandbox_maker
from outlay.sandbox.errors import PathRefused, SandboxLost
from tests.sandbox.shell import running, sh

RUNNER = """
import asyncio, os, sys
from outlay.sandbox.choose import sandbox_maker

async def main():
    async with sandbox_maker(sys.argv[1])() as sandbox:
        asyncio.create_task(sandbox.exec(["sh", "-c", "echo > up; setsid sleep 300 & sleep 300", sys.argv[2]]))
        while "up" not in await sandbox.list():
            pass
        print(sandbox.workspace, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
ONE_MORE = """
import asyncio, sys
from outlay.sandbox.choose import sandbox_maker

async def main():
    async with sandbox_maker(sys.argv[1])():
        pass

asyncio.run(main())
"""


@pytest.fixture(params=["process", "weak"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "process" and (lack := process_lack()):
        pytest.skip(str(lack))
    return str(request.param)


def wait_until_gone(word: str) -> None:
    until = time.monotonic() + 10
    while running(word):
        assert time.monotonic() < until


def test_a_runner_that_is_killed_leaves_no_command_and_after_the_next_no_file(kind: str) -> None:
    word = f"killed-{os.getpid()}-{kind}"
    with subprocess.Popen([sys.executable, "-c", RUNNER, kind, word], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        workspace = Path(runner.stdout.readline().strip())
        assert running(word)
        os.kill(runner.pid, signal.SIGKILL)
    wait_until_gone(word)
    assert workspace.exists()
    subprocess.run([sys.executable, "-c", ONE_MORE, kind], check=True)
    assert not workspace.exists()
    assert not workspace.parent.exists()


def test_the_next_runner_leaves_alone_what_is_in_use(kind: str) -> None:
    async def body() -> None:
        async with sandbox_maker(kind)() as sandbox:
            await sandbox.write("kept", b"1")
            await asyncio.to_thread(subprocess.run, [sys.executable, "-c", ONE_MORE, kind], check=True)
            assert await sandbox.read("kept") == b"1"
            assert (await sh(sandbox, "cat kept")).stdout == b"1"

    asyncio.run(body())


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_when_its_process_is_killed_the_sandbox_is_lost_and_its_commands_end() -> None:
    if lack := process_lack():
        pytest.skip(str(lack))
    word = f"lost-{os.getpid()}"

    async def body() -> None:
        before = children()
        async with sandbox_maker("process")() as sandbox:
            running_command = asyncio.create_task(sandbox.exec(["sh", "-c", "echo > up; sleep 300", word]))
            while "up" not in await sandbox.list():
                pass
            for child in set(children()) - set(before):
                os.kill(int(child), signal.SIGKILL)
            with pytest.raises(SandboxLost):
                await running_command
            with pytest.raises(SandboxLost):
                await sh(sandbox, "true")

    asyncio.run(body())
    wait_until_gone(word)


def test_a_sandbox_that_runs_nothing_starts_nothing(kind: str) -> None:
    async def body() -> None:
        before = children()
        async with sandbox_maker(kind)() as sandbox:
            await sandbox.write("a", b"1")
            assert (await sandbox.read("a"), list(await sandbox.list())) == (b"1", ["a"])
            assert children() == before

    asyncio.run(body())


def test_nothing_is_left_in_this_process(kind: str) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def use() -> None:
        async with sandbox_maker(kind)() as sandbox:
            await sh(sandbox, "echo x > x")
            await sandbox.snapshot()

    async def body() -> None:
        await use()
        before = open_files()
        for _ in range(5):
            await use()
        assert open_files() == before

    asyncio.run(body())


def test_commands_inherit_three_streams_and_nothing_else(kind: str) -> None:
    program = "import os\nfor fd in range(3, 1000):\n    try: os.fstat(fd)\n    except OSError: continue\n    print(fd)"

    async def body() -> None:
        async with sandbox_maker(kind)() as sandbox:
            assert (await sandbox.exec(["python3", "-c", program])).stdout == b""

    asyncio.run(body())


def test_what_is_written_from_here_belongs_to_the_commands_and_the_other_way_round(kind: str) -> None:
    async def body() -> None:
        async with sandbox_maker(kind)() as sandbox:
            await sandbox.write("folder/ours", b"1")
            assert (
                await sh(sandbox, "echo 2 >> folder/ours; echo 3 > folder/theirs; chmod 600 folder/*")
            ).exit_code == 0
            assert await sandbox.read("folder/ours") == b"12\n"
            await sandbox.write("folder/theirs", b"4")
            async with sandbox_maker(kind)(start=await sandbox.snapshot()) as fork:
                assert (await sh(fork, "cat folder/*; echo 5 > folder/theirs")).stdout == b"12\n4"
            assert await sandbox.read("folder/theirs") == b"4"

    asyncio.run(body())


def test_what_a_command_may_not_read_is_not_read_for_it() -> None:
    if lack := process_lack():
        pytest.skip(str(lack))

    async def body() -> None:
        async with sandbox_maker("process")() as sandbox:
            await sh(sandbox, "echo 1 > closed; chmod 0 closed")
            with pytest.raises(PathRefused):
                await sandbox.read("closed")

    asyncio.run(body())


def moved(folder: Path, target: Path) -> Path:
    return folder.rename(target)


def test_a_workspace_that_is_gone_is_a_lost_sandbox(kind: str) -> None:
    async def body() -> None:
        async with sandbox_maker(kind)() as sandbox:
            folder = Path((await sh(sandbox, "pwd")).stdout.decode().strip())
            elsewhere = moved(folder, folder.with_name("elsewhere"))
            with pytest.raises(SandboxLost):
                await sandbox.read("x")
            with pytest.raises(SandboxLost):
                await sh(sandbox, "true")
            moved(elsewhere, folder)

    asyncio.run(body())


def test_a_terminal_can_be_had_and_is_nobody_elses() -> None:
    if process_lack():
        pytest.skip("this machine does not confine")

    async def body() -> None:
        async with sandbox_maker("process")() as sandbox:
            if not sandbox.record["namespaces"]:
                pytest.skip("terminals of one's own take a mount namespace")
            seen = await sandbox.exec(["python3", "-c", "import pty; pty.spawn(['tty'])"])
            assert seen.stdout.strip() == b"/dev/pts/0"

    asyncio.run(body())
