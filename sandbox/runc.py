"""Which of runc's known escapes the engine's version is open to. Told by `outlay doctor`, as a warning.

The number alone does not settle it: distributions mend old versions without changing the number they print.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

Number = tuple[int, int, int]


@dataclass(frozen=True)
class Escape:
    """A hole, and the first version without it on each line of releases; lines before the first were never mended."""

    names: str
    mended: Sequence[Number]


ESCAPES = (
    Escape("CVE-2024-21626", ((1, 1, 12),)),
    Escape("CVE-2025-31133, CVE-2025-52565, CVE-2025-52881", ((1, 2, 8), (1, 3, 3), (1, 4, 0))),
)
"""The first needs a working directory that the attacker names; our guest changes directory itself, without runc. The
others need a race on masked paths while containers start. A release candidate counts as the release before it.
"""


def open_escapes(version: str) -> list[str]:
    """Names of those that `version` (as the engine prints it, such as 1.1.5+ds1) may be open to; all if it has none."""
    number = _number(version)
    return [escape.names for escape in ESCAPES if number is None or not _is_mended(number, escape)]


def _is_mended(number: Number, escape: Escape) -> bool:
    line = [first for first in escape.mended if first[:2] == number[:2]]
    return number >= line[0] if line else number > escape.mended[-1]


def _number(version: str) -> Number | None:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)(-rc)?", version)
    if found is None:
        return None
    major, minor, patch = (int(part) for part in found.groups()[:3])
    return (major, minor, patch - 1) if found[4] else (major, minor, patch)
