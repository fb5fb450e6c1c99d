"""The Docker sandbox: one hardened container per checkout, driven through the engine's exec calls.

The container's main process reads an attached stdin. When this process dies, however it dies, that stream closes, the
main process ends and the engine removes the container.
"""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, TypeVar

from outlay.sandbox.errors import PathRefused, SandboxLost, SandboxUnavailable
from outlay.sandbox.flags import WORKSPACE, hardened
from outlay.sandbox.guest import FILES, LIST, RUN
from outlay.sandbox.paths import FILE_BYTES, parts_of
from outlay.sandbox.types import PLAIN, Completed, Isolation, Limits, Manifest, SandboxSpec, Snapshot

IMAGE = "outlay-sandbox:1"
GRACE_S = 10.0
"""How much longer than a command's deadline the engine may take to say that it ended."""
FILE_S = 30.0
"""How long reading, writing or listing files may take."""
HEAD_BYTES = 4096
"""Room for the line of JSON before a command's output."""
T = TypeVar("T")

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/work",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class EngineReply:
    """What one engine exec gave."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class DockerSandbox:
    """One running container."""

    client: Any
    container: Any
    limits: Limits
    threads: ThreadPoolExecutor
    """Its own: commands of other sandboxes, however long, delay neither its commands nor anybody's removal."""
    isolation: Isolation = Isolation.CONTAINER

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = ".",  # noqa: ARG002
        wall_s: float | None = None,
    ) -> Completed:
        cap = self.limits.output_bytes
        deadline = self.limits.wall_s if wall_s is None else min(self.limits.wall_s, wall_s)
        order = {"argv": list(argv), "stdin": len(stdin), "wall_s": deadline, "cap": cap}
        began = time.monotonic()
        reply = await self._guest(RUN, order, stdin, {**ENVIRONMENT, **(env or {})}, 2 * cap + HEAD_BYTES, deadline)
        elapsed = time.monotonic() - began
        head, _, body = reply.stdout.partition(b"\n")
        try:
            answer = json.loads(head)
            size = int(answer["sizes"][0])
            return Completed(answer["code"], body[:size], body[size:], elapsed, int(answer["dropped"]))
        except (ValueError, LookupError, TypeError):  # the command killed or garbled the program that watches it
            return Completed(reply.exit_code or 1, b"", reply.stderr[:cap], elapsed)

    async def read(self, path: str) -> bytes:
        answer = await self._file({"verb": "read", "parts": parts_of(path), "cap": FILE_BYTES}, path)
        return base64.b64decode(answer["body"])

    async def write(self, path: str, data: bytes) -> None:
        body = base64.b64encode(data).decode()
        await self._file({"verb": "write", "parts": parts_of(path), "body": body}, path)

    @property
    def record(self) -> Mapping[str, Any]:
        return {"isolation": str(self.isolation)}

    async def manifest(self) -> Manifest:
        raise NotImplementedError

    async def snapshot(self) -> Snapshot:
        raise NotImplementedError

    async def restore(self, snapshot: Snapshot) -> None:
        raise NotImplementedError

    async def list(self) -> Sequence[str]:
        reply = await self._guest(LIST, {}, b"", ENVIRONMENT, 2 * FILE_BYTES, FILE_S)
        if reply.exit_code != 0:
            raise SandboxLost(f"the workspace could not be listed: {reply.stderr[-200:].decode(errors='replace')}")
        names: list[str] = json.loads(reply.stdout)
        return names

    async def _file(self, order: Mapping[str, Any], path: str) -> dict[str, Any]:
        reply = await self._guest(FILES, order, b"", ENVIRONMENT, 2 * FILE_BYTES, FILE_S)
        if not reply.stdout:
            raise PathRefused(path, reply.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "no answer")
        answer: dict[str, Any] = json.loads(reply.stdout)
        if "missing" in answer:
            raise FileNotFoundError(path)
        if "refused" in answer:
            raise PathRefused(path, answer["refused"])
        return answer

    async def _guest(
        self, program: str, order: Mapping[str, Any], stdin: bytes, env: Mapping[str, str], cap: int, wall_s: float
    ) -> EngineReply:
        """Runs one of the programs of `guest.py`. Cancelled, it leaves its thread to end with the container."""
        argv = ["python3", "-I", "-c", program]
        line = json.dumps(order).encode() + b"\n"
        call = partial(engine_exec, self.client.api, self.container.id, argv, line + stdin, env, cap, wall_s + GRACE_S)
        return await asyncio.get_running_loop().run_in_executor(self.threads, call)


def engine_exec(
    api: Any, container: str, argv: Sequence[str], stdin: bytes, env: Mapping[str, str], cap: int, wall_s: float
) -> EngineReply:
    """One engine exec, at most `cap` bytes per stream. Raises `SandboxLost` also when `wall_s` pass without an end."""
    from docker.errors import APIError
    from requests.exceptions import RequestException

    try:
        made = api.exec_create(container, list(argv), stdin=True, environment=dict(env), workdir=WORKSPACE)["Id"]
        stream = api.exec_start(made, socket=True)
        try:
            outputs = _talk(stream._sock, stdin, cap, time.monotonic() + wall_s)
        finally:
            stream._response.close()
            stream.close()
        code = api.exec_inspect(made)["ExitCode"]
        lives = api.inspect_container(container)["State"]["Running"]
    except (APIError, RequestException, OSError) as error:
        raise SandboxLost(f"container {container[:12]}: {error}") from error
    if code is None or not lives:
        raise SandboxLost(f"container {container[:12]} ended during a command")
    return EngineReply(int(code), bytes(outputs[1]), bytes(outputs[2]))


def _talk(raw: socket.socket, stdin: bytes, cap: int, until: float) -> dict[int, bytearray]:
    """Sends stdin and reads the engine's frames: stream number, three zeros, length (4 bytes, big-endian), body."""
    raw.settimeout(max(0.1, until - time.monotonic()))
    feeder = Thread(target=_feed, args=(raw, stdin), daemon=True)
    feeder.start()
    outputs = {1: bytearray(), 2: bytearray()}
    while header := _exactly(raw, 8, until):
        body = _exactly(raw, int.from_bytes(header[4:], "big"), until)
        kept = outputs[2 if header[0] == 2 else 1]
        kept += body[: max(0, cap - len(kept))]
    feeder.join(GRACE_S)
    return outputs


def _feed(raw: socket.socket, stdin: bytes) -> None:
    """A program that ends without reading is no error here: its exit code tells."""
    with suppress(OSError):
        raw.sendall(stdin)
        raw.shutdown(socket.SHUT_WR)


def _exactly(raw: socket.socket, size: int, until: float) -> bytes:
    """`size` bytes, or none at the end of the stream. Raises `TimeoutError` at `until`, however the bytes drip in."""
    body = bytearray()
    while len(body) < size:
        if time.monotonic() > until:
            raise TimeoutError("no end of the command was reported in time")
        chunk = raw.recv(min(size - len(body), 1 << 16))
        if not chunk:
            return b""
        body += chunk
    return bytes(body)


@asynccontextmanager
async def docker_sandbox(spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[DockerSandbox]:
    """Starts a container, removes it, whatever happened. Raises `SandboxLost` when the engine fails."""
    starting = asyncio.ensure_future(_in_thread(lambda: _start(spec.limits, str(spec.image or IMAGE))))
    try:
        client, container, stdin = await asyncio.shield(starting)
    except asyncio.CancelledError:
        client, container, stdin = await starting
        await _in_thread(lambda: _stop(client, container, stdin))
        raise
    threads = ThreadPoolExecutor(4, thread_name_prefix="outlay-sandbox")
    try:
        sandbox = DockerSandbox(client, container, spec.limits, threads)
        if start is not None:
            await sandbox.restore(start)
        yield sandbox
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.shield(_in_thread(lambda: _stop(client, container, stdin)))


def _start(limits: Limits, image: str) -> tuple[Any, Any, Any]:
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    client = container = None
    try:
        client = docker.from_env(timeout=60)
        container = client.containers.create(image, ["cat"], stdin_open=True, **hardened(limits))
        stdin = container.attach_socket(params={"stdin": 1, "stream": 1})
        container.start()
    except (DockerException, RequestException) as error:
        if container is not None:
            with suppress(DockerException, RequestException):
                container.remove(force=True)
        if client is not None:
            client.close()
        raise SandboxLost(f"the engine could not start a container: {error}") from error
    return client, container, stdin


def _stop(client: Any, container: Any, stdin: Any) -> None:
    """Returns when the container is gone; the engine may be removing it already, because its stdin closed."""
    from docker.errors import APIError
    from requests.exceptions import RequestException

    with suppress(APIError, RequestException):
        container.remove(force=True)
    with suppress(APIError, RequestException):
        container.wait(condition="removed", timeout=GRACE_S)
    stdin._response.close()
    stdin.close()
    client.close()


def probe() -> SandboxUnavailable | None:
    """Why this machine cannot open a Docker sandbox; None when it can."""
    try:
        import docker
        from docker.errors import DockerException, ImageNotFound
        from requests.exceptions import RequestException
    except ImportError:
        return SandboxUnavailable("docker", "the docker package is missing", "Mend: pip install docker")
    try:
        client = docker.from_env(timeout=5)
    except DockerException as error:
        return SandboxUnavailable(
            "docker", f"no engine answers ({error})", "Mend: apt install docker.io; start dockerd"
        )
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        return SandboxUnavailable("docker", f"there is no image {IMAGE}", "Mend: .ci/image builds it")
    except (DockerException, RequestException) as error:
        return SandboxUnavailable("docker", str(error), "Mend: restart the engine")
    finally:
        client.close()
    return None


async def _in_thread(call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, call)
