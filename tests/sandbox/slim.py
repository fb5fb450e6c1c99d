"""A tenth of the default image, for engines of the tests' own."""

import tarfile
from pathlib import Path

from outlay.sandbox.images import base_archive

LEFT_OUT = (
    "./usr/bin/x86_64-linux-gnu",
    "./usr/include",
    "./usr/lib/gcc",
    "./usr/lib/git-core",
    "./usr/lib/python3.11/dist-packages",
    "./usr/lib/x86_64-linux-gnu/gconv",
    "./usr/lib/x86_64-linux-gnu/perl",
    "./usr/lib/python3/dist-packages",
    "./usr/libexec",
    "./usr/share",
    "./var/lib/dpkg",
)
LARGEST = 2 << 20
"""Compilers, git, perl and numerical libraries are files beyond it; so is Python, which is kept."""


def slim_archive(folder: Path) -> Path:
    """Python and Debian's tools, without what is only there for candidates. To be removed by the caller."""
    slim = folder / "slim.tar"
    with tarfile.open(base_archive()) as whole, tarfile.open(slim, "w") as kept:
        for entry in whole:
            fits = entry.size <= LARGEST or entry.name.startswith("./usr/bin/python3")
            dangles = entry.islnk() and entry.linkname not in kept.getnames()
            if fits and not dangles and not entry.name.startswith(LEFT_OUT):
                kept.addfile(entry, whole.extractfile(entry) if entry.isreg() else None)
    return slim
