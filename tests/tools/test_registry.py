"""Tools by name."""

from pathlib import Path

import pytest

from outlay.sandbox.errors import UnknownName
from outlay.tools.named import FileNotUsable
from outlay.tools.registry import BUILTIN, load_tool, tool_names


def test_builtin_tools_load_by_their_own_names() -> None:
    assert set(tool_names()) >= {"bash", "python", "edit", "evaluate", "submit"}
    assert all(load_tool(name) is tool and tool.name == name for name, tool in BUILTIN.items())


def test_a_tool_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "shout.py"
    file.write_text("from outlay.tools.bash import Bash\nshout = Bash(name='shout')\n")
    assert load_tool(f"{file}:shout").name == "shout"


def test_an_unknown_tool_suggests_a_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean bash"):
        load_tool("bsh")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotUsable, match="there is no file"):
        load_tool(f"{tmp_path}/none.py:tool")
