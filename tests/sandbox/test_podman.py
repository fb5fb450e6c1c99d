"""Podman behind Docker's API: the same suite in part, each flag read back, and nothing left by a killed runner."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox import busybox
from tests.sandbox.podman import Podman, give_default_image, lack, podman

ROOT = Path(__file__).parent.parent.parent
GONE_S = 30.0
SLICE = {
    "test_sandbox.py": "docker and (exit_code or deadline or memory or are_written)",
    "test_hardening.py": "not number and not host_is_mounted and not keeps_no_log and not init_reaps",
    "test_docker.py": "hard_as or record or fork",
    "test_exec_sandbox.py": "busybox and (record or fork_has or cancelled)",
}
"""What runs here of other modules, as pytest's -k selects. Left out of the second: a count of files, which Podman does
not keep; three that name Docker's own files.
"""
OWNER = """
import asyncio
from outlay.sandbox.docker import docker_sandbox

async def main():
    async with docker_sandbox() as idle, docker_sandbox() as busy:
        print(idle.record["container"], busy.record["container"], flush=True)
        await busy.exec(["sh", "-c", "setsid sleep 300 & sleep 300"], wall_s=60)

asyncio.run(main())
"""
RECORD = """
import asyncio, json
from outlay.sandbox.docker import docker_sandbox

async def main():
    async with docker_sandbox() as sandbox:
        print(json.dumps(dict(sandbox.record)))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    """With the default image, or what is needed of it."""
    if reason := lack():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="podman-") as name, podman(Path(name)) as started:
        give_default_image(started, Path(name))
        yield started


@pytest.fixture
def environment(engine: Podman) -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": engine.address, "OUTLAY_REQUIRE_DOCKER": "1"}


def test_a_slice_of_the_suites_passes(environment: dict[str, str]) -> None:
    if busybox.program() is None:
        pytest.skip(f"there is no static busybox. {busybox.MEND}")
    chosen = " or ".join(f"({module} and ({words}))" for module, words in SLICE.items())
    modules = [f"tests/sandbox/{module}" for module in SLICE]
    argv = [sys.executable, "-m", "pytest", *modules, "-k", chosen, "--timeout=60"]
    ran = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert "skipped" not in ran.stdout


def test_the_record_names_the_engine_its_runtime_and_what_does_not_hold(environment: dict[str, str]) -> None:
    argv = [sys.executable, "-c", RECORD]
    record = json.loads(subprocess.run(argv, env=environment, check=True, capture_output=True).stdout)
    assert (record["engine"], record["channel"], record["network"]) == ("podman", "guest", "none")
    assert record["runtime"] in ("runc", "crun")
    assert record["missing"] == ["files are limited in number, not by memory alone"]


def test_a_killed_runner_leaves_no_container(engine: Podman, environment: dict[str, str]) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        assert owner.stdout is not None
        made = set(owner.stdout.readline().split())
        assert made == set(engine.run("ps", "--quiet", "--no-trunc").split())
        os.kill(owner.pid, signal.SIGKILL)
    until = time.monotonic() + GONE_S
    while engine.run("ps", "--all", "--quiet"):
        assert time.monotonic() < until
