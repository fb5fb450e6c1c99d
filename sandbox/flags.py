"""How a container is confined: each flag with its reason. Nothing here is loosened by an option."""

import os
from pathlib import Path
from typing import Any

from outlay.sandbox.types import Limits, SandboxSpec

WORKSPACE = "/work"


def hardened(spec: SandboxSpec, uid: int) -> dict[str, Any]:
    """Arguments of the engine's create call. Commands will run as `uid`, the guest beside them as user 0."""
    limits = spec.limits
    workspace = f"size={limits.disk_bytes},nr_inodes={limits.inodes},uid={uid},gid={uid},mode=755"
    mounts = {
        WORKSPACE: f"{workspace},exec,nosuid,nodev",
        "/dev/shm": "size=67108864,nr_inodes=4096,mode=1777,nosuid,nodev,noexec",  # the engine's own counts no inodes
        "/tmp": "size=67108864,nr_inodes=16384,mode=1777,nosuid,nodev",
    }
    return {
        "network_mode": "none",  # nothing to exfiltrate to, nothing to attack
        "cap_drop": ["ALL"],
        "cap_add": ["SETUID", "SETGID", "KILL"],  # the guest's alone: they are gone when it becomes the commands' user
        "security_opt": ["no-new-privileges:true"],  # set-uid files gain nothing; the engine's seccomp profile stays
        "user": "0:0",
        "read_only": True,  # only the three tmpfs below can be written
        "tmpfs": mounts,
        "working_dir": "/",
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,  # equal: no swap
        "nano_cpus": int(limits.cpus * 1e9),
        "pids_limit": limits.pids,  # a fork bomb stays in its box
        "ulimits": _ulimits(limits),
        "ipc_mode": "private",
        "hostname": "sandbox",
        "init": True,  # reaps what commands leave
        "auto_remove": True,
        "stdin_open": True,  # and closed with our end of it: the guest ends then, and with it the container
        "log_config": {"Type": "none"},  # output cannot fill the host's disk
        "environment": {},
        "labels": {"outlay": "1", "outlay.owner": owner()},
    }


def _ulimits(limits: Limits) -> list[Any]:
    from docker.types import Ulimit

    caps = (("nofile", limits.files), ("fsize", limits.disk_bytes), ("core", 0))
    return [Ulimit(name=name, soft=cap, hard=cap) for name, cap in caps]


def owner() -> str:
    """This process, so that a sweep can tell whether it still lives: its id and start time in clock ticks."""
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    return f"{os.getpid()}:{started}"
