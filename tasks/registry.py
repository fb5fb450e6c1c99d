"""Tasks by name: built in, from an installed package, or from a file."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from outlay.sandbox.errors import UnknownName
from outlay.tasks.types import Task, TaskFactory
from outlay.tools.named import FileNotUsable, load_named, plugin_names

GROUP = "outlay.tasks"
BUILTIN: Mapping[str, str] = MappingProxyType(
    {
        "answer/arithmetic": "outlay.tasks.answer.arithmetic:task",
        "code/slow-function": "outlay.tasks.code.indexing.task:task",
        "optim/lr-schedule": "outlay.tasks.optim.schedule.task:task",
    },
)


def task_names() -> list[str]:
    """Built-in tasks, then those of installed packages."""
    return [*BUILTIN, *plugin_names(GROUP)]


def load_task(name: str, seed: int) -> Task:
    """The instance for `seed` of a built-in, an entry point of `outlay.tasks`, or `path/to/file.py:name`.

    Raises `UnknownName`, or `FileNotUsable` when what was named makes no task.
    """
    factory: TaskFactory | None = load_named(name, BUILTIN, GROUP)
    if factory is None:
        raise UnknownName("task", name, task_names())
    task = factory(seed)
    if not isinstance(task, Task):
        raise FileNotUsable(f"{name!r} made a {type(task).__name__}, not a Task")
    return task


def anchored(name: str) -> str:
    """The same name with a file's path made absolute, so that it means the same in another process."""
    if name in BUILTIN or ".py:" not in name:
        return name
    path, _, attribute = name.rpartition(":")
    return f"{Path(path).resolve()}:{attribute}"
