"""Fixtures of every room, and the rule for tests that need a Docker engine."""

import os

import pytest


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skips when no engine or sandbox image answers; fails instead under OUTLAY_REQUIRE_DOCKER=1."""
    from outlay.sandbox.choose import sandbox_maker
    from outlay.sandbox.errors import SandboxUnavailable

    try:
        sandbox_maker("docker")
    except SandboxUnavailable as lack:
        if os.environ.get("OUTLAY_REQUIRE_DOCKER") == "1":
            pytest.fail(str(lack))
        pytest.skip(str(lack))
