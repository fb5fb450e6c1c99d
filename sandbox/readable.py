"""What commands without a container may read: the system's programs and our base interpreter. Not the home folder, not
outlay itself.
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store", "/sys/devices/system")
"""The last one tells numerical libraries about cores and caches."""
PATH = "/usr/local/bin:/usr/bin:/bin"


@cache
def readable_folders() -> tuple[str, ...]:
    """Absolute paths that exist, none beneath another. Links among them are to be kept as links."""
    hidden = (home_folder(), Path(__file__).resolve().parents[1])
    system = [folder for root in SYSTEM for folder in _without(Path(root), hidden)]
    own = [folder for folder in _base_prefixes() if not any(folder.is_relative_to(root) for root in SYSTEM)]
    outlay = hidden[1:]
    return tuple(dict.fromkeys(map(str, [*system, *(part for folder in own for part in _without(folder, outlay))])))


def search_path(*, any_user: bool) -> str:
    """PATH for commands: first the interpreter below our virtual environment, which lacks outlay. With `any_user` only
    if other users than ours can reach it.
    """
    folder = Path(sys.base_prefix) / "bin"
    if any_user and not _open_to_all(folder):
        return PATH
    return f"{folder}:{PATH}"


def home_folder() -> Path:
    """The root for who has none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def _base_prefixes() -> Iterator[Path]:
    """As named and as it really is, unless that is a whole home folder."""
    for folder in (Path(sys.base_prefix), Path(sys.base_prefix).resolve()):
        if not home_folder().is_relative_to(folder):
            yield folder


def _without(folder: Path, hidden: tuple[Path, ...]) -> Iterator[Path]:
    """The folder, or what is in it beside the hidden parts."""
    if folder in hidden or not folder.exists():
        return
    if folder.is_symlink() or not any(part.is_relative_to(folder) for part in hidden):
        yield folder
        return
    for inner in sorted(folder.iterdir()):
        yield from _without(inner, hidden)


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))
