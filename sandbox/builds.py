"""Builds on the engine: an archive imported, packages installed in a container and kept, a Dockerfile built.

A container that builds ends with this process: its main program reads a stream that closes when we die.
"""

import io
import json
import shlex
import tarfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from outlay.sandbox.departure import removed
from outlay.sandbox.errors import ImageUnavailable
from outlay.sandbox.mirrors import PackageSources
from outlay.sandbox.recipes import STAND_IN, labels_of
from outlay.sandbox.types import Recipe

BUILD_S = 1800.0
"""How long a build may take."""
GONE_S = 30.0
"""How long its container may take to go; it may have just been told to, because its stdin closed."""
STAGE = "/outlay-build"
"""What a build needs of this machine lies here, and is removed before the image is made."""
COMMAND = ["python3"]
"""What `docker run` of an image starts; sandboxes name their own."""
_TAIL_LINES = 6
Report = Callable[[str], None]


def import_archive(client: Any, archive: Path, reference: str) -> None:
    """Makes an image of a root file system."""
    repository, address = reference.split(":")
    changes = [f"LABEL {name}={value}" for name, value in labels_of(address).items()]
    changes.append(f"CMD {json.dumps(COMMAND)}")
    with archive.open("rb") as file:
        told = client.api.import_image_from_data(file, repository=repository, tag=address, changes=changes)
    client.images.get(json.loads(told.splitlines()[-1])["status"]).tag(repository, address)  # Podman ignores the tag


def install(
    client: Any,
    base: str,
    recipe: Recipe,
    sources: PackageSources,
    reference: str,
    report: Report,
    *,
    bare: bool = False,
) -> None:
    """Installs packages as root in a container of `base`, with a network, and keeps the result under `reference`.

    `bare`: the base is not ours, so what ours brings along is put into it first. Raises `ImageUnavailable`.
    """
    repository, address = reference.split(":")
    with _builder(client, base, labels_of(address), _stage(recipe, sources, bare=bare)) as container:
        _run_in(container, ["sh", "-eu", f"{STAGE}/script"], reference, report)
        _run_in(container, ["rm", "-rf", STAGE], reference, report)
        # A configuration of its own: without it the image would take over the builder's host name and open stdin.
        container.commit(repository=repository, tag=address, conf={"Labels": labels_of(address), "Cmd": COMMAND})


@contextmanager
def _builder(client: Any, base: str, labels: Mapping[str, str], stage: bytes) -> Iterator[Any]:
    container = client.containers.create(
        base, ["cat"], stdin_open=True, auto_remove=True, init=True, labels=dict(labels)
    )
    try:
        stdin = container.attach_socket(params={"stdin": 1, "stream": 1})
        try:
            container.put_archive("/", stage)
            container.start()
            yield container
        finally:
            stdin._response.close()
            stdin.close()
    finally:
        removed(container, GONE_S)


def _run_in(container: Any, argv: list[str], reference: str, report: Report) -> None:
    api, tail, until = container.client.api, deque[str](maxlen=_TAIL_LINES), time.monotonic() + BUILD_S
    made = api.exec_create(container.id, argv)["Id"]
    with _output(api, made) as chunks:
        for line in _lines(chunks):
            tail.append(line)
            report(line)
            if time.monotonic() > until:
                raise ImageUnavailable(
                    reference, f"its build passed {BUILD_S:.0f} s", "Mend: ask for less in one recipe"
                )
    if api.exec_inspect(made)["ExitCode"] != 0:
        raise ImageUnavailable(
            reference, f"its packages could not be installed: {' / '.join(tail)}", "Mend: correct the recipe's names"
        )


@contextmanager
def _output(api: Any, made: str) -> Iterator[Iterable[bytes]]:
    """What an exec writes, while it does. The SDK's own stream would leave its connection open."""
    from docker.utils.socket import frames_iter

    stream = api.exec_start(made, socket=True)
    try:
        yield (chunk for _, chunk in frames_iter(stream, tty=False))
    finally:
        stream._response.close()
        stream.close()


def _lines(chunks: Iterable[bytes]) -> Iterable[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, map(_last_state, whole))
    yield from filter(None, [_last_state(rest)])


def _last_state(line: bytes) -> str:
    """What a terminal would show in the end of a line that was written over itself."""
    return line.decode(errors="replace").strip().rpartition("\r")[2].strip()


def _stage(recipe: Recipe, sources: PackageSources, *, bare: bool) -> bytes:
    """An archive with the script and what it reads."""
    files = {
        "script": _script(recipe, sources, bare=bare).encode(),
        "sources.list": "".join(f"{line}\n" for line in sources.debian).encode(),
        "apt.conf": _apt_conf(has_certificates=bool(sources.certificates)).encode(),
        "certificates.pem": sources.certificates,
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, body in files.items():
            entry = tarfile.TarInfo(f"{STAGE[1:]}/{name}")
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def _apt_conf(*, has_certificates: bool) -> str:
    lines = [
        f'Dir::Etc::SourceList "{STAGE}/sources.list";',
        'Dir::Etc::SourceParts "/dev/null";',
        f'Dir::State::Lists "{STAGE}/lists";',
        f'Dir::Cache "{STAGE}/cache";',
        'APT::Sandbox::User "root";',
        'APT::Install-Recommends "false";',
    ]
    if has_certificates:
        lines.append(f'Acquire::https::CaInfo "{STAGE}/certificates.pem";')
    return "\n".join(lines)


def _script(recipe: Recipe, sources: PackageSources, *, bare: bool) -> str:
    variables = {
        "DEBIAN_FRONTEND": "noninteractive",
        "APT_CONFIG": f"{STAGE}/apt.conf",
        "TMPDIR": f"{STAGE}/tmp",
        "HOME": STAGE,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **sources.proxies,
        **sources.pip,
    }
    if sources.certificates:
        variables["PIP_CERT"] = f"{STAGE}/certificates.pem"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines += [f"mkdir -p {STAGE}/tmp {STAGE}/lists/partial {STAGE}/cache/archives/partial", "exec 2>&1"]
    if bare:
        lines.append(STAND_IN)
    if recipe.apt:
        lines += ["apt-get -qq update", f"apt-get -qq -y install {shlex.join(sorted(set(recipe.apt)))}"]
    if recipe.pip:
        options = "--break-system-packages --root-user-action=ignore --no-cache-dir --progress-bar=off"
        lines.append(f"python3 -m pip install {options} {shlex.join(sorted(set(recipe.pip)))}")
    return "\n".join(lines)


def build_dockerfile(client: Any, text: str, proxies: Mapping[str, str], reference: str, report: Report) -> None:
    """Builds without a context, so COPY finds nothing. The build sees this machine's proxies, which the engine keeps
    out of the image, and nothing else of it. Raises `ImageUnavailable`, and then leaves no layer behind.
    """
    labels = labels_of(reference.rpartition(":")[2])
    steps = client.api.build(
        fileobj=io.BytesIO(text.encode()),
        tag=reference,
        labels=labels,
        buildargs=dict(proxies),
        nocache=True,  # a layer is then ours alone, and can be removed when a later step fails
        rm=True,
        forcerm=True,
        decode=True,
    )
    until, layer, failure = time.monotonic() + BUILD_S, "", ""
    for step in steps:
        said = step.get("stream", "").strip()
        if said.startswith("---> ") and not said.startswith("---> Running"):
            layer = said.removeprefix("---> ")
        if said:
            report(said)
        if "error" in step:
            failure = f"its Dockerfile failed: {step['error'].strip()}"
        if time.monotonic() > until:
            failure = f"its build passed {BUILD_S:.0f} s"
            break
    if failure:
        _discard(client, layer)
        raise ImageUnavailable(reference, failure, "Mend: correct the Dockerfile")


def _discard(client: Any, layer: str) -> None:
    """With its untagged parents; the engine refuses for an image that has a name or is used, which is then not ours."""
    from docker.errors import APIError

    with suppress(APIError):
        if layer and not client.images.get(layer).tags:
            client.images.remove(layer)
