"""Which images are served without a guest, and what they must have for it."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest

from outlay.sandbox import docker as opener
from outlay.sandbox import engine
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import SandboxUnavailable
from outlay.sandbox.owner import this_process
from outlay.sandbox.pool import warm_pool
from outlay.sandbox.recipes import DEFAULT
from outlay.sandbox.types import SandboxSpec
from tests.sandbox import busybox
from tests.sandbox.shell import sh

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]


@pytest.fixture
def real(docker_engine: None) -> Iterator[Any]:  # noqa: ARG001
    with closing(docker.from_env()) as client:
        yield client


def ours(real: Any) -> list[Any]:
    """Containers of this process."""
    found: list[Any] = real.containers.list(all=True, filters={"label": f"outlay.owner={this_process()}"})
    return found


def test_the_second_start_tries_no_guest(image_without_python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    started = engine.started

    def noted(spec: SandboxSpec, uid: int, argv: list[str], *rest: Any) -> Any:
        begun.append(argv[0])
        return started(spec, uid, argv, *rest)

    monkeypatch.setattr(engine, "started", noted)
    monkeypatch.setattr(opener, "_without_python", set())

    async def body() -> None:
        async with docker_sandbox(SandboxSpec(image=image_without_python)):
            pass

    asyncio.run(body())
    asyncio.run(body())
    assert begun == ["python3", "sh", "sh"]


def test_a_pool_hands_them_out(image_without_python: str) -> None:
    async def body() -> None:
        spec = SandboxSpec(image=image_without_python)
        async with warm_pool(docker_sandbox, warm=1, most=2) as pool:
            await pool.prepared(spec)
            async with pool(spec) as sandbox:
                assert (await sh(sandbox, "echo alive")).stdout == b"alive\n"

    asyncio.run(body())


def test_there_is_no_way_out_without_a_guest(real: Any, image_without_python: str) -> None:
    async def body() -> None:
        async with docker_sandbox(SandboxSpec(image=image_without_python, egress=("127.0.0.1:1",))):
            pass

    with pytest.raises(SandboxUnavailable, match=r"no way out\. Mend: add Python"):
        asyncio.run(body())
    assert not ours(real)


@contextmanager
def debian_without(real: Any, *programs: str) -> Iterator[str]:
    """The name of an image: the default one, less Python and these programs."""
    name = f"outlay-test-{uuid4().hex}:1"
    gone = " ".join(f"/bin/{program} /usr/bin/{program}" for program in ("python3*", *programs))
    image, _ = real.images.build(fileobj=io.BytesIO(f"FROM {DEFAULT}\nRUN rm -f {gone}\n".encode()), tag=name, rm=True)
    try:
        yield name
    finally:
        real.images.remove(image.id, force=True)


def test_what_an_image_lacks_is_named_when_it_is_needed(real: Any) -> None:
    async def body(image: str) -> None:
        async with docker_sandbox(SandboxSpec(image=image)) as sandbox:
            assert {"the image has find", "the image has tar"} <= set(sandbox.record["missing"])
            await sandbox.write("x", b"")
            assert (await sh(sandbox, "ls")).stdout == b"x\n"
            assert (await sh(sandbox, "sleep 300", wall_s=0.5)).killed == "deadline"
            with pytest.raises(SandboxUnavailable, match="nor find"):
                await sandbox.list()

    with debian_without(real, "find", "tar", "timeout") as image:
        asyncio.run(body(image))


def test_an_image_of_hardly_more_than_a_shell_is_not_enough(real: Any) -> None:
    async def body(image: str) -> None:
        async with docker_sandbox(SandboxSpec(image=image)):
            pass

    with debian_without(real, "env") as image, pytest.raises(SandboxUnavailable, match="nor env"):
        asyncio.run(body(image))
    assert not ours(real)


def test_a_python_too_old_for_a_guest_counts_as_none(static_busybox: Path) -> None:
    """It is played by a script that says what our first program would."""
    text = (Path(opener.__file__).parent / "guest" / "bootstrap.py").read_text()
    said = "python3 is older than 3.9"
    assert f'sys.exit("{said}")' in text

    async def body(image: str) -> None:
        async with docker_sandbox(SandboxSpec(image=image)) as sandbox:
            assert sandbox.record["channel"] == "exec"

    files = {"bin/python3": f"#!/bin/sh\necho '{said}' >&2\nexit 1\n".encode()}
    with busybox.imported(busybox.archive(static_busybox, files)) as image:
        asyncio.run(body(image))
