"""The base image from nothing but signed Debian packages: a root file system made by mmdebstrap, as an archive."""

import os
import shlex
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import which
from threading import Timer

from outlay.sandbox.errors import ImageUnavailable
from outlay.sandbox.mirrors import DEBIAN, PackageSources
from outlay.sandbox.recipes import BASE_PACKAGES, DEFAULT, STAND_IN, SUITE

BOOTSTRAP_S = 1800.0
"""How long mmdebstrap may take; it takes about two minutes on two idle cores."""
_LEFT_OUT = ("doc", "man", "info", "locale")
"""Folders of /usr/share that nothing in a sandbox reads."""
_TAIL_LINES = 6


def can_bootstrap() -> bool:
    """Whether this machine has mmdebstrap."""
    return which("mmdebstrap") is not None


def bootstrap(archive: Path, sources: PackageSources, report: Callable[[str], None]) -> None:
    """Writes the root file system to `archive`, whole or not at all. Raises `ImageUnavailable`."""
    part = archive.with_suffix(".part")
    try:
        with part.open("wb") as out:
            failure = _run(_command(sources), {**os.environ, **sources.proxies}, out.fileno(), report)
        if failure:
            raise ImageUnavailable(
                DEFAULT, f"mmdebstrap failed: {failure}", "Mend: apt install mmdebstrap debian-archive-keyring, as root"
            )
        part.rename(archive)
    finally:
        part.unlink(missing_ok=True)


def _command(sources: PackageSources) -> list[str]:
    options = [f"path-exclude=/usr/share/{folder}/*" for folder in _LEFT_OUT]
    options += ["path-include=/usr/share/doc/*/copyright", "force-unsafe-io"]
    return [
        "mmdebstrap",
        "--mode=auto",  # root's chroot, or else a user namespace
        "--variant=minbase",
        f"--include={','.join(BASE_PACKAGES)}",
        *(f"--dpkgopt={option}" for option in options),
        f'--essential-hook=chroot "$1" sh -euc {shlex.quote(STAND_IN)}',
        f'--customize-hook=printf "%s\\n" {shlex.join(DEBIAN)} >"$1/etc/apt/sources.list"',
        # This machine's name and resolver, which mmdebstrap copies.
        '--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"',
        SUITE,
        "-",
        *sources.debian,
    ]


def _run(command: list[str], environ: Mapping[str, str], out: int, report: Callable[[str], None]) -> str:
    """Reports its steps. Returns why it failed, or nothing."""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with subprocess.Popen(
        command, stdout=out, stderr=subprocess.PIPE, env=environ, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None
        watch = Timer(BOOTSTRAP_S, process.terminate)
        watch.start()
        try:
            for line in process.stderr:
                tail.append(line.strip())
                if line.startswith("I: ") and "hook" not in line:
                    report(f"Debian: {line[3:].strip().rstrip('.')}")
        except BaseException:
            process.terminate()  # it removes its folder, then ends; leaving the block waits for that
            raise
        finally:
            watch.cancel()
    return "" if process.returncode == 0 else " / ".join(tail)
