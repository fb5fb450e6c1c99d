"""Calls of the Docker engine, through its API. They block, and are made from a few threads."""

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any

from outlay.sandbox.departure import removed
from outlay.sandbox.dialects import Dialect, spoken
from outlay.sandbox.errors import SandboxLost, SandboxUnavailable
from outlay.sandbox.flags import WORKSPACE, hardened
from outlay.sandbox.images import resolve
from outlay.sandbox.recipes import DEFAULT
from outlay.sandbox.types import Recipe, SandboxSpec

CALL_S = 60
"""How long one call of the engine may take."""
PROBE_S = 20
"""How long an engine may take to say that it is there: a busy one is not an absent one."""


def client() -> Any:
    """One per process and engine: making one costs as much as creating a container."""
    return _client(os.getpid(), os.environ.get("DOCKER_HOST"))


@cache
def _client(_process: int, _engine: str | None) -> Any:
    import docker

    return docker.from_env(timeout=CALL_S, max_pool_size=4 * (os.cpu_count() or 1))


def dialect() -> Dialect:
    """The engine's; asked once per process and engine."""
    return _dialect(os.environ.get("DOCKER_HOST"))


@cache
def _dialect(_engine: str | None) -> Dialect:
    return spoken(client().version())


def started(spec: SandboxSpec, uid: int, argv: list[str], capabilities: tuple[str, ...]) -> tuple[Any, socket.socket]:
    """A running container and the stream to its stdin, stdout and stderr. Raises `SandboxLost`, and leaves nothing."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    container = stream = None
    try:
        container = client().containers.create(
            digest_of(spec.image), argv, **hardened(spec, uid, capabilities, dialect())
        )
        stream = _attached(container)
        container.start()
    except (DockerException, RequestException, OSError, SandboxUnavailable) as error:
        if stream is not None:
            stream.close()
        if container is not None:
            removed(container)
        _digests.clear()  # an image may be gone; it is looked up, and made, again
        raise SandboxLost(f"the engine could not start a container: {error}") from error
    return container, stream


def digest_of(image: str | Recipe | None) -> str:
    """The image that sandboxes of this process start from: a name means the same content as long as that is there.

    Raises `ImageUnavailable`, `SandboxUnavailable`.
    """
    if image not in _digests:
        _digests[image] = resolve(client(), image).digest
    return _digests[image]


def known_digest(image: str | Recipe | None) -> str | None:
    """`digest_of` where that was asked before; asks nobody."""
    return _digests.get(image)


_digests: dict[str | Recipe | None, str] = {}


def executed(container: Any, argv: list[str], uid: int, *, folder: str, reads: bool) -> tuple[str, socket.socket]:
    """The id of a command begun in a container, and the stream to it. Raises `SandboxLost`."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    api = container.client.api
    where = {"user": f"{uid}:{uid}", "workdir": f"{WORKSPACE}/{folder}".rstrip("/")}
    try:
        begun: str = api.exec_create(container.id, argv, stdin=reads, **where)["Id"]
        return begun, _plain(api.exec_start(begun, socket=True))
    except (DockerException, RequestException, OSError) as error:
        raise SandboxLost(f"the engine could not begin a command: {error}") from error


def exit_code(container: Any, begun: str) -> int | None:
    """Of a command; None while it runs. Raises `SandboxLost`."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        found = container.client.api.exec_inspect(begun)
    except (DockerException, RequestException, OSError) as error:
        raise SandboxLost(f"the engine does not know how a command ended: {error}") from error
    return None if found["Running"] or found["ExitCode"] is None else int(found["ExitCode"])


def _attached(container: Any) -> socket.socket:
    """Before the start, so that nothing is missed."""
    return _plain(container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}))


def _plain(wrapped: Any) -> socket.socket:
    """The SDK's wrappers are left behind."""
    try:
        stream = socket.socket(fileno=os.dup(wrapped.fileno()))
    finally:
        wrapped._response.close()
        wrapped.close()
    stream.setblocking(False)
    return stream


def probe() -> SandboxUnavailable | None:
    """Why this machine cannot open a Docker sandbox; None when it can."""
    try:
        import docker
        from docker.errors import DockerException, ImageNotFound
        from requests.exceptions import RequestException
    except ImportError:
        return SandboxUnavailable("docker", "the docker package is missing", "Mend: pip install docker")
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if address.startswith("unix://") and not Path(address.removeprefix("unix://")).exists():
        return SandboxUnavailable(
            "docker", f"there is no engine at {address}", "Mend: apt install docker.io; start dockerd"
        )
    try:
        asked = docker.from_env(timeout=PROBE_S)
    except DockerException as error:
        return SandboxUnavailable(
            "docker", f"no engine answers ({error})", "Mend: apt install docker.io; start dockerd"
        )
    try:
        asked.images.get(DEFAULT)
    except ImageNotFound:
        return SandboxUnavailable("docker", f"there is no image {DEFAULT}", "Mend: outlay images build")
    except (DockerException, RequestException) as error:
        return SandboxUnavailable("docker", str(error), "Mend: restart the engine")
    finally:
        asked.close()
    return None
