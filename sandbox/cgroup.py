"""Control groups: limits on all of a sandbox's processes together. Where this user may make groups, and only beneath
the group this process is in, so that whatever binds us binds our sandboxes.
"""

import errno
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from outlay.sandbox.types import Limits

CONTROLLERS = ("memory", "pids", "cpu")
PREFIX = "outlay-"
REMOVE_S = 2.0
"""How long a group of killed processes may take to empty."""
OVERHEAD_PIDS = 4
"""The sandbox's own processes beside its commands."""
PERIOD_US = 100_000
_numbers = count()


@dataclass(frozen=True)
class Tree:
    """Where groups can be made."""

    version: int
    parents: Mapping[str, Path]
    """By controller. In version 2 they are all the same folder."""


@dataclass(frozen=True)
class Group:
    """One sandbox's group, or one per controller."""

    tree: Tree
    folders: Mapping[str, Path]

    def add(self, pid: int) -> None:
        """With all it starts from now on. Raises `OSError`."""
        for folder in set(self.folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def oom_counter(self) -> str | None:
        """The file whose line `oom_kill N` says how many processes the kernel has killed for want of memory."""
        if (folder := self.folders.get("memory")) is None:
            return None
        return str(folder / ("memory.events" if self.tree.version == 2 else "memory.oom_control"))

    def remove(self) -> None:
        """With all that still runs in it. Raises `OSError` when it is not empty in time."""
        until = time.monotonic() + REMOVE_S
        for folder in set(self.folders.values()):
            _remove(folder, until)


def open_group(limits: Limits) -> Group | None:
    """A new empty group under these limits; None where none can be made."""
    tree = writable_tree()
    if tree is None:
        return None
    name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    return _made(tree, name, limits)


@cache
def writable_tree() -> Tree | None:
    """Where groups can be made, found by making one, once per process. Removes empty groups of dead processes."""
    for tree in (_version_1(), *_version_2()):
        if not tree.parents:
            continue
        for parent in set(tree.parents.values()):
            _remove_orphans(parent)
        with suppress(OSError):
            _made(tree, f"{PREFIX}{os.getpid()}-probe", Limits()).remove()
            return tree
    return None


def _made(tree: Tree, name: str, limits: Limits) -> Group:
    group = Group(tree, {controller: parent / name for controller, parent in tree.parents.items()})
    try:
        for folder in set(group.folders.values()):
            folder.mkdir()
        for controller, folder in group.folders.items():
            for file, value in _settings(tree.version, controller, limits):
                _set(folder / file, value)
    except OSError:
        with suppress(OSError):
            group.remove()
        raise
    return group


def _settings(version: int, controller: str, limits: Limits) -> Iterator[tuple[str, str]]:
    """Files and what to write into them, in order. Memory beyond its limit is not swapped out instead."""
    quota_us, memory = int(limits.cpus * PERIOD_US), str(limits.memory_bytes)
    match version, controller:
        case _, "pids":
            yield "pids.max", str(limits.pids + OVERHEAD_PIDS)
        case 1, "memory":
            yield "memory.limit_in_bytes", memory
            yield "memory.memsw.limit_in_bytes", memory
        case 2, "memory":
            yield "memory.max", memory
            yield "memory.swap.max", "0"
        case 1, "cpu":
            yield "cpu.cfs_quota_us", str(quota_us)
        case 2, "cpu":
            yield "cpu.max", f"{quota_us} {PERIOD_US}"


def _set(file: Path, value: str) -> None:
    if file.exists():  # kernels without swap accounting lack its files
        file.write_text(value)


def _remove(folder: Path, until: float) -> None:
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                raise
            _kill(folder)
            time.sleep(0.005)
        else:
            return


def _kill(folder: Path) -> None:
    for pid in _words(folder / "cgroup.procs"):
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def _remove_orphans(parent: Path) -> None:
    """A group in use is not empty, and the kernel keeps it."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", owner).exists():
            with suppress(OSError):
                folder.rmdir()


def _version_1() -> Tree:
    parents = {}
    for controller in CONTROLLERS:
        for names, path in _memberships():
            if controller in names and (folder := _folder("cgroup", controller, path)):
                parents[controller] = folder
    return Tree(1, parents)


def _version_2() -> Iterator[Tree]:
    """Our own group where it may have children with limits, which it may not while it has processes; else the group
    above it, which a session manager hands to its user.
    """
    for names, path in _memberships():
        if not names and (folder := _folder("cgroup2", None, path)):
            for parent in (folder, folder.parent):
                offered = _words(parent / "cgroup.subtree_control")
                yield Tree(2, {controller: parent for controller in CONTROLLERS if controller in offered})


def _memberships() -> Iterator[tuple[list[str], str]]:
    """Controllers and path of each group we are in; version 2 names none."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        yield [name for name in names.split(",") if name], path


def _folder(kind: str, controller: str | None, path: str) -> Path | None:
    """Where the group `path` is mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        root, mounted = left.split()[3:5]
        filesystem, _, options = right.split(maxsplit=2)
        if filesystem != kind or (controller and controller not in options.split(",")):
            continue
        if Path(path).is_relative_to(root):
            return Path(mounted) / Path(path).relative_to(root)
    return None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
