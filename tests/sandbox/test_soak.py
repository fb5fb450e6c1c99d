"""A seeded slice of the soak; `make soak` runs the whole."""

import pytest

from tests.soak.sandboxes import soak

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]


def test_nothing_stays_behind() -> None:
    report = soak(sandboxes=60, seed=1)
    assert report["sandboxes"] == 60
    assert report["killed_runners"] >= 1
    assert report["left"] == {}
