"""Fixtures of the sandbox's tests."""

import os
from collections.abc import Iterator

import pytest

from tests.sandbox import busybox


@pytest.fixture(scope="session")
def static_busybox(docker_engine: None) -> busybox.Path:  # noqa: ARG001
    """Skips where this machine has none; fails instead under OUTLAY_REQUIRE_DOCKER=1."""
    if found := busybox.program():
        return found
    lack = f"there is no static busybox. {busybox.MEND}"
    if os.environ.get("OUTLAY_REQUIRE_DOCKER") == "1":
        pytest.fail(lack)
    pytest.skip(lack)


@pytest.fixture(scope="session")
def image_without_python(static_busybox: busybox.Path) -> Iterator[str]:
    """Its name."""
    with busybox.imported(busybox.archive(static_busybox)) as name:
        yield name
