"""How a container is confined: each flag with its reason. Nothing here is loosened by an option."""

from typing import Any

from outlay.sandbox.dialects import Dialect
from outlay.sandbox.owner import labels
from outlay.sandbox.types import Limits, SandboxSpec

WORKSPACE = "/work"
SYSTEM_V = {"kernel.shm_rmid_forced": "1", "kernel.shmall": "16384", "kernel.msgmni": "64"}
"""Shared memory ends with its last user and is at most 64 MiB, in pages; by default it outlives every command."""
NPROC = 4096
"""Processes of one user: `pids` is what counts, but an engine's own choice may be more than it has the right to set."""
GUEST_CAPABILITIES = ("SETUID", "SETGID", "KILL")
"""To become the commands' user, and to end what that started."""
SHELL_CAPABILITIES = ("KILL",)
"""Where the engine makes commands that user, in containers without a guest."""


def hardened(spec: SandboxSpec, uid: int, capabilities: tuple[str, ...], dialect: Dialect) -> dict[str, Any]:
    """Arguments of the engine's create call. Commands will run as `uid`, beside them as user 0 our main process."""
    limits = spec.limits
    mode = 1777 if dialect.is_podman else 755  # root's where it cannot be the commands'
    workspace = f"size={limits.disk_bytes},nr_inodes={limits.inodes},uid={uid},gid={uid},mode={mode}"
    mounts = {
        WORKSPACE: f"{workspace},exec,nosuid,nodev",
        "/dev/shm": "size=67108864,nr_inodes=4096,mode=1777,nosuid,nodev,noexec",  # the engine's own counts no inodes
        "/tmp": "size=67108864,nr_inodes=16384,mode=1777,nosuid,nodev",
    }
    return {
        "network_mode": "none",  # nothing to exfiltrate to, nothing to attack
        "cap_drop": ["ALL"],
        "cap_add": list(capabilities),  # our main process's alone: no command has any
        "security_opt": ["no-new-privileges:true", dialect.seccomp()],  # set-uid files gain nothing
        "user": "0:0",
        "read_only": True,  # only the three tmpfs below can be written
        "tmpfs": dialect.tmpfs(mounts),
        "working_dir": "/",
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,  # equal: no swap
        "nano_cpus": int(limits.cpus * 1e9),
        "pids_limit": limits.pids,  # a fork bomb stays in its box
        "ulimits": _ulimits(limits),
        "ipc_mode": "private",
        "sysctls": SYSTEM_V,
        "hostname": "sandbox",
        "init": True,  # reaps what commands leave
        "auto_remove": True,
        "stdin_open": True,  # and closed with our end of it: the guest ends then, and with it the container
        "log_config": {"Type": "none"},  # output cannot fill the host's disk
        "environment": {},
        "labels": labels(),
    }


def _ulimits(limits: Limits) -> list[Any]:
    from docker.types import Ulimit

    nproc = max(limits.pids, NPROC)
    caps = (("nofile", limits.files), ("fsize", limits.disk_bytes), ("core", 0), ("nproc", nproc))
    return [Ulimit(name=name, soft=cap, hard=cap) for name, cap in caps]
