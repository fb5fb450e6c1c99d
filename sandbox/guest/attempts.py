"""Tries to break out: what `levels.probe` runs where a command would run, to prove that it cannot."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from outlay.sandbox.guest import landlock
from outlay.sandbox.guest.confine import Confinement, apply
from outlay.sandbox.guest.launch import Launch, enter_namespaces, settle
from outlay.sandbox.guest.namespaces import possible

FORKS = 100
"""Of the fork bomb."""


def main(question: dict[str, Any]) -> None:
    """Given a `Confinement` and what to aim at, prints how each attempt went and what the kernel gave, as JSON."""
    confinement = Confinement(**question["confinement"])
    names = possible() if question["with_namespaces"] else ()
    # Who needs a user namespace for the others cannot become another user in it.
    uid = None if "user" in names else confinement.uid
    confinement = confinement._replace(uid=uid, ipc="ipc" in names)
    launch = enter_namespaces(Launch(confinement, names))
    prepared = settle(launch)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        apply(prepared)
        os.chdir(confinement.workspace)
        os.write(writing, json.dumps(_tried(question["targets"])).encode())
        os._exit(0)
    os.close(writing)
    told = os.read(reading, 1 << 16)
    os.waitpid(child, 0)
    if not told:
        sys.exit(1)  # the child has said why
    facts = {"namespaces": names, "uid": uid, "landlock_abi": landlock.abi(), "seccomp": prepared.seccomp is not None}
    print(json.dumps({"refused": json.loads(told), **facts}))


def _tried(targets: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each attempt was refused."""
    attempts: dict[str, Callable[[], object]] = {
        "write": lambda: os.open(targets["file"], os.O_WRONLY),
        "truncate": lambda: os.truncate(targets["file"], 0),
        "create": lambda: os.mkdir(targets["folder"] + "/made"),
        "remove": lambda: os.unlink(targets["file"]),
        "read": lambda: os.open(targets["file"], os.O_RDONLY),
        "list": lambda: os.listdir(targets["folder"]),
        "home": lambda: _sight(targets["home"], targets["in_home"]),
        "attributes": lambda: os.chmod(targets["file"], 0o600),
        "tcp": lambda: socket.create_connection(("127.0.0.1", targets["tcp"]), timeout=1),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", targets["udp"])),
        "unix": lambda: _unix(targets["unix"]),
        "abstract": lambda: _unix("\0" + targets["abstract"]),
        "signal": lambda: _signal(targets["pid"], targets["pid_namespace"]),
        "watcher": lambda: _signal(os.getppid(), targets["pid_namespace"]),
        "ptrace": lambda: _ptrace(os.getppid()),
    }
    return {name: _refused(attempt) for name, attempt in attempts.items()} | {"forks": _forks() < FORKS}


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _sight(folder: str, names: list[str]) -> None:
    """The folder itself may be there, as the way to an interpreter that lies in it."""
    if not set(names) & set(os.listdir(folder)):
        raise FileNotFoundError(folder)


def _unix(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(address)


def _signal(pid: int, pid_namespace: str) -> None:
    """In a process namespace of our own, no number names a process outside, and none inside can end the first."""
    try:
        elsewhere = os.readlink("/proc/self/ns/pid") != pid_namespace
    except OSError:
        elsewhere = False
    if elsewhere:
        raise ProcessLookupError(pid)
    os.kill(pid, 0)


def _ptrace(pid: int) -> None:
    attach = 16
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(attach, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _forks() -> int:
    """How many children could be had at once, up to `FORKS`."""
    children: list[int] = []
    try:
        while len(children) < FORKS:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError:
        pass
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)
