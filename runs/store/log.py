"""The append-only log of one attempt: a JSON line per event, each written with one system call."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from outlay.agents.events import EVENT, Event
from outlay.runs.store import blobs

_OURS = {"seq", "t"}
"""Fields that the recorder sets."""


class AttemptLog:
    """The recorder of one attempt. What `write` returned from survives kill -9; power loss may take the last events.

    Raises `FileExistsError` when the attempt was begun by someone else.
    """

    def __init__(self, path: Path, blob_directory: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self._blobs = blob_directory
        self._next = 0

    def write(self, event: Event) -> int:
        seq, body = self._next, event.model_dump_json(exclude_defaults=True, exclude=_OURS)
        line = f'{{"type":"{event.type}","seq":{seq},"t":{time.time_ns()},{body[1:]}\n'.encode()
        if os.write(self._file, line) != len(line):
            raise OSError("short write: the disk is full")
        self._next = seq + 1
        return seq

    def blob(self, body: bytes) -> str:
        return blobs.put(self._blobs, body)

    def close(self) -> None:
        os.close(self._file)


def read_events(path: Path) -> Iterator[Event]:
    """The events that were written whole; a torn last line is left out."""
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            yield EVENT.validate_json(line)
