"""An image without Python: a static busybox and the names of its programs, a megabyte in all."""

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import docker

MEND = "Mend: apt install busybox-static"


def program() -> Path | None:
    """This machine's own, if it needs no library."""
    found = shutil.which("busybox")
    if found is None or subprocess.run(["ldd", found], capture_output=True).returncode == 0:
        return None
    return Path(found)


def archive(busybox: Path, files: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """A root file system, with further programs perhaps."""
    names = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in sorted({*names} - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


@contextmanager
def imported(root: bytes) -> Iterator[str]:
    """The name of an image of those files, on the engine that the environment names."""
    name = f"outlay-test-{uuid4().hex}:1"
    repository, _, tag = name.partition(":")
    with closing(docker.from_env()) as client:
        told = client.api.import_image_from_data(root, repository=repository, tag=tag)
        client.images.get(json.loads(told.splitlines()[-1])["status"]).tag(repository, tag)  # Podman ignores the tag
        try:
            yield name
        finally:
            client.images.remove(name, force=True)
