"""Which sandbox a name means on this machine."""

from functools import cache

from outlay.sandbox.errors import SandboxUnavailable, UnknownName
from outlay.sandbox.types import Isolation, SandboxMaker

KINDS = ("docker", "process", "weak", "auto")
"""`process` is confined by the kernel; `weak` limits accidents only, and no other name ever means it."""


def resolve(kind: str) -> str:
    """`auto` becomes `docker` where an engine with the image answers, else `process`; others stay as asked.

    Raises `UnknownName`, and `SandboxUnavailable` when `auto` finds neither.
    """
    if kind not in KINDS:
        raise UnknownName("sandbox", kind, KINDS)
    if kind != "auto":
        return kind
    docker = docker_lack()
    if docker is None:
        return "docker"
    if process := process_lack():
        reason = f"docker: {docker.reason}; process: {process.reason}"
        raise SandboxUnavailable("auto", reason, f"{docker.mend}; for code you trust, --sandbox weak")
    return "process"


def sandbox_maker(kind: str) -> SandboxMaker:
    """Raises `SandboxUnavailable` when what was asked for is not to be had: nothing falls back silently."""
    match resolve(kind):
        case "docker":
            if lack := docker_lack():
                raise lack
            from outlay.sandbox.docker import docker_sandbox

            return docker_sandbox
        case "process":
            if lack := process_lack():
                raise lack
            from outlay.sandbox.levels import probe
            from outlay.sandbox.process import process_maker

            return process_maker(probe())
        case _:
            from outlay.sandbox.levels import UNCONFINED
            from outlay.sandbox.process import process_maker

            return process_maker(UNCONFINED)


@cache
def docker_lack() -> SandboxUnavailable | None:
    """Why docker cannot be used; asked once per process."""
    from outlay.sandbox.engine import probe

    return probe()


def process_lack() -> SandboxUnavailable | None:
    """Why processes cannot be confined here; tried once per process."""
    from outlay.sandbox.levels import probe

    reached = probe()
    if reached.isolation is Isolation.CONFINED:
        return None
    unheld = f"here it does not hold that {', that '.join(reached.missing)}"
    reason = f"nothing could be tried here: {reached.untried}" if reached.untried else unheld
    return SandboxUnavailable("process", reason, "Mend: --sandbox docker, or for code you trust --sandbox weak")
