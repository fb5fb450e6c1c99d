"""Declared artifacts are taken once, as regular files of bounded size, and these bytes are judged."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

import pytest

from outlay.sandbox.choose import sandbox_maker
from outlay.sandbox.types import Sandbox
from outlay.tasks.collect import ARTIFACT_BYTES, SUBMISSION_BYTES, collect
from outlay.tasks.types import Submission


@pytest.fixture(params=["process", "docker"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


def collected(kind: str, script: str, paths: Sequence[str] = ("a",)) -> Submission:
    """What is taken after the agent ran `script`."""

    async def run() -> Submission:
        async with sandbox_maker(kind)() as sandbox:
            assert (await sandbox.exec(["sh", "-c", script])).exit_code == 0
            return await collect(sandbox, paths)

    return asyncio.run(run())


def test_what_was_declared_is_taken_and_nothing_else(kind: str) -> None:
    taken = collected(kind, "printf 1 > a; mkdir b; printf 2 > b/c; printf 3 > conftest.py", ("a", "b/c", "gone"))
    assert taken.files == {"a": b"1", "b/c": b"2"}
    assert taken.lack("gone") == "gone is missing"


@pytest.mark.parametrize(
    "script",
    [
        "ln -s /etc/passwd a",
        "mkfifo a",
        "mkdir a",
        f"head -c {ARTIFACT_BYTES + 1} /dev/zero > a",
        f"truncate -s {ARTIFACT_BYTES * 8} a",
        "ln -s /dev/zero a",
    ],
)
def test_what_is_no_regular_file_of_bounded_size_is_refused_with_a_reason(kind: str, script: str) -> None:
    taken = collected(kind, script)
    assert taken.files == {}
    assert taken.lack("a").startswith("a is refused: it ")


def test_a_folder_that_is_a_link_leads_nowhere(kind: str) -> None:
    assert collected(kind, "ln -s /etc b", ("b/passwd",)).files == {}


def test_all_artifacts_together_are_bounded(kind: str) -> None:
    names = [f"a{n}" for n in range(SUBMISSION_BYTES // ARTIFACT_BYTES + 1)]
    taken = collected(kind, f"for a in {' '.join(names)}; do truncate -s {ARTIFACT_BYTES} $a; done", names)
    assert list(taken.files) == names[:-1]
    assert list(taken.refused) == names[-1:]


def test_an_artifact_that_changes_meanwhile_is_taken_whole_and_its_hash_is_of_what_was_taken(kind: str) -> None:
    flip = """
import os, time
until = time.monotonic() + 1
while time.monotonic() < until:
    for letter in (b"x", b"y"):
        with open("draft", "wb") as file: file.write(letter * 100_000)
        os.rename("draft", "a")
"""

    async def run() -> list[Submission]:
        async with sandbox_maker(kind)() as sandbox:
            await sandbox.write("a", b"x" * 100_000)
            flipping = asyncio.create_task(sandbox.exec(["python3", "-c", flip]))
            taken = await several(sandbox)
            await flipping
            return taken

    async def several(sandbox: Sandbox) -> list[Submission]:
        return [await collect(sandbox, ["a"]) for _ in range(4)]

    for submission in asyncio.run(run()):
        body = submission.files["a"]
        assert body in (b"x" * 100_000, b"y" * 100_000)
        assert submission.sha256 == sha256(b"1:a100000:" + body).hexdigest()
