"""A Podman of the tests' own: its service on a socket and all it stores in one folder, so that nobody's is touched."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outlay.sandbox.images import base_archive
from outlay.sandbox.recipes import ALIAS, DEFAULT
from tests.sandbox.slim import slim_archive

START_S = 20.0
CONFIGURATION = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
"""
"""Nothing of systemd's, and locks of its own."""


@dataclass(frozen=True)
class Podman:
    """Its command line, and where it listens."""

    argv: tuple[str, ...]
    address: str
    """For DOCKER_HOST."""

    def run(self, *arguments: str) -> str:
        return subprocess.run([*self.argv, *arguments], check=True, capture_output=True, text=True).stdout


def lack() -> str | None:
    """Why there can be none here."""
    if shutil.which("podman") is None:
        return "there is no podman. Mend: apt install podman catatonit runc"
    if os.geteuid() != 0:
        return "a Podman of its own in a temporary folder is only tried as root"
    if not base_archive().is_file():
        return f"there is no {base_archive()} to cut an image from. Mend: apt install mmdebstrap; outlay images build"
    return None


@contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    """Serves until the context ends; then its processes are gone and the folder can be removed."""
    (folder / "containers.conf").write_text(CONFIGURATION)
    places = [f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp"]
    storage = "--storage-opt=overlay.skip_mount_home=true"  # or the folder could not be removed
    runtime = ["--runtime=runc"] if shutil.which("runc") else []  # crun will not run on hybrid cgroups
    argv = ("env", f"CONTAINERS_CONF={folder}/containers.conf", "podman", *places, storage, *runtime)
    socket = folder / "podman.sock"
    with (folder / "log").open("wb") as log:
        serving = [*argv, "system", "service", "--time=0", f"unix://{socket}"]
        service = subprocess.Popen(serving, stdout=log, stderr=log, cwd=folder)  # a file `oom` may come to be there
    try:
        until = time.monotonic() + START_S
        while not socket.exists():
            if service.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"podman does not serve: {(folder / 'log').read_text()}")
        yield Podman(argv, f"unix://{socket}")
    finally:
        service.terminate()
        service.wait()
        subprocess.run([*argv, "rm", "--all", "--force", "--time=0"], check=False, capture_output=True)


def give_default_image(to: Podman, folder: Path) -> None:
    """A tenth of it, under its name."""
    archive = slim_archive(folder)
    to.run("import", str(archive), DEFAULT)
    to.run("tag", DEFAULT, ALIAS)
    archive.unlink()
