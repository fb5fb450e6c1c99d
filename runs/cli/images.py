"""`outlay images`: what sandboxes start from: list, build, prune."""

from pathlib import Path
from typing import Annotated

import typer

from outlay.runs.cli.options import AsJson

ENGINE_S = 60.0

app = typer.Typer(
    help="List, build and prune the images that sandboxes start from.",
    epilog="The default image is outlay/base: Debian with Python 3, numpy, scipy, pytest, git and gcc. A task may name "
    "another, or a recipe; recipes are built when a sandbox first needs them, and are named by their content.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def ls(as_json: AsJson = False) -> None:
    """List the images that Outlay built on this engine, newest first. Sizes include the base below."""
    from dataclasses import asdict

    from outlay.runs.cli.output import print_json, print_table
    from outlay.sandbox.images import engine
    from outlay.sandbox.inventory import built_images
    from outlay.sandbox.recipes import DEFAULT

    with engine(timeout_s=ENGINE_S) as client:
        found = built_images(client)
    if as_json:
        print_json([{**asdict(image), "default": image.reference == DEFAULT} for image in found])
    elif found:
        rows = [
            [
                image.reference,
                image.digest.removeprefix("sha256:")[:12],
                _megabytes(image.size_bytes),
                image.created,
                str(image.containers),
                "default" if image.reference == DEFAULT else "",
            ]
            for image in found
        ]
        print_table(["image", "digest", "MB", "created", "containers", ""], rows, right=["MB", "containers"])
    else:
        typer.echo("no images yet; build the default one: outlay images build")


@app.command()
def build(
    apt: Annotated[list[str] | None, typer.Option(help="A Debian package beside the default ones; repeatable.")] = None,
    pip: Annotated[list[str] | None, typer.Option(help="A requirement, as pip takes it; repeatable.")] = None,
    dockerfile: Annotated[
        Path | None, typer.Option(help="A Dockerfile instead, without a context; it may say FROM outlay/base.")
    ] = None,
) -> None:
    """Build the default image or a recipe.

    Prints its name and digest; does nothing else when the engine has it. The default one takes about two minutes, once:
    its root file system is kept in ~/.cache/outlay (or OUTLAY_CACHE). The build uses this machine's mirrors, proxies
    and certificates; the image keeps none of them.

    Examples: outlay images build; outlay images build --apt graphviz --pip networkx==3.4
    """
    from outlay.sandbox.images import engine, resolve
    from outlay.sandbox.types import Recipe

    if dockerfile is not None and not dockerfile.is_file():
        raise typer.BadParameter(f"there is no file {dockerfile}", param_hint="--dockerfile")
    recipe = Recipe(tuple(apt or ()), tuple(pip or ()), dockerfile.read_text() if dockerfile else "")
    with engine(timeout_s=ENGINE_S) as client:
        image = resolve(client, recipe, lambda line: typer.echo(line, err=True))
    typer.echo(f"{image.reference} {image.digest}")


@app.command()
def prune(
    image: Annotated[list[str] | None, typer.Argument(help="Only these, as `outlay images ls` names them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove images of ours that nobody needs.

    A recipe is built again when it is asked for. Kept are the default image, those that a container uses and those that
    another image is built on. Images that Outlay did not build are never touched. Without names, root file systems of
    former default images go too.
    """
    from outlay.runs.cli.output import print_table
    from outlay.sandbox.images import engine, stale_archives
    from outlay.sandbox.inventory import prune as prune_images

    gone = "would go" if dry_run else "removed"
    with engine(timeout_s=ENGINE_S) as client:
        told = prune_images(client, image or (), dry_run=dry_run)
    rows = [
        [
            each.image.reference,
            _megabytes(each.image.size_bytes),
            "kept" if each.kept_because else gone,
            each.kept_because,
        ]
        for each in told
    ]
    for archive in [] if image else stale_archives():
        rows.append([str(archive), _megabytes(archive.stat().st_size), gone, ""])
        if not dry_run:
            archive.unlink()
    if rows:
        print_table(["image", "MB", "", "because"], rows, right=["MB"])
    else:
        typer.echo("nothing to prune: Outlay built no images on this engine")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f}"
