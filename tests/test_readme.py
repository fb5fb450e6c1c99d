"""The files and commands that README and docs show, run as a reader would."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.conftest import Outlay, outlay  # noqa: F401 - a fixture
from tests.test_house import ROOT

README = (ROOT / "README.md").read_text()


def files_of(text: str) -> dict[str, str]:
    """Python blocks that begin with `# file: NAME`."""
    blocks = re.finditer(r"^```python\n# file: (\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return {block[1]: block[2] for block in blocks}


FILES = files_of(README)
COMMANDS = [
    line.removeprefix("$ outlay ") for line in README.splitlines() if line.startswith("$ outlay ") and "valley" in line
]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with the files that the README shows."""
    for name, body in FILES.items():
        (tmp_path / name).write_text(body)
    return tmp_path


def test_the_example_task_agent_and_tool_work_as_shown(outlay: Outlay) -> None:  # noqa: F811
    assert set(FILES) == {"valley.py", "calculator.py", "downhill.py"}
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        ran = outlay(*shlex.split(command))
        assert ran.returncode == 0, ran.stderr
    rows = {row["agent"]: row for row in json.loads(outlay("ls", "valley", "--json").stdout)}
    assert rows["reference"]["normalised"] == 1.0
    assert rows["reference"]["score"] < rows["downhill.py:downhill"]["score"] < rows["baseline"]["score"]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_the_examples_of_the_docs_run(page: Path, tmp_path: Path) -> None:
    files = files_of(page.read_text())
    assert files
    for name, body in files.items():
        (tmp_path / name).write_text(body)
        subprocess.run([sys.executable, name], cwd=tmp_path, check=True, timeout=120)


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README
