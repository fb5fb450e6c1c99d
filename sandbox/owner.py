"""Whose a sandbox is: labels on containers and notes in workspaces, and what they say about the owner's life.

A process id alone would not do: it is used again, and means another process on another machine or in another container
that shares this engine. So an owner is named with the boot, the process-id namespace and the start time beside it.
"""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

LIFETIME_S = 6 * 3600.0
"""How long a sandbox may live at most, whoever owns it."""
EXPERIMENT = "OUTLAY_EXPERIMENT"
"""Environment variable: what this process, and those that it starts, make sandboxes for. For people's eyes only."""
_LABEL = re.compile(r"([0-9a-f-]{36}):(\d+):(\d+):(\d+)")


@dataclass(frozen=True)
class Owner:
    """One process of one boot."""

    boot: str
    """The kernel's random id of the boot."""
    namespace: int
    """Inode of the process-id namespace."""
    pid: int
    started_ticks: int
    """Clock ticks from boot to the process's start."""

    def __str__(self) -> str:
        return f"{self.boot}:{self.namespace}:{self.pid}:{self.started_ticks}"


class Reason(StrEnum):
    """Why something of ours that is still there draws attention."""

    OWNER_DEAD = "owner dead"
    EXPIRED = "owner unknown here, lifetime over"
    OVERDUE = "owner alive, lifetime over"
    """Only told: who lives may have a reason."""
    NEVER_STARTED = "made for us, never started"
    """The engine carried out our call after we had given it up. Only its owner itself can know."""


def this_process() -> Owner:
    """Raises `FileNotFoundError` where there is no /proc."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started = _started_ticks("self")
    assert started is not None
    return Owner(boot, Path("/proc/self/ns/pid").stat().st_ino, os.getpid(), started)


def parse(label: str) -> Owner | None:
    """None for a text that is no owner of ours."""
    if not (match := _LABEL.fullmatch(label)):
        return None
    boot, *numbers = match.groups()
    return Owner(boot, *map(int, numbers))


def is_alive(owner: Owner) -> bool | None:
    """None when it cannot be known from here: another boot, another process-id namespace, or a hidden process."""
    here = this_process()
    if (owner.boot, owner.namespace) != (here.boot, here.namespace):
        return None
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's: it is there
        pass
    started = _started_ticks(str(owner.pid))
    return None if started is None else started == owner.started_ticks


def labels() -> dict[str, str]:
    """What a container made by this process carries."""
    experiment = os.environ.get(EXPERIMENT)
    named = {"outlay.experiment": experiment} if experiment else {}
    return {
        "outlay": "1",
        "outlay.owner": str(this_process()),
        "outlay.expires": str(int(time.time() + LIFETIME_S)),
        **named,
    }


def why_orphaned(labels: Mapping[str, str], now: float) -> Reason | None:
    """Why a thing with these labels should go, or be told of; None when it should be left alone.

    `now` is Unix time. What does not bear our label, an owner and an end is not ours: it is left alone.
    """
    owner, expires = parse(labels.get("outlay.owner", "")), labels.get("outlay.expires", "")
    if "outlay" not in labels or owner is None or not expires.isdecimal():
        return None
    over = now > int(expires)
    match is_alive(owner):
        case False:
            return Reason.OWNER_DEAD
        case True:
            return Reason.OVERDUE if over else None
        case None:
            return Reason.EXPIRED if over else None


def _started_ticks(pid: str) -> int | None:
    """None when it cannot be read; 0 for a process that ended and that its parent has not asked about yet."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    threads, started = int(fields[16]), int(fields[18])
    ended = state in "ZX" and threads <= 1  # the first thread of a living process may have ended before the others
    return 0 if ended else started
