"""Tasks by name."""

from pathlib import Path

import pytest

from outlay.sandbox.errors import UnknownName
from outlay.tasks.registry import load_task, task_names
from outlay.tools.named import FileNotUsable
from tests.tasks.files import task_file


def test_the_builtin_tasks_are_listed() -> None:
    assert {"answer/arithmetic", "code/slow-function", "optim/lr-schedule"} <= set(task_names())


def test_a_task_can_come_from_a_file(tmp_path: Path) -> None:
    assert load_task(task_file(tmp_path, "return None"), 0).id == "test/task"


def test_an_unknown_task_suggests_a_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean code/slow-function"):
        load_task("code/slow-funktion", 0)


def test_something_that_makes_no_task_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    file.write_text("task = str\n")
    with pytest.raises(FileNotUsable, match="made a str, not a Task"):
        load_task(f"{file}:task", 3)
