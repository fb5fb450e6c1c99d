"""What this machine can do about confinement."""

import ctypes
from pathlib import Path

from outlay.sandbox.choose import docker_lack
from outlay.sandbox.types import Finding

_LANDLOCK_CREATE_RULESET, _VERSION_FLAG = 444, 1


def findings() -> list[Finding]:
    """The engine with its image, and what the kernel offers to confine processes with."""
    return [_engine(), _landlock(), _user_namespaces(), _cgroups()]


def _engine() -> Finding:
    if lack := docker_lack():
        return Finding("Docker sandbox", False, lack.reason + ".", lack.mend)
    return Finding("Docker sandbox", True, "engine and image answer")


def _landlock() -> Finding:
    abi = ctypes.CDLL(None, use_errno=True).syscall(_LANDLOCK_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return Finding("Landlock", abi > 0, f"ABI {abi}", "" if abi > 0 else "needs a kernel >= 5.13 with Landlock on")


def _user_namespaces() -> Finding:
    limit = Path("/proc/sys/user/max_user_namespaces")
    most = int(limit.read_text()) if limit.exists() else 0
    mend = "" if most else "sysctl -w user.max_user_namespaces=10000"
    return Finding("user namespaces", most > 0, f"at most {most}", mend)


def _cgroups() -> Finding:
    version = "version 2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "version 1"
    return Finding("cgroups", True, version)
