"""The images that Outlay built on this engine, and which of them nobody needs any more."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outlay.sandbox.errors import UnknownName
from outlay.sandbox.recipes import BASE_REPOSITORY, DEFAULT, LABEL, NAMESPACE, RECIPE_REPOSITORY

_PODMANS = re.compile(r"^(docker\.io|localhost)/(?=outlay/)")
"""What Podman puts before names that have no registry."""


@dataclass(frozen=True)
class BuiltImage:
    """One image of ours."""

    reference: str
    digest: str
    size_bytes: int
    """With the base below it."""
    created: str
    """ISO 8601, UTC."""
    containers: int
    """How many containers of this engine were made from it, running or not."""
    names: tuple[str, ...]
    """All its names of ours; a name that somebody else gave it is not among them."""


@dataclass(frozen=True)
class Pruned:
    """What became of one image."""

    image: BuiltImage
    kept_because: str = ""
    """Empty for an image that was removed, or in a dry run would be."""


def built_images(client: Any) -> list[BuiltImage]:
    """Newest first.

    An image built on one of ours inherits its labels, so a label alone makes no image ours: its name must agree.
    """
    used = Counter(each["ImageID"] for each in client.api.containers(all=True))
    found = []
    for image in client.images.list(filters={"label": LABEL}):
        address = image.labels[LABEL]
        names = [f"{repository}:{address}" for repository in (BASE_REPOSITORY, RECIPE_REPOSITORY)]
        tags = [_PODMANS.sub("", name) for name in image.tags]
        if not (ours := [name for name in names if name in tags]):
            continue
        also = tuple(name for name in tags if name.startswith(NAMESPACE))
        created = image.attrs["Created"][:19] + "Z"
        found.append(BuiltImage(ours[0], image.id, image.attrs["Size"], created, used[image.id], also))
    return sorted(found, key=lambda built: built.created, reverse=True)


def prune(client: Any, names: Sequence[str] = (), *, dry_run: bool = False) -> list[Pruned]:
    """Removes the images of ours, or those of them in `names`, that no container uses, that no other image is built on
    and that are not the default. A container made in the meantime keeps its image: the engine refuses; that is told.

    Raises `UnknownName` for a name that is no image of ours.
    """
    from docker.errors import APIError, ImageNotFound

    told = []
    built = built_images(client)
    asked = {image.reference: image for image in built if not names or image.reference in names}
    for name in names:
        if name not in asked:
            raise UnknownName("image of ours", name, [image.reference for image in built])
    needed = _needed(client, list(asked.values()))
    for image in asked.values():
        reason = _why_kept(image, needed)
        if not reason and not dry_run:
            try:
                for name in image.names:
                    client.images.remove(name)
            except ImageNotFound:
                continue  # somebody else removed it
            except APIError as error:
                reason = str(error.explanation or error)
        told.append(Pruned(image, reason))
    return told


def _why_kept(image: BuiltImage, needed: Mapping[str, str]) -> str:
    if image.reference == DEFAULT:
        return "the default"
    if image.containers:
        return f"{image.containers} containers use it"
    return needed.get(image.digest, "")


def _needed(client: Any, asked: Sequence[BuiltImage]) -> dict[str, str]:
    """Why an image must stay though nobody uses it itself: another that stays is built on it."""
    everything = {each["Id"]: each for each in client.api.images(all=True)}
    going = {image.digest: set(image.names) for image in asked if not _why_kept(image, {})}
    parents = {each["ParentId"] for each in everything.values()}
    needed: dict[str, str] = {}
    for digest, each in everything.items():
        others = set(each["RepoTags"] or ()) - going.get(digest, set())
        if (digest in going and not others) or (digest in parents and not each["RepoTags"]):
            continue
        while digest := everything.get(digest, {}).get("ParentId", ""):
            needed[digest] = f"{min(others, default='another image')} is built on it"
    return needed
