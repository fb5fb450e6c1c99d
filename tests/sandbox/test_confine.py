"""What the kernel's walls promise of a process sandbox, each promise tried from inside; with all of them, and with what
is left where no namespaces are to be had.
"""

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from outlay.sandbox.cgroup import writable_tree
from outlay.sandbox.errors import SandboxUnavailable
from outlay.sandbox.levels import UNCONFINED, Reached, probe
from outlay.sandbox.process import process_maker
from outlay.sandbox.types import Isolation, Limits, Sandbox, SandboxMaker, SandboxSpec
from tests.sandbox.breakout import KINDS, succeeded, tried
from tests.sandbox.shell import running, sh

Inside = Callable[[Callable[[Sandbox], Awaitable[None]]], None]
LIMITS = Limits(memory_bytes=400 << 20, pids=64, wall_s=30)

DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open("started", "w").close()
time.sleep(300)
"""
"""Detached as a daemon is, in a session of its own, with an argument to know it by."""

LIBRARY = """
import asyncio, multiprocessing, socket, sqlite3, subprocess, sys, tempfile, threading

def square(number):
    return number * number

async def child():
    process = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].strip().decode()

def main():
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(square, range(10))))
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=queue.put, args=("queued",))
    process.start()
    print(queue.get(timeout=10))
    process.join()
    print(asyncio.run(child()))
    print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout.strip())
    thread = threading.Thread(target=print, args=("thread",))
    thread.start()
    thread.join()
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        file.write(b"x")
    base = sqlite3.connect("base.db")
    base.execute("create table t (x)")
    base.execute("insert into t values (7)")
    base.commit()
    print(*base.execute("select x from t").fetchone())
    left, right = socket.socketpair()
    left.send(b"pair")
    print(right.recv(4).decode())

if __name__ == "__main__":
    main()
"""

HOGS = """
import os
for _ in range(4):
    if os.fork() == 0:
        memory = b"x" * (200 << 20)
        os.read(os.pipe()[0], 1)
os.wait()
"""
"""Four children, each within the limit; ends when the kernel has ended one of them."""

OTHER_DOOR = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20; int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""


def without_namespaces() -> Reached:
    return replace(probe(), namespaces=())


@pytest.fixture(params=[probe, without_namespaces], ids=["all walls", "no namespaces"])
def reached(request: pytest.FixtureRequest) -> Reached:
    if probe().isolation is not Isolation.CONFINED:
        pytest.skip(f"this machine does not confine: {probe().missing}")
    found: Reached = request.param()
    if not found.namespaces and found.landlock_abi < 4:
        pytest.skip("without namespaces it takes Landlock")
    return found


@pytest.fixture
def make(reached: Reached) -> SandboxMaker:
    return process_maker(reached)


@pytest.fixture
def inside(make: SandboxMaker) -> Inside:
    """Runs a test's body in a fresh sandbox."""

    def run(body: Callable[[Sandbox], Awaitable[None]]) -> None:
        async def opened() -> None:
            async with make(SandboxSpec(limits=LIMITS)) as sandbox:
                await body(sandbox)

        asyncio.run(opened())

    return run


def test_no_way_out_is_open(reached: Reached, make: SandboxMaker) -> None:
    # The machine's queues are refused, one's own may be used. Attributes of foreign files take a root of one's own.
    kinds = [kind for kind in KINDS if kind not in (("queues",) if reached.namespaces else ("attributes",))]
    met = asyncio.run(tried(make, *kinds))
    assert len(met) > 200
    assert succeeded(met) == []
    assert {error for name, error in met.items() if name.startswith(("calls", "sockets"))} == {"EPERM", "ENOSYS"}


def test_the_same_ways_are_open_where_nothing_confines() -> None:
    met = asyncio.run(tried(process_maker(UNCONFINED), "files"))
    assert {"files: read", "files: write", "files: list", "files: make a link", "files: remove"} <= set(succeeded(met))


def test_a_sandbox_neither_reads_nor_writes_anothers_files(make: SandboxMaker) -> None:
    async def body() -> None:
        async with make() as mine, make() as other:
            await other.write("secret", b"42")
            await sh(other, "chmod -R 777 .")
            folder = (await sh(other, "pwd")).stdout.decode().strip()
            for attempt in (f"cat {folder}/secret", f"ls {folder}", f"echo 1 > {folder}/secret", f"ln {folder}/secret"):
                assert (await sh(mine, attempt)).exit_code != 0
            assert (await sh(mine, f"ln -s {folder}/secret link; cat link")).exit_code != 0
            assert await other.read("secret") == b"42"

    asyncio.run(body())


def test_a_sandbox_does_not_see_anothers_commands(make: SandboxMaker) -> None:
    async def body() -> None:
        async with make() as mine, make() as other:
            waiting = asyncio.create_task(other.exec(["sh", "-c", "echo > up; sleep 300", "word-to-find"]))
            while "up" not in await other.list():
                pass
            assert running("word-to-find")
            seen = await sh(mine, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ")
            assert b"word-to-find" not in seen.stdout
            waiting.cancel()

    asyncio.run(body())


def test_commands_run_as_a_user_without_a_name_or_power(reached: Reached, inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        assert (await sh(sandbox, "id -u")).stdout.strip().decode() == str(sandbox.record["user"])
        power = await sh(sandbox, "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status")
        if reached.namespaces:
            fields = dict(line.split(":\t") for line in power.stdout.decode().splitlines())
            assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapInh"], 16) == 0
            assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")

    inside(body)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has a second and a third door")
def test_a_call_through_another_architectures_door_kills(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        sigsys = 128 + 31
        assert (await sandbox.exec(["python3", "-c", OTHER_DOOR])).exit_code == sigsys
        x32_getpid = "import ctypes; ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))"
        assert (await sandbox.exec(["python3", "-c", x32_getpid])).exit_code == sigsys

    inside(body)


def test_a_fork_bomb_is_bounded_and_the_next_command_works(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        bomb = await sh(sandbox, "f() { f | f & }; f; sleep 300", wall_s=2)
        assert bomb.killed == "deadline"
        assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"
        # As many as are allowed again: none of the bomb's are left.
        assert (await sh(sandbox, "for i in $(seq 40); do sleep 300 & done; echo all")).stdout == b"all\n"

    inside(body)


def test_a_memory_hog_is_killed_and_the_next_command_works(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        hog = await sandbox.exec(["python3", "-c", "b'x' * (1 << 30)"])
        assert hog.exit_code != 0
        assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"

    inside(body)


@pytest.mark.skipif(writable_tree() is None, reason="no control group can be made here")
def test_many_small_hogs_are_counted_together(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        assert (await sandbox.exec(["python3", "-c", HOGS])).out_of_memory
        assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"

    inside(body)


@pytest.mark.parametrize("argv", [("setsid", "python3", "-c", DAEMON), ("python3", "-c", DAEMON)])
def test_a_daemon_ends_with_the_command_that_left_it(inside: Inside, argv: tuple[str, ...]) -> None:
    async def body(sandbox: Sandbox) -> None:
        word = f"daemon-{os.getpid()}"
        done = await sh(sandbox, f"python3 -c '{DAEMON}' {word} & until test -e started; do :; done")
        assert (done.exit_code, running(word)) == (0, [])
        assert (await sandbox.exec([*argv, word])).exit_code == 0
        assert running(word) == []

    inside(body)


def test_what_ignores_every_signal_ends_at_the_deadline(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        word = f"deaf-{os.getpid()}"
        sleeper = f"exec python3 -c 'import time; time.sleep(300)' {word}"
        done = await sh(sandbox, f"trap '' HUP INT TERM; echo deaf; {sleeper}", wall_s=2)
        assert (done.killed, done.stdout, running(word)) == ("deadline", b"deaf\n", [])

    inside(body)


def test_zombies_do_not_pile_up(inside: Inside) -> None:
    async def body(sandbox: Sandbox) -> None:
        for _ in range(3):
            await sh(sandbox, "for i in $(seq 40); do (true &) ; done")
        assert (await sh(sandbox, "for i in $(seq 40); do sleep 300 & done; echo all")).stdout == b"all\n"

    inside(body)


def test_pythons_library_works() -> None:
    async def body() -> None:
        async with process_maker(probe())() as sandbox:
            await sandbox.write("main.py", LIBRARY.encode())
            done = await sandbox.exec(["python3", "main.py"])
            assert done.stderr == b""
            assert done.stdout.split() == [b"285", b"queued", b"async", b"child", b"thread", b"7", b"pair"]

    if not probe().namespaces:
        pytest.skip("shared memory of one's own takes a mount namespace")
    asyncio.run(body())


def test_temporary_files_have_a_place_and_are_gone_with_the_sandbox(make: SandboxMaker) -> None:
    async def body() -> None:
        async with make() as first, make() as second:
            assert (await sh(first, 'echo 1 > "$TMPDIR/shared"; cat "$TMPDIR/shared"')).stdout == b"1\n"
            assert (await sh(second, 'cat "$TMPDIR/shared"')).exit_code != 0
            assert list(await first.list()) == []

    asyncio.run(body())


def test_a_workspace_made_hard_to_remove_is_removed(make: SandboxMaker) -> None:
    async def body() -> Path:
        async with make() as sandbox:
            folder = Path((await sh(sandbox, "pwd")).stdout.decode().strip())
            await sh(sandbox, "mkdir -p a/b; touch a/b/c; chmod 0 a/b a")
            deep = "import os\nfor _ in range(1500):\n    os.mkdir('deep')\n    os.chdir('deep')"
            assert (await sandbox.exec(["python3", "-c", deep])).exit_code == 0
            return folder

    assert not asyncio.run(body()).exists()


def test_a_list_of_hosts_to_reach_needs_docker(make: SandboxMaker) -> None:
    async def body() -> None:
        async with make(SandboxSpec(egress=("localhost:1",))):
            pass

    with pytest.raises(SandboxUnavailable, match="--sandbox docker"):
        asyncio.run(body())
