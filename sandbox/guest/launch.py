"""Takes a fresh process to the place where a sandbox's commands are started, before the first of them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from outlay.sandbox.guest.capabilities import KILL, SETGID, SETUID, capset
from outlay.sandbox.guest.confine import Confinement, Prepared, prepare
from outlay.sandbox.guest.kernel import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, call, prctl
from outlay.sandbox.guest.namespaces import become_first, isolate
from outlay.sandbox.guest.root import MACHINE_FILES, OWN_FOLDERS, TERMINALS, enter_root


class Launch(NamedTuple):
    """How a sandbox's own process confines itself, and then its commands."""

    confinement: Confinement
    namespaces: tuple[str, ...] = ()
    """As `namespaces.possible` found them."""


def enter_namespaces(launch: Launch) -> Launch:
    """Returns, in the process that is to start commands, what to `settle` with. Raises `OSError`.

    That is another process than the calling one where it gets process ids of its own; the calling one then only waits
    for it.
    """
    confinement = launch.confinement._replace(processes=_process_limit(launch))
    isolate(launch.namespaces)
    if "pid" in launch.namespaces:
        become_first()
    return launch._replace(confinement=confinement)


def settle(launch: Launch) -> Prepared:
    """Gives up what it does not need, the sight of the machine's files first. Returns what commands must `apply`.

    Whatever is to be imported or opened must be so before. Raises `OSError`.
    """
    confinement = launch.confinement
    readable, writable, own_proc = confinement.readable, confinement.writable, False
    if "mount" in launch.namespaces:
        own_proc = enter_root(readable, (confinement.workspace, *writable))
        readable = ("/",)  # what must not be read is not there
        writable = (*writable, *OWN_FOLDERS, TERMINALS)
    if not own_proc:
        readable = (*readable, *MACHINE_FILES)
    if keep := capset(SETUID | SETGID | KILL):
        call(*keep)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)  # nobody of our own user may look into us or our descriptors
    return prepare(confinement._replace(readable=readable, writable=writable))


def _process_limit(launch: Launch) -> int | None:
    """The kernel counts a user's processes per user namespace: in everybody's, those already there count too."""
    confinement = launch.confinement
    if confinement.processes is None or confinement.uid is not None or "user" in launch.namespaces:
        return confinement.processes
    return confinement.processes + _threads_of(os.getuid())


def _threads_of(uid: int) -> int:
    count = 0
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdecimal() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count
