"""Landlock's rules under every version of its interface that this kernel speaks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from outlay.sandbox.guest import landlock

TRUNCATION_SINCE = 3

RESTRICTED = """
import json, os, sys
from pathlib import Path
from outlay.sandbox.guest import landlock
from outlay.sandbox.guest.kernel import prctl

version, world = int(sys.argv[1]), Path(sys.argv[2])
allowed = landlock.Allowed((f"{world}/read", f"{world}/absent"), (f"{world}/write",), ("/dev/null",))
no_new_privs = 38
prctl(no_new_privs, 1)
landlock.restrict(landlock.ruleset(version, allowed, network=False))
done = []
for name, attempt in {
    "read": lambda: (world / "read" / "file").read_text(),
    "write": lambda: (world / "write" / "file").write_text("y"),
    "make": lambda: (world / "write" / "made").mkdir(),
    "device": lambda: Path("/dev/null").write_text("y"),
    "write what may be read": lambda: (world / "read" / "file").write_text("y"),
    "read elsewhere": lambda: (world / "other" / "file").read_text(),
    "make elsewhere": lambda: (world / "other" / "made").mkdir(),
    "list elsewhere": lambda: os.listdir(world / "other"),
    "another device": lambda: open("/dev/zero", "rb").close(),
    "truncate elsewhere": lambda: os.truncate(world / "other" / "file", 0),
}.items():
    try:
        attempt()
    except PermissionError:
        continue
    done.append(name)
print(json.dumps(done))
"""


@pytest.mark.parametrize("version", range(1, 8))
def test_what_is_allowed_is_possible_and_the_rest_is_refused(tmp_path: Path, version: int) -> None:
    if version > landlock.abi():
        pytest.skip(f"this kernel speaks version {landlock.abi()}")
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    argv = [sys.executable, "-c", RESTRICTED, str(version), str(tmp_path)]
    done = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    beyond = [] if version >= TRUNCATION_SINCE else ["truncate elsewhere"]  # there was no right for it
    assert done == ["read", "write", "make", "device", *beyond]
