"""Where this machine gets packages from: handed to a build, and gone before its image is made.

Mirrors, proxies and certificates belong to a machine, not to an image: they may hold passwords, and lead nowhere
elsewhere.
"""

import configparser
import re
import ssl
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outlay.sandbox.recipes import SUITE

DEBIAN = (
    f"deb http://deb.debian.org/debian {SUITE} main",
    f"deb http://deb.debian.org/debian {SUITE}-updates main",
    f"deb http://security.debian.org/debian-security {SUITE}-security main",
)
"""Debian's own sources; what images keep."""
PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
"""The later ones win, as with pip."""
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "timeout", "retries")
"""Settings that mean the same elsewhere; others name files of this machine."""
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_APT_S = 30.0


@dataclass(frozen=True)
class PackageSources:
    """What a build needs to reach packages."""

    debian: tuple[str, ...] = DEBIAN
    """Lines of a sources.list."""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment."""
    pip: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment, beginning with PIP_."""
    certificates: bytes = b""
    """The authorities this machine trusts, in PEM; a proxy may have added one."""


def package_sources(environ: Mapping[str, str]) -> PackageSources:
    """This machine's."""
    files = [Path(name).expanduser() for name in PIP_FILES]
    return PackageSources(_debian(), proxies(environ), pip_settings(environ, files), _certificates(environ))


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """In both spellings, since programs differ; where the environment names none, apt's own for HTTP."""
    found = {name: environ.get(name) or environ.get(name.upper(), "") for name in _PROXIES}
    if not found["http_proxy"] and (
        told := re.search(r"='(.*)'", _asked("apt-config", "shell", "P", "Acquire::http::Proxy"))
    ):
        found["http_proxy"] = told[1]
    lower = {name: value for name, value in found.items() if value}
    return lower | {name.upper(): value for name, value in lower.items()}


def pip_settings(environ: Mapping[str, str], files: Iterable[Path]) -> dict[str, str]:
    """Indexes that another machine can reach, hosts to trust and patience, as variables; the environment wins."""
    parser = configparser.RawConfigParser()
    parser.read(files)
    settings = {}
    for name in PIP_SETTINGS:
        variable = f"PIP_{name.replace('-', '_').upper()}"
        variable = "PIP_DEFAULT_TIMEOUT" if name == "timeout" else variable
        value = environ.get(variable) or parser.get("global", name, fallback="") or ""
        words = [word for word in value.split() if "index" not in name or word.startswith(("http://", "https://"))]
        if words:
            settings[variable] = " ".join(words)
    return settings


def _debian() -> tuple[str, ...]:
    """This machine's mirrors of the suite, if it has any."""
    fields = "$(ORIGIN) deb $(SITE) $(RELEASE) $(COMPONENT)"
    lines = _asked("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines()
    suites = {f"{SUITE} main", f"{SUITE}-updates main", f"{SUITE}-security main"}
    ours = [line.removeprefix("Debian ") for line in lines if line.startswith("Debian ")]
    return tuple(line for line in ours if line.split(" ", 2)[2] in suites) or DEBIAN


def _certificates(environ: Mapping[str, str]) -> bytes:
    named = [environ[name] for name in _CERTIFICATES if name in environ]
    usual = ssl.get_default_verify_paths().cafile
    for path in map(Path, [*named, *([usual] if usual else [])]):
        if path.is_file():
            return path.read_bytes()
    return b""


def _asked(*argv: str) -> str:
    """What a program of apt says; nothing where there is none."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=_APT_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
