"""What an image is made of, and the name that follows from it: equal content, equal name, on every machine."""

import hashlib
import json
import re

from outlay.sandbox.errors import ImageUnavailable
from outlay.sandbox.types import Recipe

SUITE = "bookworm"
BASE_PACKAGES = (
    "gcc",
    "git",
    "libc6-dev",
    "libopenblas0-pthread",  # numpy would else use the reference BLAS, many times slower
    "python3",
    "python3-numpy",
    "python3-pip",  # what recipes install with
    "python3-pytest",
    "python3-scipy",
)
STAND_IN = r"""
folder=$(mktemp -d)
mkdir "$folder/DEBIAN"
printf '%s\n' 'Package: outlay-no-pythran' 'Version: 1' 'Architecture: all' 'Maintainer: outlay' \
    'Provides: python3-pythran' 'Description: stands in for a compiler scipy does not run' >"$folder/DEBIAN/control"
chmod 755 "$folder"
dpkg-deb --build "$folder" "$folder.deb" >/dev/null
dpkg --install "$folder.deb" >/dev/null
rm -r "$folder" "$folder.deb"
"""
"""Shell, for inside the image. Bookworm's scipy asks for pythran, and with it for g++ and all headers of Boost: 360 MB
that it does not need to run. A recipe that names python3-pythran still gets the real one.
"""
FOREIGN_BASE = "debian:bookworm-slim"
"""What the base is built on where a registry answers and Debian cannot be bootstrapped."""

NAMESPACE = "outlay/"
"""Repositories of ours. They are never pulled: whoever registers the name elsewhere must not become our image."""
BASE_REPOSITORY, RECIPE_REPOSITORY = "outlay/base", "outlay/recipe"
ALIAS = "outlay/base:latest"
"""What `FROM outlay/base` in a Dockerfile means to the engine."""
LABEL = "outlay.image"
"""The label that holds an image's content address."""
_FORMAT = 1
"""Counts up when the same recipe is built into something else."""
_DEBIAN_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?")
_FROM = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_MEND = "Mend: correct the recipe"


def _address(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


BASE_ADDRESS = _address([_FORMAT, SUITE, BASE_PACKAGES, STAND_IN])
DEFAULT = f"{BASE_REPOSITORY}:{BASE_ADDRESS}"
"""The image of sandboxes that name none: Debian with Python 3, numpy, scipy, pytest, git and gcc."""


def reference_of(image: str | Recipe | None) -> str:
    """The name under which the engine has the image, or will have it. Raises `ImageUnavailable` for a recipe that
    cannot be built whatever the machine.
    """
    if image in (None, BASE_REPOSITORY, ALIAS, Recipe()):
        return DEFAULT
    return f"{RECIPE_REPOSITORY}:{address_of(image)}" if isinstance(image, Recipe) else str(image)


def address_of(recipe: Recipe) -> str:
    """Twelve hexadecimal digits that change with the content and with the base. The order of packages is no content."""
    _check(recipe)
    return _address([_FORMAT, BASE_ADDRESS, sorted(set(recipe.apt)), sorted(set(recipe.pip)), recipe.dockerfile])


def labels_of(address: str) -> dict[str, str]:
    """What every image built here carries."""
    return {"outlay": "1", LABEL: address}


def bases_of(dockerfile: str) -> list[str]:
    """Names of the images that a Dockerfile starts from; its own stages and names with variables left out."""
    bases, stages = [], {"scratch"}
    for line in re.sub(r"\\[ \t]*\n", " ", dockerfile).splitlines():
        if not (found := _FROM.match(line)):
            continue
        if found[1] not in stages and "$" not in found[1]:
            bases.append(found[1])
        stages.add(found[2])
    return bases


def _check(recipe: Recipe) -> None:
    if recipe.dockerfile and (recipe.apt or recipe.pip):
        raise ImageUnavailable(
            "recipe", "it names packages beside a Dockerfile", "Mend: install them in the Dockerfile"
        )
    for name in recipe.apt:
        if not _DEBIAN_NAME.fullmatch(name):
            raise ImageUnavailable("recipe", f"{name!r} names no Debian package", _MEND)
    for requirement in recipe.pip:
        if not requirement.strip() or requirement.startswith("-") or "\n" in requirement:
            raise ImageUnavailable("recipe", f"{requirement!r} is no requirement", _MEND)
