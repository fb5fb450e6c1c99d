"""Commands that attack their guest, their limits or us: each ends as a result or a typed error, and the next works."""

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable

import pytest

from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import PathRefused
from outlay.sandbox.guest_sandbox import GuestSandbox
from outlay.sandbox.types import PLAIN, Limits, SandboxSpec, Snapshot
from tests.sandbox.shell import sh
from tests.sandbox.test_files import archive, entry

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

FORGE = r"""
import ctypes, os, signal
spawner, outcomes = os.getppid(), []
guest = int(open(f"/proc/{spawner}/status").read().partition("PPid:")[2].split()[0])

def attempt(what, act):
    try:
        outcomes.append((what, act() or 'done'))
    except OSError as error:
        outcomes.append((what, error.strerror))

libc = ctypes.CDLL(None, use_errno=True)

def ptrace(pid):
    if libc.ptrace(16, pid, 0, 0) == -1:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

for pid in (spawner, guest, 1):
    for name in (*(f"fd/{number}" for number in range(12)), "mem", "environ", "root/etc", "cwd/etc"):
        attempt(name, lambda: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY)))
        attempt(name, lambda: os.close(os.open(f"/proc/{pid}/{name}", os.O_WRONLY)))
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCHLD) if pid != spawner else ():
        attempt(f"signal {number}", lambda: os.kill(pid, number))
    attempt("ptrace", lambda: ptrace(pid))
    attempt("score", lambda: open(f"/proc/{pid}/oom_score_adj", "w"))
print([outcome for outcome in outcomes if outcome[1] not in ("Permission denied", "Operation not permitted")])
"""


def inside(body: Callable[[GuestSandbox], Awaitable[None]], spec: SandboxSpec = PLAIN) -> None:
    """Runs a test's body in a fresh container, and a command after it: whatever was done, the sandbox must go on."""

    async def opened() -> None:
        async with docker_sandbox(spec) as sandbox:
            await body(sandbox)
            assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"

    asyncio.run(opened())


async def processes(sandbox: GuestSandbox) -> int:
    """Of the commands' user beside the one that starts them; one is the counting shell."""
    count = 'n=0; for p in /proc/[0-9]*; do test -O "$p" -a "$p" != /proc/$PPID && n=$((n+1)); done; echo $n'
    return int((await sh(sandbox, count)).stdout)


def test_a_command_can_neither_forge_an_answer_nor_touch_the_guest() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        done = await sandbox.exec(["python3", "-c", FORGE])
        assert (done.stdout, done.stderr) == (b"[]\n", b"")

    inside(body)


def test_a_command_that_kills_all_it_can_kills_only_itself() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        for signal in ("KILL", "STOP", "TERM"):
            done = await sh(sandbox, f"kill -{signal} -1; kill -{signal} $$; echo on", wall_s=5)
            assert done.exit_code in (None, 137, 143)
            assert await processes(sandbox) == 1

    inside(body)


@pytest.mark.parametrize("others", ["-1", "$PPID"])
def test_a_command_that_kills_its_starter_is_seen_to_its_end(others: str) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        watched = "until grep -q 'State:.S' /proc/$PPID/status; do :; done"  # before, nobody knows whom it started
        done = await sh(sandbox, f"{watched}; kill -KILL {others}; echo on; exit 5")
        assert (done.exit_code, done.stdout, done.killed) == (5, b"on\n", None)
        assert await processes(sandbox) == 1

    inside(body)


def test_a_command_that_stops_its_starter_costs_itself_the_rest_of_its_time() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        done = await sh(sandbox, "kill -STOP $PPID; echo on", wall_s=1)
        assert (done.killed, done.stdout) == ("deadline", b"on\n")

    inside(body)


def test_what_a_command_does_to_its_starter_does_not_reach_the_next() -> None:
    spoil = "import os, resource as r; p = os.getppid()"
    asked = "nice; ulimit -n; nproc; cat /proc/self/oom_score_adj"
    harm = "os.setpriority(0, p, 9); os.sched_setaffinity(p, {0}); r.prlimit(p, r.RLIMIT_NOFILE, (9, 9))"

    async def body(sandbox: GuestSandbox) -> None:
        before = (await sh(sandbox, asked)).stdout
        assert (await sandbox.exec(["python3", "-c", f"{spoil}; {harm}"])).exit_code == 0
        assert (await sh(sandbox, asked)).stdout == before

    inside(body)


@pytest.mark.parametrize(
    "daemon",
    [
        "setsid sleep 300 &",
        "(setsid sh -c 'sleep 300 & sleep 300' &) &",
        "setsid sh -c 'trap \"\" TERM HUP INT; sleep 300; sleep 300' >/dev/null 2>&1 &",
        "python3 -c 'import os, time\nfor _ in range(2):\n os.fork() and os._exit(0); os.setsid()\ntime.sleep(300)' &",
    ],
)
def test_what_a_command_leaves_running_ends_with_it(daemon: str) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        done = await sh(sandbox, f"{daemon}\necho hi")
        assert (done.exit_code, done.stdout, done.killed) == (0, b"hi\n", None)
        assert await processes(sandbox) == 1

    inside(body)


def test_a_command_that_ignores_signals_ends_at_its_deadline() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        done = await sh(sandbox, "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done", wall_s=1)
        assert (done.exit_code, done.killed, done.stdout) == (None, "deadline", b"begun\n")
        assert 1 <= done.wall_s < 10
        assert await processes(sandbox) == 1

    inside(body)


def test_a_fork_bomb_and_a_storm_of_zombies_end_with_their_command() -> None:
    bomb = "bomb() { bomb | bomb & }; bomb; sleep 300"
    zombies = "import os, time\nfor _ in range(40):\n os.fork() or os._exit(0)\ntime.sleep(300)"

    async def body(sandbox: GuestSandbox) -> None:
        for command in (["sh", "-c", bomb], ["python3", "-c", zombies]):
            done = await sandbox.exec(command, wall_s=2)
            assert done.killed == "deadline"
            assert await processes(sandbox) == 1

    inside(body, SandboxSpec(limits=Limits(pids=64)))


def test_a_full_disk_and_too_many_files_are_errors_of_the_command() -> None:
    flood = "i=0; while echo > f$i; do i=$((i+1)); done; echo $i"

    async def body(sandbox: GuestSandbox) -> None:
        filled = await sh(sandbox, "dd if=/dev/zero of=x bs=1M count=9; dd if=/dev/zero of=y bs=1M count=9")
        assert b"No space left" in filled.stderr
        with pytest.raises(PathRefused, match="No space left"):
            await sandbox.write("z", bytes(1 << 20))
        assert list(await sandbox.list()) == ["x", "y"]
        await sh(sandbox, "rm *")
        files = await sh(sandbox, flood)
        assert b"No space left" in files.stderr
        assert len(await sandbox.list()) == int(files.stdout) < 500
        shared = await sh(sandbox, f"cd /dev/shm && {flood}")
        assert int(shared.stdout) < 5000

    inside(body, SandboxSpec(limits=Limits(disk_bytes=16 << 20, inodes=500)))


def test_memory_that_runs_out_is_told_and_the_guest_lives() -> None:
    hog = "python3 -c 'x = bytearray(1 << 30); x[::4096] = bytes(len(x[::4096]))'"

    async def body(sandbox: GuestSandbox) -> None:
        alone = await sh(sandbox, f"exec {hog}")
        assert (alone.exit_code, alone.out_of_memory) == (137, True)
        child = await sh(sandbox, f"{hog}; echo after")
        assert (child.exit_code, child.out_of_memory) == (0, True)
        assert not (await sh(sandbox, "true")).out_of_memory

    inside(body, SandboxSpec(limits=Limits(memory_bytes=64 << 20)))


@pytest.mark.parametrize("stream", [1, 2])
def test_a_flood_of_output_is_dropped_counted_and_ended(stream: int) -> None:
    limits = Limits(output_bytes=1000, flood_bytes=1 << 30)

    async def body(sandbox: GuestSandbox) -> None:
        await sh(sandbox, "true")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = await sh(sandbox, f"yes >&{stream}")
        assert (done.killed, done.exit_code) == ("flood", None)
        assert (done.stdout, done.stderr)[stream - 1] == b"y\n" * 500
        assert done.dropped_bytes > 1 << 30
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000

    inside(body, SandboxSpec(limits=limits))


def test_names_and_output_that_are_not_utf_8_come_back_as_bytes() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        done = await sandbox.exec(["printf", os.fsdecode(b"%s"), os.fsdecode(b"\xff\xfe caf\xe9")])
        assert done.stdout == b"\xff\xfe caf\xe9"
        name = os.fsdecode(b"n\xff/\n\xe9")
        await sandbox.write(name, b"here")
        assert await sandbox.read(name) == b"here"
        assert list(await sandbox.list()) == [name]
        assert (await sandbox.exec(["cat", name])).stdout == b"here"
        assert (await sandbox.exec(["cat", "\ud800"])).exit_code == 127
        assert (await sandbox.exec(["pwd"], cwd=os.fsdecode(b"n\xff"))).stdout == b"/work/n\xff\n"

    inside(body)


def test_names_and_arguments_of_any_length_are_answered() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        await sandbox.write("x" * 255, b"")
        with pytest.raises(PathRefused, match="too long"):
            await sandbox.write("x" * 256, b"")
        assert list(await sandbox.list()) == ["x" * 255]
        for size in (200_000, 5_000_000):
            assert b"Argument list too long" in (await sandbox.exec(["echo", "x" * size])).stderr
        deep = "import os\nfor _ in range(300):\n os.mkdir('d'); os.chdir('d')"
        await sandbox.exec(["python3", "-c", deep])
        for attempt in (sandbox.manifest(), sandbox.snapshot()):
            with pytest.raises(PathRefused, match="deep"):
                await attempt

    inside(body)


def test_a_hostile_archive_changes_nothing() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        for bad in (entry("../x"), entry("/work/x"), entry("x", b"2", "/etc/passwd"), entry("x", b"1", "good")):
            with pytest.raises(PathRefused):
                await sandbox.restore(Snapshot(archive(entry("good"), bad, body=b"hello")))
        assert not await sandbox.manifest()

    inside(body)


def test_what_a_command_plants_does_not_come_out() -> None:
    socket = "import socket; socket.socket(socket.AF_UNIX).bind('d')"
    plant = f'ln -s /etc/passwd a; ln -s ../etc b; mkfifo c; ln -s e f; python3 -c "{socket}"'

    async def body(sandbox: GuestSandbox) -> None:
        await sh(sandbox, plant)
        snapshot = await sandbox.snapshot()
        await sh(sandbox, "rm *")
        await sandbox.restore(snapshot)
        assert set(await sandbox.manifest()) == {"f"}
        await sh(sandbox, "truncate -s 900M sparse")
        with pytest.raises(PathRefused, match="over"):
            await sandbox.snapshot()
        await sh(sandbox, "rm sparse; echo x > secret; chmod 0 secret")
        with pytest.raises(PathRefused, match="secret"):
            await sandbox.snapshot()
        with pytest.raises(PathRefused, match="secret"):
            await sandbox.read("secret")

    inside(body)


def test_the_clock_is_not_a_commands_to_set() -> None:
    async def body(sandbox: GuestSandbox) -> None:
        assert (await sh(sandbox, "date -s 2001-01-01")).exit_code != 0
        assert (await sh(sandbox, "true")).wall_s < 60

    inside(body)
