"""One sandbox for many tests that only look around in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from outlay.sandbox import engine
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.types import Completed, SandboxSpec


@dataclass(frozen=True)
class Box:
    """A Docker sandbox, driven from plain functions."""

    portal: BlockingPortal
    sandbox: Any

    def sh(self, command: str) -> Completed:
        return self.exec("sh", "-c", command)

    def exec(self, *argv: str) -> Completed:
        async def run() -> Completed:
            done: Completed = await self.sandbox.exec(list(argv))
            return done

        return self.portal.call(run)

    def text(self, command: str) -> str:
        """What a shell command that succeeds prints."""
        done = self.sh(command)
        assert done.exit_code == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def python(self, code: str) -> str:
        """What a program that succeeds prints."""
        done = self.exec("python3", "-c", code)
        assert done.exit_code == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    @property
    def attrs(self) -> dict[str, Any]:
        """What the engine says of the container."""
        attrs: dict[str, Any] = engine.client().api.inspect_container(self.sandbox.record["container"])
        return attrs


@contextmanager
def open_box(spec: SandboxSpec) -> Iterator[Box]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(docker_sandbox(spec)) as sandbox:
        yield Box(portal, sandbox)
