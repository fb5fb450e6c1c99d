"""What a task asks for becomes an image on the engine: found, built once, pulled, named by content, pruned."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.errors import ImageNotFound, NotFound

from outlay.sandbox import images
from outlay.sandbox.bootstrap import bootstrap, can_bootstrap
from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.errors import ImageUnavailable, UnknownName
from outlay.sandbox.images import resolve
from outlay.sandbox.inventory import built_images, prune
from outlay.sandbox.mirrors import PackageSources
from outlay.sandbox.recipes import DEFAULT, reference_of
from outlay.sandbox.types import Recipe, SandboxSpec
from tests.sandbox.registry import registry
from tests.sandbox.shell import sh

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

RESOLVER = """
import sys
import docker
from outlay.sandbox.images import resolve
from outlay.sandbox.types import Recipe

def report(line):
    print("REPORT", line, flush=True)

client = docker.from_env()
print("DIGEST", resolve(client, Recipe(dockerfile=sys.argv[1]), report).digest)
client.close()
"""


@pytest.fixture
def engine(docker_engine: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:  # noqa: ARG001
    """A client; what is built meanwhile is locked and cached in the test's own folder."""
    monkeypatch.setenv("OUTLAY_CACHE", str(tmp_path))
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def tiny(engine: Any) -> Iterator[Callable[..., Recipe]]:
    """Recipes that nobody built before; their images are removed in the end."""
    made = []

    def recipe(*steps: str) -> Recipe:
        made.append(Recipe(dockerfile="\n".join([f"FROM {DEFAULT}", f"RUN echo {uuid4()} > /greeting", *steps])))
        return made[-1]

    yield recipe
    for each in reversed(made):
        with suppress(ImageNotFound):
            engine.images.remove(reference_of(each))


def greeting(recipe: Recipe) -> str:
    return recipe.dockerfile.split()[4]


@pytest.mark.parametrize("name", [None, "outlay/base", "outlay/base:latest", DEFAULT, Recipe()])
def test_the_default_image_has_one_reference_under_all_its_names(engine: Any, name: str | Recipe | None) -> None:
    said: list[str] = []
    found = resolve(engine, name, said.append)
    assert (found.reference, found.digest, said) == (DEFAULT, engine.images.get(DEFAULT).id, [])


def test_a_name_that_the_engine_has_is_taken_as_it_is(engine: Any) -> None:
    name = f"test-present-{uuid4()}:1"
    engine.images.get(DEFAULT).tag(*name.split(":"))
    try:
        assert resolve(engine, name).digest == engine.images.get(DEFAULT).id
    finally:
        engine.images.remove(name)


def test_a_name_that_no_registry_gives_is_an_error_with_its_mend(engine: Any) -> None:
    with pytest.raises(ImageUnavailable, match=r"no registry gave it .*connection refused.*Mend: .*docker pull"):
        resolve(engine, "127.0.0.1:9/nothing:1")


def test_a_name_of_ours_is_never_pulled(engine: Any) -> None:
    with pytest.raises(ImageUnavailable, match="never pulled"):
        resolve(engine, "outlay/nothing:1")


def test_a_name_is_pulled_where_a_registry_answers(engine: Any) -> None:
    said: list[str] = []
    with registry(str(uuid4())) as name:
        found = resolve(engine, name, said.append)
    pulled = engine.images.get(name).id
    engine.images.remove(name)
    assert found.digest == pulled
    assert "Pull complete" in " ".join(said)


def test_a_recipe_is_built_with_progress_and_a_sandbox_starts_from_it(engine: Any, tiny: Callable[..., Recipe]) -> None:
    recipe, said = tiny(), list[str]()
    found = resolve(engine, recipe, said.append)
    assert said[0] == f"building {found.reference}"
    assert said[-1].startswith(f"built {found.reference}")

    async def body() -> bytes:
        async with docker_sandbox(SandboxSpec(image=found.reference)) as sandbox:
            return (await sh(sandbox, "cat /greeting")).stdout

    assert asyncio.run(body()).decode().strip() == greeting(recipe)


def test_what_is_built_bears_our_labels_with_its_address(engine: Any, tiny: Callable[..., Recipe]) -> None:
    found = resolve(engine, tiny())
    address = found.reference.rpartition(":")[2]
    assert engine.images.get(found.digest).labels == {"outlay": "1", "outlay.image": address}
    (listed,) = [image for image in built_images(engine) if image.digest == found.digest]
    assert (listed.reference, listed.containers) == (found.reference, 0)


def test_two_processes_that_want_one_recipe_build_it_once(engine: Any, tiny: Callable[..., Recipe]) -> None:
    recipe = tiny()
    command = [sys.executable, "-c", RESOLVER, recipe.dockerfile]
    both = []
    with images.build_lock(reference_of(recipe), images.silent):  # so that both must wait, and start together
        for _ in range(2):
            both.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)))
        firsts = [process.stdout.readline() for process in both if process.stdout]
        assert all("waiting" in line for line in firsts)
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert sum(output.count("REPORT building") for output in outputs) == 1
    digests = {line for output in outputs for line in output.splitlines() if line.startswith("DIGEST")}
    assert digests == {f"DIGEST {engine.images.get(reference_of(recipe)).id}"}


def test_a_dockerfile_that_fails_is_an_error_and_leaves_no_layer(engine: Any, tiny: Callable[..., Recipe]) -> None:
    recipe = tiny("RUN echo no way; false")
    with pytest.raises(ImageUnavailable, match=r"its Dockerfile failed: .*non-zero code: 1. Mend: "):
        resolve(engine, recipe)
    commands = [each["CreatedBy"] for image in dangling(engine) for each in image.history()]
    assert not [command for command in commands if greeting(recipe) in command]


def dangling(engine: Any) -> list[Any]:
    return list(engine.images.list(filters={"dangling": True}))


def test_a_base_that_is_nowhere_is_told_before_anything_is_built(engine: Any) -> None:
    with pytest.raises(ImageUnavailable, match=r"127\.0\.0\.1:9/nothing"):
        resolve(engine, Recipe(dockerfile=f"FROM {DEFAULT} AS first\nFROM 127.0.0.1:9/nothing:1\nRUN true"))


def test_packages_are_installed_and_nothing_of_the_build_stays(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_RETRIES", "7")
    recipe = Recipe(apt=("bc",), pip=("six==1.17.0",))
    there_before = any(image.reference == reference_of(recipe) for image in built_images(engine))
    found = resolve(engine, recipe)
    look = "echo 6*7 | bc; python3 -c 'import six; print(six.__version__)'; ls -d /outlay-build; env"
    try:
        seen = engine.containers.run(found.digest, ["sh", "-c", look], remove=True, stderr=True).decode()
        config = engine.images.get(found.digest).attrs["Config"]
    finally:
        if not there_before:
            engine.images.remove(found.reference)
    assert seen.startswith("42\n1.17.0\n")
    assert "cannot access '/outlay-build'" in seen
    assert "PIP_" not in seen + str(config)
    assert (config["Cmd"], config["User"], config["OpenStdin"]) == (["python3"], "", False)


def test_a_package_that_is_nowhere_is_an_error_that_names_it_and_leaves_no_container(engine: Any) -> None:
    recipe = Recipe(pip=("nothing @ file:///nothing.whl",))
    with pytest.raises(ImageUnavailable, match=r"could not be installed: .*nothing\.whl"):
        resolve(engine, recipe)
    address = reference_of(recipe).rpartition(":")[2]
    assert not engine.containers.list(all=True, filters={"label": f"outlay.image={address}"})


def test_a_killed_build_leaves_no_container_and_no_lock(engine: Any) -> None:
    reference = reference_of(Recipe(pip=("six==1.16.0",)))
    command = [str(Path(sys.executable).parent / "outlay"), "images", "build", "--pip", "six==1.16.0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("Collecting" in line for line in process.stderr)
        label = f"outlay.image={reference.rpartition(':')[2]}"
        (container,) = engine.containers.list(all=True, filters={"label": label})
        process.kill()
    with suppress(NotFound):
        container.wait(condition="removed", timeout=60)
    assert not engine.containers.list(all=True, filters={"label": label})
    said: list[str] = []
    with images.build_lock(reference, said.append):
        assert not said


def test_prune_tells_then_removes_what_nobody_needs(engine: Any, tiny: Callable[..., Recipe]) -> None:
    name = resolve(engine, tiny()).reference
    (would,) = prune(engine, [name], dry_run=True)
    assert (would.image.reference, would.kept_because) == (name, "")
    assert engine.images.get(name)
    prune(engine, [name])
    with pytest.raises(ImageNotFound):
        engine.images.get(name)


def test_prune_keeps_the_default_and_what_a_container_uses(engine: Any, tiny: Callable[..., Recipe]) -> None:
    name = resolve(engine, tiny()).reference
    container = engine.containers.create(name, ["true"])
    try:
        told = {each.image.reference: each.kept_because for each in prune(engine, [name, DEFAULT])}
    finally:
        container.remove()
    assert told == {name: "1 containers use it", DEFAULT: "the default"}
    assert engine.images.get(name)


def test_prune_leaves_alone_what_somebody_else_built_on_ours(engine: Any, tiny: Callable[..., Recipe]) -> None:
    name = resolve(engine, tiny()).reference
    container, theirs = engine.containers.create(name, ["true"]), f"test-theirs-{uuid4()}:1"
    container.commit(*theirs.split(":"))
    container.remove()
    try:
        assert engine.images.get(theirs).labels["outlay"] == "1"  # inherited: no proof that it is ours
        assert theirs not in {image.reference for image in built_images(engine)}
        (kept,) = prune(engine, [name])
        assert kept.kept_because == f"{theirs} is built on it"
        with pytest.raises(UnknownName):
            prune(engine, [theirs])
    finally:
        engine.images.remove(theirs)


@pytest.mark.skipif(not can_bootstrap(), reason="needs mmdebstrap")
def test_a_mirror_that_does_not_answer_ends_the_bootstrap_with_nothing_left(tmp_path: Path) -> None:
    sources = PackageSources(debian=("deb http://127.0.0.1:9/debian bookworm main",))
    with pytest.raises(ImageUnavailable, match=r"mmdebstrap failed: .*apt.*Mend: apt install mmdebstrap"):
        bootstrap(tmp_path / "base.tar", sources, images.silent)
    assert not list(tmp_path.iterdir())
