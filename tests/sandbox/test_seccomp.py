"""The system-call filter: what it refuses, and that ordinary programs do not notice it."""

import errno
import json
from collections.abc import Iterator

import pytest

from outlay.sandbox.seccomp import profile
from outlay.sandbox.types import SandboxSpec
from tests.sandbox.box import Box, open_box

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

CALL = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall({numbers}[platform.machine()], *map(ctypes.c_ulong, {arguments})), ctypes.get_errno())
"""
SOCKETS = """
import socket
for kind in (1, 2, 3, 5):
    try: socket.socket({family}, kind, {protocol})
    except PermissionError: print("refused")
"""
NUMBERS = {
    # name: (x86_64, aarch64); without a filter, calls with these arguments would fail otherwise or succeed
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsopen": (430, 430),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "swapon": (167, 224),
    "sync": (162, 81),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "userfaultfd": (323, 282),
}
NEW_USER = 0x10000000
SIGCHLD = 17
AF = {"appletalk": 5, "netlink": 16, "packet": 17, "tipc": 30, "bluetooth": 31, "alg": 38, "vsock": 40, "xdp": 44}
INTERRUPT_80 = """
import ctypes, mmap, platform
assert platform.machine() == "x86_64"
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
"""
ASYNCIO = """
import asyncio

async def main():
    async def echo(reader, writer):
        writer.write(await reader.read(5))
        writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello")
    print((await reader.read()).decode())
    writer.close()
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print((await child.communicate(b"child"))[0].decode())
    print(await asyncio.to_thread(lambda: "thread"))
    server.close()

asyncio.run(main())
"""
PROCESSES = """
import multiprocessing
from multiprocessing import shared_memory

if __name__ == "__main__":
    for how in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(how).Pool(2) as pool: print(how, sum(pool.map(abs, range(-9, 0))))
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.close()
    block.unlink()
"""
LIBRARY = """
import mmap, os, signal, socket, sqlite3, subprocess, tempfile, threading, time
os.mkfifo("pipe"); os.unlink("pipe")
os.close(os.eventfd(0)); os.close(os.memfd_create("x")); os.close(os.pidfd_open(os.getpid()))
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
assert socket.getaddrinfo("localhost", 80)
sqlite3.connect("base.db").execute("create table t (x)"); os.unlink("base.db")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.sigwait({signal.SIGALRM})
assert len(os.sched_getaffinity(0)) > 0
os.setpriority(os.PRIO_PROCESS, 0, 5)
with tempfile.TemporaryFile() as file, mmap.mmap(-1, 4096) as page: os.fsync(file.fileno()); page.flush()
assert subprocess.run(["sh", "-c", "kill -TERM $$"]).returncode == -15
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
"""


@pytest.fixture(scope="module")
def box(docker_engine: None) -> Iterator[Box]:  # noqa: ARG001
    with open_box(SandboxSpec()) as opened:
        yield opened


def called(box: Box, numbers: tuple[int, int], *arguments: int) -> tuple[int, int]:
    """What a system call returns, and its errno."""
    by_machine = dict(zip(("x86_64", "aarch64"), numbers, strict=True))
    result, error = box.python(CALL.format(numbers=by_machine, arguments=arguments or (0, 0, 0, 0, 0))).split()
    return int(result), int(error)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_system_call_that_no_program_here_needs_is_refused(box: Box, name: str) -> None:
    result, error = called(box, NUMBERS[name])
    assert (result, error) in ((-1, errno.EPERM), (-1, errno.ENOSYS))


def test_clone3_looks_absent_so_that_programs_fall_back_to_clone(box: Box) -> None:
    assert called(box, (435, 435)) == (-1, errno.ENOSYS)
    assert box.python("import threading; t = threading.Thread(target=print, args=('ran',)); t.start(); t.join()")


def test_no_namespace_is_made(box: Box) -> None:
    assert called(box, (56, 220), NEW_USER | SIGCHLD, 0, 0, 0, 0) == (-1, errno.EPERM)
    assert called(box, (272, 97), NEW_USER) == (-1, errno.EPERM)


def test_randomised_addresses_stay_on(box: Box) -> None:
    no_randomisation = 0x0040000
    assert called(box, (135, 92), no_randomisation) == (-1, errno.EPERM)
    assert called(box, (135, 92), 0xFFFFFFFF)[0] == 0  # asking is allowed


@pytest.mark.parametrize("family", AF)
def test_a_socket_of_another_family_is_refused(box: Box, family: str) -> None:
    assert box.python(SOCKETS.format(family=AF[family], protocol=0)).split() == ["refused"] * 4


@pytest.mark.parametrize("family", ["socket.AF_INET", "socket.AF_INET6"])
@pytest.mark.parametrize("protocol", [1, 132, 136, 262], ids=["icmp", "sctp", "udplite", "mptcp"])
def test_an_internet_socket_speaks_tcp_or_udp(box: Box, family: str, protocol: int) -> None:
    assert box.python(SOCKETS.format(family=family, protocol=protocol)).split() == ["refused"] * 4


def test_a_family_cannot_hide_in_the_upper_half_of_an_argument(box: Box) -> None:
    """The kernel reads the lower 32 bits, the filter all 64."""
    assert called(box, (41, 198), 1 << 32 | AF["vsock"], 1, 0) == (-1, errno.EPERM)


def test_a_caller_of_32_bit_system_calls_is_killed(box: Box) -> None:
    if box.text("uname -m") != "x86_64":
        pytest.skip("only there a program can mix both")
    assert box.exec("python3", "-c", INTERRUPT_80).exit_code in (128 + 31, 128 + 11)  # filtered, or not in this kernel


def test_asyncio_does_not_notice(box: Box) -> None:
    assert box.python(ASYNCIO).split() == ["hello", "child", "thread"]


def test_processes_threads_and_shared_memory_do_not_notice(box: Box) -> None:
    box.portal.call(box.sandbox.write, "pools.py", PROCESSES.encode())
    assert box.text("python3 pools.py").split() == ["fork", "45", "spawn", "45", "forkserver", "45"]


def test_the_standard_library_does_not_notice(box: Box) -> None:
    box.python(LIBRARY)


def test_interface_lists_are_refused_politely(box: Box) -> None:
    done = box.exec("python3", "-c", "import socket; socket.if_nameindex()")
    assert b"PermissionError" in done.stderr


@pytest.mark.parametrize(
    ("needed", "command"),
    [
        ("git --version", "git init -q . && touch a && git add a && git -c user.name=n -c user.email=e commit -qm m"),
        ("git --version", "git init -q one && git clone -q one two && git -C two gc -q"),
        ("gcc --version", "echo 'int main(void) { return 0; }' > a.c && gcc a.c -o a.out && ./a.out"),
        ("python3 -c 'import numpy'", "python3 -c 'import numpy; numpy.linalg.inv(numpy.eye(300) * 2)'"),
        ("python3 -c 'import pytest'", "echo 'def test_it(tmp_path): pass' > test_it.py && python3 -m pytest -q"),
    ],
)
def test_the_usual_tools_do_not_notice(box: Box, needed: str, command: str) -> None:
    if box.sh(needed).exit_code != 0:
        pytest.skip(f"not in this image: {needed}")
    done = box.sh(f"cd $(mktemp -d -p .) && {command}")
    assert done.exit_code == 0, done.stderr.decode()


def test_the_profile_allows_by_name_and_refuses_the_rest() -> None:
    written = json.loads(profile())
    assert written["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(entry["comment"] and entry["names"] for entry in written["syscalls"])
    assert all(not each["subArchitectures"] for each in written["archMap"])
