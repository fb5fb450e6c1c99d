"""How far this machine lets us confine a process, proved by trying to break out."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from outlay.sandbox import uids
from outlay.sandbox.guest.capabilities import CHOWN, KILL, SETGID, SETUID, permitted
from outlay.sandbox.guest.confine import Confinement
from outlay.sandbox.local_guest import command, order
from outlay.sandbox.readable import home_folder, readable_folders
from outlay.sandbox.types import Isolation

PROBE_S = 20.0
"""Deadline of the probe, which takes about 0.1 s."""
PROCESSES = 16
"""Limit under which the probe's fork bomb must stay."""

_FILES = "write truncate create remove read list home"
_CLAIMS = (
    (_FILES, "files outside the workspace are out of reach"),
    ("tcp udp unix abstract", "there is no network"),
    ("attributes", "permissions of files outside the workspace cannot be changed"),
    ("signal", "processes outside cannot be signalled"),
    ("watcher", "the process that runs the commands cannot be signalled"),
    ("ptrace", "no process can be traced"),
    ("forks", "the number of processes is bounded"),
)
"""Attempts of `guest.attempts`, and what holds when all of them are refused."""
_ESSENTIAL = 2
"""So many of the first claims make a sandbox confined."""


@dataclass(frozen=True)
class Reached:
    """What the probe found. JSON-able with `dataclasses.asdict`."""

    isolation: Isolation
    """CONFINED when files outside are out of reach and there is no network, else WEAK."""
    missing: tuple[str, ...]
    """Claims that do not hold here, each a clause."""
    namespaces: tuple[str, ...] = ()
    landlock_abi: int = 0
    seccomp: bool = False
    own_uid: bool = False
    """Whether each sandbox's commands can run as a user of their own."""
    untried: str = ""
    """Why nothing could be tried, if so."""


UNCONFINED = Reached(Isolation.WEAK, tuple(claim for _, claim in _CLAIMS))
"""What is reached without trying."""


@cache
def probe() -> Reached:
    """Tries every promise in a child process, once per process."""
    try:
        answer = _tried()
    except OSError as error:
        answer = str(error)
    if isinstance(answer, str):
        return dataclasses.replace(UNCONFINED, untried=answer)
    return _judged(answer)


def _tried() -> dict[str, Any] | str:
    """The guest's answer, or why there is none. Raises `OSError` when not even the targets can be set up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outlay-probe-")))
        workspace, targets = folder / "workspace", stack.enter_context(_targets(folder))
        workspace.mkdir()
        uid = stack.enter_context(uids.owned(workspace, wanted=may_change_user()))
        confinement = Confinement(str(workspace), readable=readable_folders(), uid=uid, processes=PROCESSES)
        question = {"confinement": confinement._asdict(), "targets": targets}
        answer = _asked({**question, "with_namespaces": True})
        # A system may let us have namespaces, but not what it takes to make use of them.
        return answer if isinstance(answer, dict) else _asked({**question, "with_namespaces": False})


def may_change_user() -> bool:
    """Whether we have of root's powers what it takes to run and end commands as another user."""
    needed = SETUID | SETGID | KILL | CHOWN
    return os.geteuid() == 0 and permitted() & needed == needed


@contextmanager
def _targets(folder: Path) -> Iterator[dict[str, Any]]:
    """Everything to aim at is ours, open to every user, and gone afterwards."""
    folder.chmod(0o755)
    outside = folder / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    (outside / "file").write_text("secret")
    (outside / "file").chmod(0o666)
    with ExitStack() as stack:
        tcp, udp, unix, abstract = (
            stack.enter_context(socket.socket(family, kind))
            for family, kind in (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
            )
        )
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(outside / "socket"))
        (outside / "socket").chmod(0o777)
        abstract.bind(f"\0{folder}")
        for listener in (tcp, unix, abstract):
            listener.listen()
        yield {
            "file": str(outside / "file"),
            "folder": str(outside),
            "home": str(home_folder()),
            "in_home": _names_in_home(folder),
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "unix": str(outside / "socket"),
            "abstract": str(folder),
            "pid": os.getpid(),
            "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        }


def _names_in_home(ours: Path) -> list[str]:
    """But for the way to what may be read, and to our own folder. Some users' home is the root, which hides nothing."""
    shown = [ours, *map(Path, readable_folders())]
    try:
        inside = list(home_folder().iterdir()) if home_folder() != Path("/") else []
    except OSError:
        return []
    return [inner.name for inner in inside if not any(folder.is_relative_to(inner) for folder in shown)]


def _asked(question: Mapping[str, Any]) -> dict[str, Any] | str:
    pipe = subprocess.PIPE
    with subprocess.Popen(command(), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as child:
        try:
            stdout, stderr = child.communicate(order("attempts", question), timeout=PROBE_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return f"no answer within {PROBE_S:g} s"
    if child.returncode != 0:
        return (stderr.decode(errors="replace").strip() or f"exit code {child.returncode}").rpartition("\n")[2]
    answer: dict[str, Any] = json.loads(stdout)
    return answer


def _judged(answer: Mapping[str, Any]) -> Reached:
    refused = answer["refused"]
    held = [all(refused[name] for name in names.split()) for names, _ in _CLAIMS]
    return Reached(
        isolation=Isolation.CONFINED if all(held[:_ESSENTIAL]) else Isolation.WEAK,
        missing=tuple(claim for (_, claim), holds in zip(_CLAIMS, held, strict=True) if not holds),
        namespaces=tuple(answer["namespaces"]),
        landlock_abi=answer["landlock_abi"],
        seccomp=answer["seccomp"],
        own_uid=answer["uid"] is not None,
    )
