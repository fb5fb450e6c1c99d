"""What this machine can do about confinement."""

from pathlib import Path

from outlay.sandbox.cgroup import CONTROLLERS, writable_tree
from outlay.sandbox.choose import docker_lack
from outlay.sandbox.levels import Reached, probe
from outlay.sandbox.policy import unbounded
from outlay.sandbox.runc import open_escapes
from outlay.sandbox.types import Finding, Isolation

LANDLOCK_ABI = 6
"""The first that keeps signals and abstract sockets in; 4 covers TCP, 3 truncation."""


def findings() -> list[Finding]:
    """The engine with its image, the level reached without one, and the kernel's parts that it is made of."""
    reached = probe()
    return [*_engine(), _level(reached), _landlock(reached), _seccomp(reached), _namespaces(reached), _cgroups()]


def _engine() -> list[Finding]:
    if lack := docker_lack():
        return [Finding("Docker sandbox", False, lack.reason + ".", lack.mend)]
    return [Finding("Docker sandbox", True, "engine and image answer"), *_runtimes()]


def _runtimes() -> list[Finding]:
    """The engine answers."""
    import docker

    client = docker.from_env(timeout=5)
    try:
        told, parts = client.info(), client.version().get("Components") or []
    finally:
        client.close()
    names = sorted(told.get("Runtimes", {}))
    found = [Finding("Docker runtimes", True, f"{', '.join(names)}; default {told.get('DefaultRuntime', 'unknown')}")]
    return found + [_runc(part["Version"]) for part in parts if part["Name"] == "runc"]


def _runc(version: str) -> Finding:
    """A warning: rollouts go on."""
    holes = ", ".join(open_escapes(version))
    detail = f"{version}, without the mend of {holes};" if holes else version
    mend = "upgrade to 1.2.8 or 1.3.3, unless your distribution patched it" if holes else ""
    return Finding("runc", not holes, detail, mend)


def _level(reached: Reached) -> Finding:
    confined = reached.isolation is Isolation.CONFINED
    unheld = [*reached.missing, *unbounded()]
    lacks = reached.untried or "; ".join(f"not held: {claim}" for claim in unheld)
    mend = "" if confined else "use Docker, or a kernel with Landlock or user namespaces (>= 5.13)"
    return Finding("process sandbox", confined, f"{reached.isolation}; {lacks}", mend)


def _landlock(reached: Reached) -> Finding:
    enough = reached.landlock_abi >= LANDLOCK_ABI
    detail = f"ABI {reached.landlock_abi}" if reached.landlock_abi else "absent or off"
    return Finding("Landlock", enough, detail, "" if enough else "needs a kernel >= 6.12 with lsm=landlock")


def _seccomp(reached: Reached) -> Finding:
    mend = "" if reached.seccomp else "needs x86_64 or aarch64 and CONFIG_SECCOMP_FILTER"
    return Finding("seccomp filter", reached.seccomp, "loads" if reached.seccomp else "does not load", mend)


def _namespaces(reached: Reached) -> Finding:
    names = ", ".join(reached.namespaces) or "none"
    mend = "" if reached.namespaces else "run as root, or sysctl -w user.max_user_namespaces=10000"
    return Finding("namespaces", bool(reached.namespaces), names, mend)


def _cgroups() -> Finding:
    tree = writable_tree()
    if tree is None:
        version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
        return Finding(
            "cgroups", False, f"version {version}, not writable", "run as root, or by systemd-run --user --scope"
        )
    lacking = [name for name in CONTROLLERS if name not in tree.parents]
    detail = f"version {tree.version}, writable: {', '.join(tree.parents)}"
    return Finding("cgroups", not lacking, detail, f"delegate {', '.join(lacking)} to this user" if lacking else "")
