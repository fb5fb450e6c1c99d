"""The level that a machine reaches without an engine, found by trying, and what is done where it is not enough."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlay.sandbox import uids
from outlay.sandbox.cgroup import PREFIX, open_group, writable_tree
from outlay.sandbox.choose import process_lack, resolve, sandbox_maker
from outlay.sandbox.levels import probe
from outlay.sandbox.readable import readable_folders
from outlay.sandbox.types import Isolation, Limits
from tests.sandbox.breakout import KINDS, succeeded

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

LEFT_GROUP = """
import os
from outlay.sandbox.cgroup import open_group
from outlay.sandbox.types import Limits
print(open_group(Limits()).folders["pids"], flush=True)
os.kill(os.getpid(), 9)
"""

REPORT = """
import asyncio, dataclasses, json, sys
from outlay.sandbox.levels import probe
from outlay.sandbox.process import process_maker
from tests.sandbox.shell import sh

async def main():
    reached = probe()
    if "no namespaces" in sys.argv:
        reached = dataclasses.replace(reached, namespaces=())
    async with process_maker(reached)() as sandbox:
        await sandbox.write("a", b"b")
        bomb = await sh(sandbox, "f() { f | f & }; f; sleep 300", wall_s=2)
        after = await sh(sandbox, "cat a; touch c; echo; id -u")
        print(json.dumps([sandbox.isolation, bomb.killed, after.stdout.decode().split(), await sandbox.list()]))

asyncio.run(main())
"""


@pytest.fixture
def as_nobody() -> Iterator[list[str]]:
    """The start of a command that runs Python on our code as a user without any right, on an interpreter that any user
    can reach. Sandboxes take no other packages.
    """
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or python is None or setpriv is None:
        pytest.skip("to become an ordinary user takes root, setpriv and a python3 of the system")
    if not all(folder.stat().st_mode & 0o005 == 0o005 for folder in (ROOT, *ROOT.parents)):
        pytest.skip("an ordinary user cannot reach this repository")
    user = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "outlay").mkdir()
        (folder / "outlay" / "sandbox").symlink_to(ROOT / "sandbox")
        (folder / "tests").symlink_to(ROOT / "tests")
        yield [*user, "env", "-i", f"PYTHONPATH={folder}", "PYTHONDONTWRITEBYTECODE=1", python]


def test_what_is_called_confined_holds_what_it_says() -> None:
    reached = probe()
    if reached.isolation is not Isolation.CONFINED:
        pytest.skip(f"this machine does not confine: {reached.missing}")
    assert {"files outside the workspace are out of reach", "there is no network"}.isdisjoint(reached.missing)
    assert reached.seccomp
    assert reached.namespaces or reached.landlock_abi
    assert (process_lack(), resolve("process")) == (None, "process")


@pytest.mark.parametrize("walls", ["all walls", "no namespaces"])
def test_an_ordinary_user_is_confined_too(as_nobody: list[str], walls: str) -> None:
    done = subprocess.run([*as_nobody, "-c", REPORT, walls], capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    assert json.loads(done.stdout) == ["confined", "deadline", ["b", str(NOBODY)], ["a", "c"]]


def test_no_way_out_is_open_to_an_ordinary_user(as_nobody: list[str]) -> None:
    kinds = [kind for kind in KINDS if kind != "queues"]
    met = subprocess.run(
        [*as_nobody, "-m", "tests.sandbox.breakout", *kinds], capture_output=True, timeout=60, check=False
    )
    assert met.stderr == b""
    assert succeeded(json.loads(met.stdout)) == []


@pytest.mark.parametrize("kind", ["process", "auto"])
def test_where_no_promise_can_be_kept_it_is_refused_and_weak_must_be_named(kind: str) -> None:
    """Inside a confined sandbox no socket can be made: nothing could be proved there, and there is no engine."""
    if process_lack():
        pytest.skip("this machine does not confine")
    program = f"from outlay.sandbox.choose import sandbox_maker\nsandbox_maker({kind!r})"

    async def body() -> bytes:
        async with sandbox_maker("process")() as sandbox:
            for path in (ROOT / "sandbox").rglob("*.py"):
                await sandbox.write(f"outlay/{path.relative_to(ROOT)}", path.read_bytes())
            return (await sandbox.exec(["python3", "-c", program])).stderr

    refusal = asyncio.run(body()).decode().splitlines()[-1]
    assert "SandboxUnavailable" in refusal
    assert "--sandbox weak" in refusal


def test_weak_is_had_for_the_asking_only() -> None:
    async def body() -> None:
        async with sandbox_maker("weak")() as sandbox:
            assert sandbox.isolation is Isolation.WEAK
            assert "there is no network" in sandbox.record["missing"]

    asyncio.run(body())


def test_no_two_sandboxes_have_the_same_user() -> None:
    taken = [uids.take() for _ in range(3)]
    theirs = subprocess.run(
        [sys.executable, "-c", "from outlay.sandbox import uids; print(uids.take())"],
        capture_output=True,
        check=True,
    )
    assert len({*taken, int(theirs.stdout)}) == 4
    for uid in taken:
        uids.give_back(uid)
    assert uids.take() in taken


def test_the_home_folder_and_outlay_are_not_among_what_may_be_read() -> None:
    folders = [Path(folder) for folder in readable_folders()]
    assert Path("/usr") in folders or any(folder.is_relative_to("/usr") for folder in folders)
    for hidden in (Path.home() / "anything", ROOT / "sandbox"):
        assert not any(hidden.is_relative_to(folder) for folder in folders)


@pytest.fixture
def tree() -> None:
    if writable_tree() is None:
        pytest.skip("no control group can be made here")


@pytest.mark.usefixtures("tree")
def test_a_group_ends_with_all_that_is_in_it() -> None:
    group = open_group(Limits(pids=8))
    assert group is not None
    with subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"]) as process:
        group.add(process.pid)
        group.remove()
        process.wait(timeout=10)
    assert not any(folder.exists() for folder in group.folders.values())


@pytest.mark.usefixtures("tree")
def test_groups_of_a_runner_that_was_killed_are_removed_by_the_next() -> None:
    killed = subprocess.run([sys.executable, "-c", LEFT_GROUP], stdout=subprocess.PIPE, text=True, check=False)
    left = killed.stdout.strip()
    assert Path(left).name.startswith(PREFIX)
    assert Path(left).exists()
    subprocess.run([sys.executable, "-c", "from outlay.sandbox.cgroup import *; writable_tree()"], check=True)
    assert not Path(left).exists()
