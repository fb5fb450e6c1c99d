"""Each flag of a container, read back from inside; what the system-call filter refuses is in `test_seccomp.py`."""

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from outlay.sandbox.types import Limits, SandboxSpec
from tests.sandbox.box import Box, open_box

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

LIMITS = Limits(memory_bytes=256 << 20, cpus=0.5, pids=64, files=100, disk_bytes=32 << 20, inodes=2000)
SECRET = "hunter2-of-the-host"
FILL = """
import errno, os, sys
made = 0
try:
    for made in range(60_000): open(f"{sys.argv[1]}/fill{made}", "x").close()
except OSError as error: print(errno.errorcode[error.errno], made)
finally:
    for name in os.listdir(sys.argv[1]):
        if name.startswith("fill"): os.unlink(f"{sys.argv[1]}/{name}")
"""
WRITE = """
import errno, os, sys
path, written = sys.argv[1] + "/large", 0
try:
    with open(path, "wb", buffering=0) as file:
        while written < 1 << 30: written += file.write(bytes(1 << 20))
except OSError as error: print(errno.errorcode[error.errno], written)
finally: os.unlink(path)
"""
FORKS = """
import os, signal
children = []
try:
    for _ in range(300):
        child = os.fork()
        if not child: signal.pause()
        children.append(child)
except BlockingIOError: print(len(children))
for child in children: os.kill(child, signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def box(docker_engine: None) -> Iterator[Box]:  # noqa: ARG001
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTLAY_TEST_SECRET", SECRET)
        with open_box(SandboxSpec(limits=LIMITS)) as opened:
            yield opened


@pytest.fixture(scope="module")
def other(docker_engine: None) -> Iterator[Box]:  # noqa: ARG001
    with open_box(SandboxSpec(limits=LIMITS)) as opened:
        yield opened


def status(box: Box) -> dict[str, str]:
    """Of a command's process."""
    return dict(re.findall(r"^(\w+):\t(.*)$", box.text("cat /proc/self/status"), re.MULTILINE))


def cgroup(box: Box, version_1: str, version_2: str) -> str:
    return box.text(f"cat /sys/fs/cgroup/{version_1} 2>/dev/null || cat /sys/fs/cgroup/{version_2}")


def mounts(box: Box) -> dict[str, tuple[str, set[str]]]:
    """File system type and options of each mount point."""
    lines = [line.split(" - ") for line in box.text("cat /proc/self/mountinfo").splitlines()]
    return {
        left.split()[4]: (right.split()[0], set(left.split()[5].split(",")) | set(right.split()[2].split(",")))
        for left, right in lines
    }


def test_commands_are_not_root_and_no_group_helps_them(box: Box) -> None:
    seen = status(box)
    (user,), (group,) = set(seen["Uid"].split()), set(seen["Gid"].split())
    assert "0" not in (user, group)
    assert not set(seen["Groups"].split()) - {group}


def test_commands_have_no_capability_and_gain_none(box: Box) -> None:
    seen = status(box)
    assert {seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    setgid, setuid, kill = 6, 7, 5
    assert int(seen["CapBnd"], 16) & ~(1 << setgid | 1 << setuid | 1 << kill) == 0
    assert seen["NoNewPrivs"] == "1"


def test_commands_run_under_a_system_call_filter(box: Box) -> None:
    assert status(box)["Seccomp"] == "2"


def test_there_is_no_network_but_the_loopback(box: Box) -> None:
    assert box.text("ls /sys/class/net") == "lo"
    assert box.text("wc -l < /proc/net/route") == "1"  # the heading alone


def test_what_listens_on_the_hosts_loopback_is_out_of_reach(box: Box) -> None:
    connect = "import socket; print(socket.socket({}).connect_ex({!r}))"
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert box.python(connect.format("", server.getsockname())) == "111"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(f"\0outlay-test-{os.getpid()}")
        server.listen()
        name = server.getsockname().decode()
        assert box.python(connect.format("socket.AF_UNIX", name)) == "111"


def test_the_root_file_system_is_read_only(box: Box) -> None:
    assert "ro" in mounts(box)["/"][1]
    assert b"Read-only" in box.sh("touch /etc/x /usr/x").stderr


@pytest.mark.parametrize("folder", ["/work", "/tmp", "/dev/shm"])
def test_what_can_be_written_holds_no_device_and_grants_nothing(box: Box, folder: str) -> None:
    kind, options = mounts(box)[folder]
    assert kind == "tmpfs"
    assert {"nosuid", "nodev"} <= options


def test_nothing_else_can_be_written(box: Box) -> None:
    folders = box.text("find / -type d -writable -not -path '/proc/*' 2>/dev/null || true")
    tops = {folder for folder in folders.split() if not folder.startswith(("/work/", "/tmp/", "/dev/shm/"))}
    assert tops <= {"/work", "/tmp", "/dev/shm", "/dev/mqueue"}


@pytest.mark.parametrize(("folder", "most"), [("/work", 2000), ("/tmp", 16_384), ("/dev/shm", 4096)])
def test_files_are_limited_in_number(box: Box, folder: str, most: int) -> None:
    done = box.exec("python3", "-c", FILL, folder)
    error, made = done.stdout.decode().split()
    assert error == "ENOSPC"
    assert most - 100 <= int(made) <= most


@pytest.mark.parametrize(("folder", "most"), [("/work", 32 << 20), ("/tmp", 64 << 20), ("/dev/shm", 64 << 20)])
def test_files_are_limited_in_size(box: Box, folder: str, most: int) -> None:
    done = box.exec("python3", "-c", WRITE, folder)
    error, written = done.stdout.decode().split()
    assert error in ("ENOSPC", "EFBIG")  # by the folder, or by the limit on one file
    assert int(written) <= most


def test_processes_are_limited_in_number(box: Box) -> None:
    assert cgroup(box, "pids/pids.max", "pids.max") == "64"
    assert int(box.python(FORKS)) < 64


def test_memory_is_limited_and_not_swapped(box: Box) -> None:
    assert cgroup(box, "memory/memory.limit_in_bytes", "memory.max") == str(256 << 20)
    host = box.attrs["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 256 << 20
    assert box.exec("python3", "-c", "b'x' * (400 << 20)").exit_code == 137
    assert box.text("echo alive") == "alive"


def test_commands_go_before_the_guest_when_memory_is_short(box: Box) -> None:
    guest = box.text("sed -n 's/PPid:[[:space:]]*//p' /proc/$PPID/status")
    assert box.text(f"cat /proc/self/oom_score_adj /proc/{guest}/oom_score_adj").split() == ["1000", "0"]


def test_processors_are_limited(box: Box) -> None:
    quota, period = cgroup(box, "cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us", "cpu.max").split()
    assert int(quota) / int(period) == 0.5


@pytest.mark.parametrize(("name", "most"), [("NOFILE", 100), ("CORE", 0), ("FSIZE", 32 << 20), ("NPROC", 4096)])
def test_a_process_is_limited_and_cannot_raise_it(box: Box, name: str, most: int) -> None:
    assert box.python(f"import resource; print(resource.getrlimit(resource.RLIMIT_{name}))") == str((most, most))


def test_the_name_says_nothing_of_the_host(box: Box) -> None:
    assert box.text("hostname") == "sandbox" != socket.gethostname()


@pytest.mark.parametrize("namespace", ["ipc", "mnt", "net", "pid", "uts"])
def test_namespaces_are_shared_with_nobody(box: Box, other: Box, namespace: str) -> None:
    """Abstract Unix sockets belong to the network's, System V objects to the IPC namespace."""
    host = str(Path(f"/proc/self/ns/{namespace}").readlink())
    inside = [one.text(f"readlink /proc/self/ns/{namespace}") for one in (box, other)]
    assert len({host, *inside}) == 3


def test_shared_memory_is_shared_with_nobody(box: Box, other: Box) -> None:
    box.text("echo mine > /dev/shm/note")
    assert other.text("ls /dev/shm") == ""


def test_system_v_memory_ends_with_its_command(box: Box) -> None:
    made, gone = "shmat(c.shmget(77, 4096, 0o1600), 0, 0) != -1", "shmget(77, 4096, 0) == -1"
    box.python(f"import ctypes; c = ctypes.CDLL(None); assert c.{made}")
    box.python(f"import ctypes; c = ctypes.CDLL(None); assert c.{gone}")
    assert box.text("cat /proc/sys/kernel/shmall") == str((64 << 20) // 4096)


def test_two_sandboxes_are_two_users(box: Box, other: Box) -> None:
    assert box.text("id -u") != other.text("id -u")


def test_the_environment_holds_nothing_of_the_host(box: Box) -> None:
    seen = dict(line.split("=", 1) for line in box.text("env").splitlines())
    assert set(seen) <= {"PATH", "HOME", "TMPDIR", "LANG", "PWD", "HOSTNAME", "PYTHONDONTWRITEBYTECODE"}
    everywhere = "cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'"
    assert SECRET not in box.text(everywhere)
    assert SECRET not in json.dumps(box.attrs)


def test_no_socket_of_the_engine_is_inside(box: Box) -> None:
    assert box.text("find / -name 'docker*.sock' -o -name 'containerd*.sock' 2>/dev/null || true") == ""


def test_nothing_of_the_host_is_mounted_but_the_engines_own_files(box: Box) -> None:
    virtual = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"}
    real = {point: options for point, (kind, options) in mounts(box).items() if kind not in virtual}
    assert set(real) - {"/sbin/docker-init", "/usr/sbin/docker-init"} == {
        "/",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/resolv.conf",
    }
    assert all("ro" in options for options in real.values())


@pytest.mark.parametrize("point", ["/sys", "/proc/sys", "/proc/irq", "/proc/bus"])
def test_the_kernels_knobs_are_read_only(box: Box, point: str) -> None:
    assert "ro" in mounts(box)[point][1]


@pytest.mark.parametrize("path", ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"])
def test_a_knob_cannot_be_turned(box: Box, path: str) -> None:
    """Nothing is written: opening is refused."""
    assert box.sh(f": > {path}").exit_code != 0


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list"])
def test_what_tells_of_the_machine_is_masked(box: Box, path: str) -> None:
    assert box.text(f"head -c 1 {path} 2>/dev/null | wc -c") == "0"


def test_no_device_can_be_made(box: Box) -> None:
    assert box.sh("mknod /work/device c 1 5").exit_code != 0
    names = set(box.text("find /dev -type c -printf '%f '").split())
    assert names <= {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}


def test_the_engine_keeps_no_log_and_removes_the_container_itself(box: Box) -> None:
    host, config = box.attrs["HostConfig"], box.attrs["Config"]
    assert (host["LogConfig"]["Type"], host["AutoRemove"], config["StdinOnce"]) == ("none", True, True)
    assert (host["Privileged"], host["Binds"], host["PidMode"], host["UsernsMode"]) == (False, None, "", "")


def test_init_reaps_what_commands_leave(box: Box) -> None:
    assert Path(box.text("cat /proc/1/comm")).name in ("docker-init", "tini")
    box.text("for i in $(seq 20); do (true &) ; done")
    assert "Z" not in box.text("cut -d' ' -f3 /proc/[0-9]*/stat 2>/dev/null || true").split()
