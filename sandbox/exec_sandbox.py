"""A sandbox of an image without Python: commands and files through the engine's exec API and the image's own tools.

Slower than a guest, and it promises less; `record["missing"]` says what does not hold.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from outlay.sandbox import exec_tree, shell_scripts
from outlay.sandbox.channel import GRACE_S
from outlay.sandbox.engine_exec import Ended, Order, run
from outlay.sandbox.errors import PathRefused, SandboxLost, SandboxUnavailable
from outlay.sandbox.exec_tree import Entry
from outlay.sandbox.guest.files import LISTING_BYTES, Refused, file_parts, parts_of, shown
from outlay.sandbox.guest_sandbox import ARCHIVE_BYTES, ENVIRONMENT, FILE_BYTES, FILE_S, checked, files_in
from outlay.sandbox.main_shell import MainShell
from outlay.sandbox.types import Completed, Connection, Isolation, Limits, Manifest, Snapshot
from outlay.sandbox.whole import whole

T = TypeVar("T")
ARGUMENT_BYTES, ARGUMENTS_BYTES = (128 << 10) - 1, 1 << 20
"""The longest argument that Linux takes, and about how much of them and of the environment."""
REASON_BYTES = 4096


@dataclass(frozen=True)
class Tools:
    """What the image has to work with."""

    lacking: frozenset[str]
    """Of `shell_scripts.TOOLS`."""
    fine_times: bool
    """Whether files' times have fractions of a second."""
    gnu_tar: bool

    def missing(self) -> Sequence[str]:
        """What a guest would promise and this sandbox does not, each a clause."""
        return [
            "commands are told the processor time they took",
            "the container ends two minutes after its owner fell silent",
            *(["times in manifests and snapshots have fractions of a second"] if not self.fine_times else []),
            *(["a command ends in time while the engine is stalled"] if "timeout" in self.lacking else []),
            *(f"the image has {tool}" for tool in sorted(self.lacking - {"timeout"})),
        ]


@dataclass(frozen=True)
class ExecSandbox:
    """One workspace behind an engine's exec API. Whoever opened it closes it."""

    main: MainShell
    container: Any
    uid: int
    tools: Tools
    limits: Limits
    isolation: Isolation
    record: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)
    connections: Sequence[Connection] = ()
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = ".",
        wall_s: float | None = None,
    ) -> Completed:
        deadline = self.limits.wall_s if wall_s is None else min(self.limits.wall_s, wall_s)
        given = [f"{name}={value}" for name, value in {**self.environment, **(env or {})}.items()]
        folder = checked(cwd, parts_of)
        if fault := _fault([*argv, *given]) if argv else "there is no command":
            return _untried(argv, fault)
        if parts_of(folder):
            try:
                await self._script(shell_scripts.ENTER, "", *_texts(folder), ".", path=cwd)
            except FileNotFoundError:
                return _untried(argv, "No such file or directory")
        limits, command = self.limits, [*self._within(deadline), "env", "-i", *given, *_program(argv)]
        wrapped = ["sh", "-c", shell_scripts.COMMAND, "sh", *command]
        order = Order(wrapped, deadline, limits.output_bytes, limits.flood_bytes, stdin, "/".join(_texts(folder)))
        return _completed(await self._run(order))

    async def read(self, path: str) -> bytes:
        parts = _texts(checked(path, file_parts))
        ended = await self._script(shell_scripts.READ, "", *parts, path=path, cap=FILE_BYTES)
        return ended.stdout

    async def write(self, path: str, data: bytes) -> None:
        parts = _texts(checked(path, file_parts))
        self._need("chmod", "mkdir", "mv", "rm")
        await self._script(shell_scripts.WRITE, secrets.token_hex(8), "make", *parts, stdin=data, path=path)

    async def list(self) -> Sequence[str]:
        return files_in(await self.manifest())

    async def manifest(self) -> Manifest:
        return exec_tree.manifest(await self._entries())

    async def snapshot(self) -> Snapshot:
        self._need("readlink")
        entries = await self._entries(strict=True)
        exec_tree.check_size(entries)
        contents = await self._script(shell_scripts.CONTENTS, cap=ARCHIVE_BYTES)
        return Snapshot(self._believed(lambda: exec_tree.packed(entries, contents.stdout)))

    async def restore(self, snapshot: Snapshot) -> None:
        self._need("chmod", "rm", "tar", "xargs")
        there = await self._entries()
        unpacking = exec_tree.unpacking(snapshot.tar, there, gnu=self.tools.gnu_tar)
        if unpacking.obstacles:
            await self._script(shell_scripts.REMOVE, stdin=b"\0".join(unpacking.obstacles) + b"\0")
        for archive in filter(None, (unpacking.everything, unpacking.folders)):
            await self._script(shell_scripts.UNPACK, stdin=archive)
        if unpacking.modes:
            await self._script(shell_scripts.MODES, stdin=unpacking.modes)

    async def _entries(self, *, strict: bool = False) -> Sequence[Entry]:
        """What the workspace holds; when strict, `PathRefused` unless all of it can be entered."""
        self._need("find", "stat")
        ended = await self._run(Order(_shell(shell_scripts.LIST), FILE_S, 2 * LISTING_BYTES, 4 * LISTING_BYTES))
        if ended.killed or ended.total_bytes > 2 * LISTING_BYTES:
            raise PathRefused("", "the workspace has too many names to list")
        if strict and ended.exit_code:
            raise PathRefused("", _reason(ended))
        return self._believed(lambda: exec_tree.listed(ended.stdout))

    async def _script(self, script: str, *arguments: str, stdin: bytes = b"", path: str = "", cap: int = 0) -> Ended:
        """One of `shell_scripts` that did its work. Raises `FileNotFoundError`, `PathRefused`, `SandboxLost`."""
        kept, flood = max(cap, REASON_BYTES), cap + (1 << 20)
        ended = await self._run(Order(_shell(script, *arguments), FILE_S, kept, flood, stdin))
        if cap and len(ended.stdout) >= cap and ended.total_bytes > cap:
            raise PathRefused(path, f"it is over {cap} bytes")
        if ended.exit_code == shell_scripts.MISSING:
            raise FileNotFoundError(path)
        if ended.exit_code != 0:
            raise PathRefused(path, _reason(ended))
        return ended

    async def _run(self, order: Order) -> Ended:
        """Raises `SandboxLost`. Cancelled, it ends what it had begun."""
        async with self._turn:
            if self.main.lost:
                raise self.main.lost
            try:
                return await run(self.container, self.uid, self.main, order)
            except SandboxLost as error:
                self.main.lose(str(error))
                raise cast(SandboxLost, self.main.lost) from error
            except asyncio.CancelledError:
                await whole(self._swept())
                raise

    async def _swept(self) -> None:
        try:
            await self.main.sweep()
        except SandboxLost:
            return  # the next call says so

    def _within(self, deadline_s: float) -> Sequence[str]:
        """For when the engine is stalled; otherwise we end it ourselves, and before."""
        seconds = math.ceil(deadline_s + GRACE_S)
        return [] if "timeout" in self.tools.lacking else ["timeout", "-s", "KILL", str(seconds)]

    def _need(self, *names: str) -> None:
        if lacking := sorted(self.tools.lacking.intersection(names)):
            reason = f"image {self.record['image']} has neither python3 nor {', '.join(lacking)}"
            raise SandboxUnavailable("docker", reason, "Mend: add Python 3.9 or newer to it, or those tools")

    def _believed(self, read: Callable[[], T]) -> T:
        """What the tools told. Raises `PathRefused`, and `SandboxLost` when it cannot be so."""
        try:
            return read()
        except Refused as error:
            raise PathRefused(error.path, error.reason) from error
        except (ValueError, OverflowError) as error:
            self.main.lose(f"the image's tools gave an impossible answer: {error}")
            raise cast(SandboxLost, self.main.lost) from error


async def tools_of(container: Any, uid: int, main: MainShell, lacking: frozenset[str]) -> Tools:
    """By trying them, as a command's user."""
    seen = (await run(container, uid, main, Order(_shell(shell_scripts.FACTS), FILE_S, REASON_BYTES, 1 << 20))).stdout
    return Tools(lacking, b"." in seen.partition(b"\n")[0], b"GNU tar" in seen)


def _shell(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]


def _texts(path: str) -> list[str]:
    """Its names, as arguments of a script. Raises `PathRefused`."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise PathRefused(path, "the engine takes names in UTF-8 only") from None
    return [shown([part]) for part in parts_of(path)]


def _program(argv: Sequence[str]) -> list[str]:
    """`env` would take some names for something else."""
    plain = "=" not in argv[0] and not argv[0].startswith("-")
    return list(argv) if plain else ["sh", "-c", 'exec "$@"', "sh", *argv]


def _fault(texts: Sequence[str]) -> str | None:
    """Why no program can be given these."""
    try:
        sizes = [len(text.encode()) for text in texts]
    except UnicodeEncodeError:
        return "the engine takes arguments in UTF-8 only"
    if any("\0" in text for text in texts):
        return "embedded null byte"
    too_long = max(sizes) > ARGUMENT_BYTES or sum(sizes) > ARGUMENTS_BYTES
    return "Argument list too long" if too_long else None


def _untried(argv: Sequence[str], reason: str) -> Completed:
    """A command that cannot even be tried ends as in a shell."""
    return Completed(127, b"", f"{''.join(argv[:1])[:100]}: {reason}\n".encode(errors="replace"), 0.0)


def _completed(ended: Ended) -> Completed:
    return Completed(
        exit_code=ended.exit_code,
        stdout=ended.stdout,
        stderr=ended.stderr,
        wall_s=ended.wall_s,
        dropped_bytes=ended.total_bytes - len(ended.stdout) - len(ended.stderr),
        killed=ended.killed,
        out_of_memory=ended.out_of_memory,
    )


def _reason(ended: Ended) -> str:
    said = ended.stderr.decode("utf-8", "replace").strip()
    return said or (f"it was not done in {FILE_S:.0f} s" if ended.killed else "the image's tools failed")
