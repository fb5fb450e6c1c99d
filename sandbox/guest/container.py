"""The guest in a container: user 0 with three capabilities, and commands that run as a user of their own.

The capabilities are SETUID and SETGID, to become that user, and KILL, to end what it started. A command can neither
signal this process nor open its descriptors or memory.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Callable, Dict

from outlay.sandbox.guest.command import Place
from outlay.sandbox.guest.files import FOLDER_FLAGS
from outlay.sandbox.guest.kernel import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl
from outlay.sandbox.guest.loop import Loop
from outlay.sandbox.guest.server import Server
from outlay.sandbox.guest.spawner import Spawner

COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Where the kernel counts, in cgroups of version 2 and 1."""
FIRST_VICTIM = b"1000"


def main(config: Dict[str, Any]) -> None:
    uid = config["uid"]
    score = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    oom_kills = oom_counter()
    take_file_rights(uid)
    prctl(PR_SET_CHILD_SUBREAPER, 1)  # a spawner's orphans come to us

    def enter() -> None:
        os.setsid()
        os.setgid(uid)
        os.setuid(uid)

    def facts() -> Dict[str, Any]:
        return {
            "python": "{}.{}.{}".format(*sys.version_info[:3]),
            "pid": os.getpid(),
            "uid": uid,
            "oom_score_adj": int(os.pread(score, 16, 0)),
        }

    root = os.open(config["workspace"], FOLDER_FLAGS)
    loop = Loop()
    spawner = Spawner(loop, forker(score), enter)
    server = Server(loop, Place(root, spawner.start, spawner.kill, oom_kills, facts))
    if config["egress_port"]:
        from outlay.sandbox.guest.tunnel import Tunnel  # its imports cost time, and few sandboxes have a way out

        Tunnel(server, config["egress_port"])
    server.serve()


def take_file_rights(uid: int) -> None:
    """From here on files are touched as the commands' user would; no file power of our own is left to be tricked."""
    libc = ctypes.CDLL(None)
    os.setgroups([])
    libc.setfsgid(uid)
    libc.setfsuid(uid)
    prctl(PR_SET_DUMPABLE, 0)
    if (libc.setfsuid(-1), libc.setfsgid(-1)) != (uid, uid):
        raise PermissionError("the file-system user could not be set")


def forker(score: int) -> Callable[[], int]:
    """Children are born as the kernel's first choice when memory is short; afterwards we are not."""
    ours = os.pread(score, 16, 0)

    def fork() -> int:
        os.pwrite(score, FIRST_VICTIM, 0)
        try:
            pid = os.fork()
        except OSError:
            os.pwrite(score, ours, 0)
            raise
        if pid:
            os.pwrite(score, ours, 0)
        return pid

    return fork


def oom_counter() -> Callable[[], int]:
    for path in COUNTERS:
        try:
            counter = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        return lambda: oom_kills(os.pread(counter, 4096, 0))
    return lambda: 0


def oom_kills(text: bytes) -> int:
    for line in text.splitlines():
        name, _, count = line.partition(b" ")
        if name == b"oom_kill":
            return int(count)
    return 0
