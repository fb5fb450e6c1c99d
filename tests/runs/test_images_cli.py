"""`outlay images` as its users meet it."""

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import docker
import pytest
from docker.errors import ImageNotFound

from outlay.sandbox.recipes import DEFAULT, reference_of
from outlay.sandbox.types import Recipe
from tests.runs.conftest import Outlay


@pytest.fixture
def dockerfile(docker_engine: None, tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001
    """One that nobody built before; its image is removed in the end."""
    path = tmp_path / "Dockerfile"
    path.write_text(f"FROM outlay/base\nRUN echo {uuid4()} > /greeting\n")
    yield path
    with closing(docker.from_env()) as client, suppress(ImageNotFound):
        client.images.remove(reference_of(Recipe(dockerfile=path.read_text())))


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_the_default_image_is_listed_and_building_it_again_says_only_its_name(outlay: Outlay) -> None:
    (listed,) = [image for image in json.loads(outlay("images", "ls", "--json").stdout) if image["default"]]
    assert listed["reference"] == DEFAULT
    assert listed["size_bytes"] > 100e6
    again = outlay("images", "build")
    assert (again.returncode, again.stdout.strip(), again.stderr) == (0, f"{DEFAULT} {listed['digest']}", "")


@pytest.mark.docker
def test_a_dockerfile_is_built_with_progress_listed_told_by_a_dry_run_and_pruned(
    outlay: Outlay, dockerfile: Path, tmp_path: Path
) -> None:
    built = outlay("images", "build", "--dockerfile", str(dockerfile), OUTLAY_CACHE=str(tmp_path))
    name, digest = built.stdout.split()
    assert f"building {name}" in built.stderr
    assert f"built {name}" in built.stderr
    assert name in outlay("images", "ls").stdout
    assert "would go" in outlay("images", "prune", "--dry-run", name).stdout
    assert digest in outlay("images", "ls", "--json").stdout
    assert "removed" in outlay("images", "prune", name).stdout
    assert digest not in outlay("images", "ls", "--json").stdout


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_former_default_s_archive_goes_with_a_prune_of_everything(outlay: Outlay, tmp_path: Path) -> None:
    former = tmp_path / "base-0123456789ab.tar"
    former.write_bytes(b"")
    told = outlay("images", "prune", "--dry-run", OUTLAY_CACHE=str(tmp_path)).stdout
    assert former.name in told
    assert former.exists()


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_base_that_is_nowhere_exits_3_with_the_mend(outlay: Outlay, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM 127.0.0.1:9/nothing:1\n")
    refused = outlay("images", "build", "--dockerfile", "Dockerfile", OUTLAY_CACHE=str(tmp_path))
    assert refused.returncode == 3
    assert "Mend: " in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("verb", [("ls",), ("build",), ("prune", "--dry-run")])
def test_without_an_engine_each_verb_exits_3_with_the_mend(
    outlay: Outlay, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    refused = outlay("images", *verb, DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert refused.returncode == 3
    assert "Mend: start or restart dockerd" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_help_names_the_verbs_and_the_default(outlay: Outlay) -> None:
    told = outlay("images", "--help").stdout
    assert all(word in told for word in ("ls", "build", "prune", "outlay/base"))
    assert "OUTLAY_CACHE" in outlay("images", "build", "--help").stdout
