"""Folders of sandboxes that are no containers: each holds a note that says whose it is, so that it can be swept."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from outlay.sandbox.owner import labels

PREFIX = "outlay-"
NOTE = "owner.json"
NOTE_BYTES = 4096


def claimed_folder() -> Path:
    """A fresh folder below the temporary one, with the note in it. Workspace and scratch folder belong below it, where
    commands, which run as another user or behind walls, reach through the folder but not the note.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)
    (folder / NOTE).write_text(json.dumps(labels()))
    return folder


def claimed_folders() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Every folder below the temporary one that this user claimed, with what its note says.

    The name alone makes nothing ours: a folder without a note of this user's is passed over.
    """
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        if note := _note(folder):
            yield folder, note


def _note(folder: Path) -> dict[str, str]:
    """Empty when there is none that can be trusted: the temporary folder is everybody's to write to."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        place = os.open(folder, flags | os.O_DIRECTORY)
    except OSError:
        return {}
    try:
        with os.fdopen(os.open(NOTE, flags, dir_fd=place), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
                return {}
            note = json.loads(file.read(NOTE_BYTES))
    except (OSError, ValueError):
        return {}
    finally:
        os.close(place)
    return {str(key): str(text) for key, text in note.items()} if isinstance(note, dict) else {}
