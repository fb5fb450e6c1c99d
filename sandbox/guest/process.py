"""The guest as a process of this machine, confined by the kernel alone; its commands more than itself.

Where it may, it has process ids, a network, queues and a root of its own. Commands can neither signal it nor open its
descriptors: it is the first process of its namespace, another user, or out of their reach by Landlock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from outlay.sandbox.guest import landlock
from outlay.sandbox.guest.command import Place
from outlay.sandbox.guest.confine import Confinement, apply
from outlay.sandbox.guest.container import forker, oom_kills, take_file_rights
from outlay.sandbox.guest.files import FOLDER_FLAGS
from outlay.sandbox.guest.launch import Launch, enter_namespaces, settle
from outlay.sandbox.guest.loop import Loop
from outlay.sandbox.guest.namespaces import end_with_parent
from outlay.sandbox.guest.program import forking
from outlay.sandbox.guest.server import Server
from outlay.sandbox.guest.sweep import killer


def main(config: dict[str, Any]) -> None:
    """Does not return. `confinement` and `namespaces` make a `Launch`; `oom_counter` is a file of our control group."""
    confinement = Confinement(**config["confinement"])
    counter = _oom_counter(config["oom_counter"])
    launch = enter_namespaces(Launch(confinement, tuple(config["namespaces"])))
    score = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    prepared = settle(launch)
    if confinement.uid is not None:
        take_file_rights(confinement.uid)
    if "pid" in launch.namespaces:
        end_with_parent()

    def enter() -> None:
        os.setsid()
        apply(prepared)

    def facts() -> dict[str, Any]:
        return {
            "python": "{}.{}.{}".format(*sys.version_info[:3]),
            "uid": confinement.uid if confinement.uid is not None else os.getuid(),
            "landlock_abi": landlock.abi(),
        }

    root = os.open(confinement.workspace, FOLDER_FLAGS)
    place = Place(root, forking(forker(score), enter), killer(launch), counter, facts)
    Server(Loop(), place).serve()


def _oom_counter(path: str | None) -> Callable[[], int]:
    """Opened before the machine's files are out of sight."""
    if path is None:
        return lambda: 0
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return lambda: oom_kills(os.pread(file, 4096, 0))
