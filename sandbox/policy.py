"""What commands without a container may do and what they are given, from the level reached and a sandbox's limits."""

from pathlib import Path

from outlay.sandbox.cgroup import Group, writable_tree
from outlay.sandbox.guest.confine import Confinement
from outlay.sandbox.levels import Reached
from outlay.sandbox.readable import readable_folders, search_path
from outlay.sandbox.types import Isolation, Limits

_BOUNDS = (
    ("memory", "the memory of all processes together is bounded"),
    ("pids", "the number of processes is bounded by a control group"),
    ("cpu", "the share of processors is bounded"),
)


def unbounded() -> list[str]:
    """Limits that hold for one process or one file, but not for a sandbox, each a clause that does not hold."""
    tree = writable_tree()
    return [claim for controller, claim in _BOUNDS if tree is None or controller not in tree.parents] + [
        "the disk space of all files together is bounded"
    ]


def own_root(reached: Reached) -> bool:
    """Whether commands see a file tree of their own, with a /tmp that nobody else has."""
    return "mount" in reached.namespaces


def confinement(
    workspace: Path, scratch: Path, limits: Limits, reached: Reached, uid: int | None, group: Group | None
) -> Confinement:
    """Of a sandbox's commands. Weak ones may open everything that our user may, and reach the network."""
    confined = reached.isolation is Isolation.CONFINED
    bounded = group.folders if group else {}
    own = () if own_root(reached) else (str(scratch),)
    return Confinement(
        workspace=str(workspace),
        writable=own if confined else ("/",),
        readable=readable_folders() if confined else ("/",),
        network=not confined,
        ipc=not confined or "ipc" in reached.namespaces,
        uid=uid,
        address_space_bytes=None if "memory" in bounded else limits.memory_bytes,
        file_bytes=limits.disk_bytes,
        open_files=limits.files,
        processes=limits.pids if confined and (uid is not None or "pids" not in bounded) else None,
    )


def environment(workspace: Path, scratch: Path, reached: Reached, uid: int | None) -> dict[str, str]:
    """No secret of ours, and no virtual environment: `python3` is the base interpreter, which lacks outlay."""
    return {
        "PATH": search_path(any_user=uid is not None and not own_root(reached)),
        "HOME": str(workspace),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
