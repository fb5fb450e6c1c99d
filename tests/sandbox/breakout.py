"""Ways out of a sandbox that are tried from inside, on targets that the caller made and opened to every user.

`python -m tests.sandbox.breakout KINDS` prints how each went in a process sandbox, for a user without a test runner.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outlay.sandbox.guest.syscalls import IPC, REFUSED, here
from outlay.sandbox.types import SandboxMaker

INSIDE = r"""
import ctypes, errno, json, os, socket, stat, sys

targets = json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)
file, folder, ours = targets["file"], targets["folder"], os.getcwd()
climb = "../" * 20


def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments or [0] * 6)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def through(link, target):
    os.symlink(target, link)
    open(link).close()


def hard(name):
    os.link(file, name)
    open(name).close()


def sight(place, names):
    if not set(names) & set(os.listdir(place)):
        raise FileNotFoundError(errno.ENOENT, place)


def new_namespace():
    clone_newuser, sigchld = 0x10000000, 17
    call(targets["clone"], clone_newuser | sigchld, 0, 0, 0, 0)
    os._exit(0)


open("mine", "w").close()
tried = {
    "files: read": lambda: open(file).close(),
    "files: write": lambda: open(file, "r+").close(),
    "files: append": lambda: open(file, "a").close(),
    "files: truncate": lambda: os.truncate(file, 0),
    "files: remove": lambda: os.unlink(file),
    "files: rename": lambda: os.rename(file, file + "2"),
    "files: list": lambda: os.listdir(folder),
    "files: make a folder": lambda: os.mkdir(folder + "/made"),
    "files: make a link": lambda: os.symlink("x", folder + "/link"),
    "files: move ours out": lambda: os.rename("mine", folder + "/mine"),
    "files: through a symbolic link": lambda: through("link", file),
    "files: through a link to a folder": lambda: through("links", folder) or os.listdir("links"),
    "files: through a hard link": lambda: hard("hard"),
    "files: climb": lambda: open(climb + file).close(),
    "files: through our root in /proc": lambda: open("/proc/self/root" + file).close(),
    "files: through our parent's root": lambda: open(f"/proc/{os.getppid()}/root" + file).close(),
    "files: through our parent's folder": lambda: os.listdir(f"/proc/{os.getppid()}/cwd"),
    "files: write passwd": lambda: open("/etc/passwd", "a").close(),
    "files: read shadow": lambda: open("/etc/shadow").close(),
    "files: see the home folder": lambda: sight(targets["home"], targets["in_home"]),
    "files: read outlay": lambda: open(targets["outlay"]).close(),
    "files: make a device": lambda: os.mknod("device", stat.S_IFCHR | 0o666, os.makedev(1, 1)),
    "files: read memory": lambda: open("/dev/mem", "rb").close(),
    "files: set the core pattern": lambda: open("/proc/sys/kernel/core_pattern", "w").close(),
    "files: press a system key": lambda: open("/proc/sysrq-trigger", "w").close(),
    "attributes: open up": lambda: os.chmod(file, 0o777),
    "attributes: backdate": lambda: os.utime(file),
    "attributes: tag": lambda: os.setxattr(file, "user.x", b"x"),
    "processes: signal a stranger": lambda: os.kill(targets["stranger"], 0),
    "processes: end our parent": lambda: os.kill(os.getppid(), 9),
    "processes: our parent's memory": lambda: open(f"/proc/{os.getppid()}/mem", "rb").close(),
    "processes: our parent's output": lambda: open(f"/proc/{os.getppid()}/fd/1", "wb").close(),
    "processes: our parent's environment": lambda: open(f"/proc/{os.getppid()}/environ", "rb").close(),
    "processes: a stranger's command": lambda: open(f"/proc/{targets['stranger']}/cmdline", "rb").close(),
    "processes: a stranger's limits": lambda: call(targets["prlimit64"], targets["stranger"], 7, 0, 0),
    "calls: clone into a new namespace": new_namespace,
    "calls: clone3": lambda: call(targets["clone3"]),
}
for group in ("calls", "queues"):
    tried |= {f"{group}: {name}": lambda number=number: call(number) for name, number in targets[group].items()}
tried |= {
    f"sockets: {family} {kind}": lambda family=family, kind=kind: socket.socket(family, kind).close()
    for family in range(1, 46)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
}
why = {}
for name, attempt in tried.items():
    if name.partition(":")[0] not in targets["kinds"]:
        continue
    try:
        attempt()
        why[name] = None
    except OSError as error:
        why[name] = errno.errorcode.get(error.errno, str(error))
json.dump(why, sys.stdout)
"""


KINDS = ("files", "attributes", "processes", "calls", "queues", "sockets")
Met = Mapping[str, str | None]


async def tried(make: SandboxMaker, *kinds: str) -> Met:
    """The error that met each attempt; None where it met none. The sandbox must outlive them all."""
    with _targets() as found:
        targets = {**found, "kinds": kinds}
        async with make() as sandbox:
            done = await sandbox.exec(["python3", "-c", INSIDE], stdin=json.dumps(targets).encode())
            assert (done.exit_code, done.stderr) == (0, b""), done
            assert (await sandbox.exec(["echo", "alive"])).stdout == b"alive\n"
        met: Met = json.loads(done.stdout)
        return met


def succeeded(met: Met) -> list[str]:
    """Attempts that nothing stopped."""
    return [name for name, error in met.items() if error is None]


@contextmanager
def _targets() -> Iterator[dict[str, Any]]:
    machine = here()
    assert machine is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "outside"
        folder.mkdir()
        (folder / "file").write_text("secret")
        for place, mode in ((Path(name), 0o755), (folder, 0o777), (folder / "file", 0o666)):
            place.chmod(mode)
        yield {
            "file": str(folder / "file"),
            "folder": str(folder),
            "home": str(Path.home()),
            "in_home": _names_in(Path.home()),
            "outlay": str(Path(__file__).resolve().parents[2] / "sandbox" / "types.py"),
            "stranger": os.getpid(),
            "calls": {call: machine.numbers[call] for call in REFUSED if call in machine.numbers},
            "queues": {call: machine.numbers[call] for call in IPC},
            **{call: machine.numbers[call] for call in ("clone", "clone3", "prlimit64")},
        }


def _names_in(home: Path) -> list[str]:
    """But for where the interpreter may lie."""
    try:
        return [inner.name for inner in home.iterdir() if not Path(sys.base_prefix).is_relative_to(inner)]
    except OSError:
        return []


if __name__ == "__main__":
    from outlay.sandbox.choose import sandbox_maker

    json.dump(asyncio.run(tried(sandbox_maker("process"), *sys.argv[1:])), sys.stdout)
