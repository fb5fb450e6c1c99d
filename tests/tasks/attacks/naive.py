"""The control: a verifier that runs pytest inside the agent's tree and believes its exit code or its summary.

It runs in a sandbox too, so that the attacks on it harm nobody, but there everything lies in one place: the tests, the
reference, the candidate and whatever else the agent left.
"""

import asyncio
import importlib.util
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from outlay.sandbox.choose import sandbox_maker
from outlay.sandbox.types import Limits, Sandbox, SandboxSpec
from tests.tasks.attacks.lab import REFERENCE
from tests.tasks.attacks.words import Attack

TEST = """
import time
import reference
from total import solve

def test_small_lists():
    for numbers in ([1, 1, 2], [5, 5, 5, 5], [3]):
        expected = reference.solve(numbers)
        assert solve(numbers) == expected

def test_a_long_list_takes_no_time():
    numbers = [7 * i % 997 for i in range(2500)]
    expected = reference.solve(numbers)
    began = time.perf_counter()
    found = solve(numbers)
    assert time.perf_counter() - began < 0.15
    assert found == expected
"""
RUN = """
import json, os, pathlib, subprocess, sys
order = json.load(sys.stdin)
for name, body in order["files"].items():
    path = pathlib.Path(order["folder"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)
os.environ["PYTHONPATH"] = os.path.abspath("library")
os.chdir(order["folder"])
if order["before"]:
    subprocess.run([sys.executable, "-c", order["before"]], check=True)
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", "test_total.py"])
"""


def verdicts(kind: str, attacks: Sequence[Attack]) -> dict[str, bool]:
    """Which of the attacks the naive verifier accepts."""

    async def all_verdicts() -> dict[str, bool]:
        first, second = await asyncio.gather(_verdicts(kind, attacks[::2]), _verdicts(kind, attacks[1::2]))
        return first | second

    return asyncio.run(all_verdicts())


async def _verdicts(kind: str, attacks: Sequence[Attack]) -> dict[str, bool]:
    spec = SandboxSpec(limits=Limits(pids=64, memory_bytes=512 << 20, disk_bytes=256 << 20))
    async with sandbox_maker(kind)(spec) as sandbox:
        await sandbox.write("library.zip", _pytest())
        unpacked = await sandbox.exec(["python3", "-m", "zipfile", "-e", "library.zip", "library"])
        compiled = await sandbox.exec(["python3", "-m", "compileall", "-q", "library"])
        assert (unpacked.exit_code, compiled.exit_code) == (0, 0)
        return {attack.id: await _accepts(sandbox, attack) for attack in attacks}


async def _accepts(sandbox: Sandbox, attack: Attack) -> bool:
    tree: Mapping[str, str] = {"test_total.py": TEST, "reference.py": REFERENCE.decode(), **attack.tree}
    order = {"folder": attack.id, "files": tree, "before": attack.before}
    argv = ["python3", "-c", RUN]
    done = await sandbox.exec(argv, stdin=json.dumps(order).encode(), wall_s=20)
    summary = re.search(rb"\d+ passed", done.stdout) and not re.search(rb"\d+ failed", done.stdout)
    return done.exit_code == 0 or bool(summary)


def _pytest() -> bytes:
    """The library, as it is installed here: all of it is plain Python."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"):
            spec = importlib.util.find_spec(name)
            assert spec is not None and spec.origin is not None
            top = Path(spec.origin)
            package = top.name == "__init__.py"
            for path in top.parent.rglob("*.py") if package else [top]:
                archive.write(path, path.relative_to(top.parent.parent if package else top.parent))
    return packed.getvalue()
