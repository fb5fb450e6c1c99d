"""Which sandbox a name means on this machine."""

from functools import cache

from outlay.sandbox.errors import SandboxUnavailable, UnknownName
from outlay.sandbox.types import SandboxMaker

KINDS = ("docker", "process", "auto")


def resolve(kind: str) -> str:
    """`auto` becomes `docker` where an engine with the image answers, else `process`; others stay as asked.

    Raises `UnknownName`.
    """
    if kind not in KINDS:
        raise UnknownName("sandbox", kind, KINDS)
    if kind != "auto":
        return kind
    return "process" if docker_lack() else "docker"


def sandbox_maker(kind: str) -> SandboxMaker:
    """Raises `SandboxUnavailable` when docker was asked for and does not answer: it never silently falls back."""
    if resolve(kind) == "process":
        from outlay.sandbox.process import process_sandbox

        return process_sandbox
    if lack := docker_lack():
        raise lack
    from outlay.sandbox.docker import docker_sandbox

    return docker_sandbox


@cache
def docker_lack() -> SandboxUnavailable | None:
    """Why docker cannot be used; asked once per process."""
    from outlay.sandbox.engine import probe

    return probe()
