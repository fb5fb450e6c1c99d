"""From what a task asks for to an image on the engine: present, else built, else pulled.

The default image is built from Debian's packages by mmdebstrap where the machine has it: that needs no registry and no
network in containers. Elsewhere it is built on Debian's image from a registry. Builds happen once: a lock in the cache
folder is held across processes.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlay.sandbox.bootstrap import bootstrap, can_bootstrap
from outlay.sandbox.builds import BUILD_S, build_dockerfile, import_archive, install
from outlay.sandbox.errors import ImageUnavailable, SandboxUnavailable
from outlay.sandbox.mirrors import package_sources, proxies
from outlay.sandbox.recipes import (
    ALIAS,
    BASE_ADDRESS,
    BASE_PACKAGES,
    BASE_REPOSITORY,
    DEFAULT,
    FOREIGN_BASE,
    NAMESPACE,
    bases_of,
    reference_of,
)
from outlay.sandbox.types import Recipe

PULL_S = 1800.0
"""How long a pull may take."""
LOCK_S = 2 * BUILD_S
"""How long to wait for another process that builds the same image, and the base below it."""
_POLL_S = 0.2
Report = Callable[[str], None]


@dataclass(frozen=True)
class ResolvedImage:
    """An image that the engine has."""

    reference: str
    digest: str
    """The engine's own address of its content, `sha256:...`: what a container should be made from, since names move."""


def silent(_line: str) -> None:
    """A report that nobody reads."""


def resolve(client: Any, image: str | Recipe | None, report: Report = silent) -> ResolvedImage:
    """Makes sure that the engine has the image; blocks, for minutes when it must be built. `report` gets lines.

    Raises `ImageUnavailable` when it is nowhere, `SandboxUnavailable` when the engine fails.
    """
    reference = reference_of(image)
    with _engine_faults():
        if found := _present(client, reference):
            return found
        with engine(timeout_s=BUILD_S) as patient:
            if isinstance(image, str) and reference != DEFAULT:
                _pull(patient, reference, report)
            else:
                _build_once(patient, image, reference, report)
        if found := _present(client, reference):
            return found
    raise ImageUnavailable(reference, "it was removed while it was made", "Mend: run again")


@contextmanager
def engine(*, timeout_s: float) -> Iterator[Any]:
    """A client of the engine that the environment names. Raises `SandboxUnavailable`."""
    import docker

    with _engine_faults():
        client = docker.from_env(timeout=timeout_s)
    with closing(client):
        yield client


@contextmanager
def _engine_faults() -> Iterator[None]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise SandboxUnavailable("docker", f"the engine failed ({error})", "Mend: start or restart dockerd") from error


def cache_folder() -> Path:
    """`OUTLAY_CACHE`, or `~/.cache/outlay`."""
    return Path(os.environ.get("OUTLAY_CACHE") or Path.home() / ".cache" / "outlay")


def base_archive() -> Path:
    """Where the default image's root file system is kept, for engines that come after this one."""
    return cache_folder() / f"base-{BASE_ADDRESS}.tar"


def stale_archives() -> list[Path]:
    """Root file systems of default images that this version no longer uses."""
    return sorted(set(cache_folder().glob("base-*.tar")) - {base_archive()})


def _present(client: Any, reference: str) -> ResolvedImage | None:
    from docker.errors import ImageNotFound

    try:
        return ResolvedImage(reference, client.images.get(reference).id)
    except ImageNotFound:
        return None


def _build_once(client: Any, image: Recipe | str | None, reference: str, report: Report) -> None:
    with build_lock(reference, report):
        if _present(client, reference):  # another process built it while we waited
            return
        report(f"building {reference}")
        began = time.monotonic()
        if reference == DEFAULT:
            _build_base(client, report)
        else:
            assert isinstance(image, Recipe)
            _build_recipe(client, image, reference, report)
        report(f"built {reference} in {time.monotonic() - began:.0f} s")


def _build_base(client: Any, report: Report) -> None:
    archive = base_archive()
    if not archive.is_file() and can_bootstrap():
        bootstrap(archive, package_sources(os.environ), report)
    if archive.is_file():
        report(f"importing {archive}")
        import_archive(client, archive, DEFAULT)
    else:
        try:
            foreign = resolve(client, FOREIGN_BASE, report).digest
        except ImageUnavailable as error:
            mend = f"Mend: apt install mmdebstrap, or let the engine pull {FOREIGN_BASE}"
            raise ImageUnavailable(DEFAULT, f"mmdebstrap is missing and {error.reason}", mend) from error
        install(client, foreign, Recipe(BASE_PACKAGES), package_sources(os.environ), DEFAULT, report, bare=True)
    client.images.get(DEFAULT).tag(*ALIAS.split(":"))


def _build_recipe(client: Any, recipe: Recipe, reference: str, report: Report) -> None:
    if not recipe.dockerfile:
        base = resolve(client, None, report).digest
        install(client, base, recipe, package_sources(os.environ), reference, report)
        return
    for name in bases_of(recipe.dockerfile):
        found = resolve(client, name, report)
        if found.reference == DEFAULT:
            client.images.get(DEFAULT).tag(*ALIAS.split(":"))
    build_dockerfile(client, recipe.dockerfile, proxies(os.environ), reference, report)


def _pull(client: Any, reference: str, report: Report) -> None:
    from docker.errors import APIError
    from docker.utils import parse_repository_tag

    if reference.startswith(NAMESPACE):
        known = f"Mend: {BASE_REPOSITORY} is the default image; others under {NAMESPACE} are built from recipes"
        raise ImageUnavailable(reference, "it is not on this engine, and names of ours are never pulled", known)
    repository, tag = parse_repository_tag(reference)
    until, failure = time.monotonic() + PULL_S, ""
    try:
        for step in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            failure = failure or step.get("error", "")
            if time.monotonic() > until:
                failure = f"its pull passed {PULL_S:.0f} s"
                break
            if not step.get("progressDetail"):
                report(" ".join(part for part in (step.get("id"), step.get("status")) if part))
    except APIError as error:
        failure = str(error.explanation or error)
    if failure:
        raise _not_pulled(reference, failure)


def _not_pulled(reference: str, reason: str) -> ImageUnavailable:
    mend = f"Mend: check the name, or bring the image with docker pull or docker load; the default is {BASE_REPOSITORY}"
    return ImageUnavailable(reference, f"it is not on this engine and no registry gave it ({reason})", mend)


@contextmanager
def build_lock(reference: str, report: Report) -> Iterator[None]:
    """One builder of an image at a time, over all processes that share the cache folder; ends with its process."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + LOCK_S
    with (folder / f"{reference.replace('/', '-').replace(':', '-')}.lock").open("w") as file:
        while not _locked(file.fileno()):
            if time.monotonic() > until:
                raise ImageUnavailable(reference, "another process has been building it for too long", "Mend: end it")
            report(f"another process builds {reference}; waiting")
            report = silent
            time.sleep(_POLL_S)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
