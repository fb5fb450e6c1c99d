"""An engine that is killed with -9 under a running sandbox, and started again: one of this test's own."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from outlay.sandbox.images import base_archive
from outlay.sandbox.recipes import ALIAS, DEFAULT
from tests.sandbox.slim import slim_archive

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]
ROOT = Path(__file__).parents[2]
START_S, GONE_S = 60.0, 60.0
OWNER = """
import asyncio
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import SandboxLost

async def main():
    async with docker_sandbox() as sandbox:
        running = asyncio.create_task(sandbox.exec(["sh", "-c", "setsid sleep 600 & sleep 600"], wall_s=60))
        await asyncio.sleep(0)
        print(sandbox.record["container"], flush=True)
        try:
            await running
        except SandboxLost:
            print("lost", flush=True)

asyncio.run(main())
"""
ALIVE = """
import asyncio
from outlay.sandbox.docker import docker_sandbox

async def main():
    async with docker_sandbox() as sandbox:
        print((await sandbox.exec(["echo", "alive"])).stdout.decode().strip())

asyncio.run(main())
"""


class Engine:
    """A dockerd that keeps all it has in one folder, in a network of its own: it would undo the bridge of another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        places = [f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec"]
        alone = [f"--pidfile={self._folder}/pid", "--bridge=none", "--iptables=false"]
        with (self._folder / "log").open("ab") as log:
            argv = ["unshare", "--net", "dockerd", f"--host={self.address}", *places, *alone]
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > until:
                raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def _answers(self) -> bool:
        """Asked by the command line: a client of the SDK would leave a socket open for each time that it fails."""
        asked = ["docker", f"--host={self.address}", "version"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def client(self) -> Any:
        return closing(docker.DockerClient(self.address, timeout=60))

    def kill(self) -> None:
        """With the containerd that it started; what that started goes on."""
        assert self._process is not None
        pid = self._folder / "exec/containerd/containerd.pid"
        containerd = os.pidfd_open(int(pid.read_text()))
        self._process.kill()
        self._process.wait()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(containerd, signal.SIGKILL)
        select.select([containerd], [], [], GONE_S)
        os.close(containerd)
        pid.unlink()  # or the next dockerd waits for it, as long as nobody has taken leave of the dead process

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        for mounted in ("data", "exec/netns/default"):  # by itself, and left there
            subprocess.run(["umount", "--lazy", self._folder / mounted], check=False, stderr=subprocess.DEVNULL)


@contextmanager
def engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as name:
        own = Engine(Path(name))
        own.start()
        try:
            archive = slim_archive(Path(name))
            with own.client() as client:
                client.api.import_image_from_file(str(archive), *DEFAULT.split(":"))
                client.images.get(DEFAULT).tag(*ALIAS.split(":"))
            yield own
        finally:
            own.stop()


def python(program: str, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_an_engine_that_is_killed_and_comes_back_leaves_a_typed_error_and_nothing_else() -> None:
    if shutil.which("dockerd") is None or os.geteuid() != 0 or not base_archive().is_file():
        pytest.skip("an engine of its own takes root, dockerd and the archive of the default image")
    with engine() as own:
        environment = {**os.environ, "DOCKER_HOST": own.address}
        with python(OWNER, environment) as owner:
            assert owner.stdout is not None
            container = owner.stdout.readline().strip()
            own.kill()
            assert owner.stdout.readline() == "lost\n"
        assert owner.returncode == 0
        own.start()
        clean = [Path(sys.executable).parent / "outlay", "clean"]
        subprocess.run(clean, env=environment, check=True, stdout=subprocess.DEVNULL)
        with own.client() as client:
            with suppress(NotFound):
                client.api.wait(container, condition="removed", timeout=GONE_S)
            assert client.api.containers(all=True) == []
        with python(ALIVE, environment) as next_one:
            assert next_one.stdout is not None
            assert next_one.stdout.read() == "alive\n"
