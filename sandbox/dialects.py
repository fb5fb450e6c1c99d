"""Where engines that speak Docker's API take a container's confinement differently."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outlay.sandbox.seccomp import PROFILE, profile

_RUNTIME = re.compile(r"OCI Runtime \((.+)\)")
_UNKNOWN_TO_PODMAN = re.compile(r"nr_inodes=\d+,?|[ug]id=\d+,?")


@dataclass(frozen=True)
class Dialect:
    """One engine's. Podman's are as of 4.3."""

    engine: str
    runtime: str | None = None
    """What runs containers, where their own description does not say so."""

    @property
    def is_podman(self) -> bool:
        return self.engine == "podman"

    def seccomp(self) -> str:
        """Podman takes the name of a file, which it reads itself; Docker the content."""
        return f"seccomp={PROFILE if self.is_podman else profile()}"

    def tmpfs(self, mounts: Mapping[str, str]) -> dict[str, str]:
        """Podman knows neither a count of inodes nor an owner; and beside a read-only root it mounts a /var/tmp for
        everybody unless there is one.
        """
        if not self.is_podman:
            return dict(mounts)
        known = {path: _UNKNOWN_TO_PODMAN.sub("", options).rstrip(",") for path, options in mounts.items()}
        return {**known, "/var/tmp": "ro,size=4096,mode=555,nosuid,nodev,noexec"}

    def missing(self) -> Sequence[str]:
        """What does not hold on this engine, each a clause."""
        return ["files are limited in number, not by memory alone"] if self.is_podman else []


def spoken(version: Mapping[str, Any]) -> Dialect:
    """By what an engine says of its version."""
    names = [component["Name"] for component in version.get("Components") or ()]
    if "Podman Engine" not in names:
        return Dialect("docker")
    runtimes = [found[1] for name in names if (found := _RUNTIME.fullmatch(name))]
    return Dialect("podman", runtimes[0] if runtimes else None)
