"""The program that a new process becomes, and the two ways to it: from a fork of ours, or from none."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable, Dict, Protocol, Sequence, Tuple

Streams = Tuple[int, int, int]
"""What becomes the program's stdin, stdout and stderr."""
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""By Python, and that would be inherited."""


class Watcher(Protocol):
    """Who wants to know what becomes of a program."""

    def over(self, status: int, cpu_s: float) -> None:
        """It was another's child; the end of one of ours shows by itself."""
        ...

    def unwatched(self) -> None:
        """Nobody will tell how it ends, unless it is a child of ours by now."""
        ...


class Program:
    """Raises `ValueError` when it cannot even be tried."""

    def __init__(self, argv: Sequence[str], env: Dict[str, str]) -> None:
        self.asked = (list(argv), env)
        self._argv = [_raw(argument) for argument in argv]
        self._env = {_raw(name): _raw(value) for name, value in env.items()}
        if not self._argv:
            raise ValueError("there is no command")
        name, folders = self._argv[0], self._env.get(b"PATH", b"/usr/bin:/bin")
        self._places = [name] if b"/" in name else [folder + b"/" + name for folder in folders.split(b":")]

    def run(self, enter: Callable[[], None], folder: int, streams: Streams) -> None:
        """In a fork of ours; does not return."""
        try:
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
            for ignored in IGNORED:
                signal.signal(ignored, signal.SIG_DFL)
            enter()
            os.fchdir(folder)
            self._tried(lambda path: os.execve(path, self._argv, self._env))
        except (OSError, ValueError) as error:
            self.complain(error, 2)
        finally:
            os._exit(127)

    def spawn(self, folder: int, streams: Streams) -> int:
        """Its process id, in a session of its own and with the rights of the caller, whose folder changes too.

        Raises `OSError`, `ValueError`.
        """
        os.fchdir(folder)
        return self._tried(self._spawner(streams))

    def _spawner(self, streams: Streams) -> Callable[[bytes], int]:
        moves = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(streams)]
        settings: Dict[str, Any] = {"file_actions": moves, "setsid": True, "setsigdef": IGNORED}
        return lambda path: os.posix_spawn(path, self._argv, self._env, **settings)

    def _tried(self, attempt: Callable[[bytes], int]) -> int:
        """The first place that has it; a program that may not be run is worth more as a reason than one not there."""
        missing: OSError | None = None
        denied: OSError | None = None
        for path in self._places:
            try:
                return attempt(path)
            except (FileNotFoundError, NotADirectoryError) as error:
                missing = error
            except PermissionError as error:
                denied = error
        raise denied or missing or FileNotFoundError(2, "No such file or directory")

    def complain(self, error: Exception, stderr: int) -> None:
        """As a shell does."""
        reason = error.strerror if isinstance(error, OSError) else error
        os.write(stderr, self._argv[0] + f": {reason}\n".encode("utf-8", "replace"))


Start = Callable[[Program, int, Streams, Watcher], Callable[[], int]]
"""Starts a program in an open folder. What it returns tells the process id, 0 while that is not known.

Raises `OSError` when no process can be had.
"""


def forking(fork: Callable[[], int], enter: Callable[[], None]) -> Start:
    """Starts programs as children of ours. `enter` is called in the new process first: session, user, limits."""

    def start(program: Program, folder: int, streams: Streams, _watcher: Watcher) -> Callable[[], int]:
        pid = fork()
        if pid == 0:
            program.run(enter, folder, streams)
        return lambda: pid

    return start


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
