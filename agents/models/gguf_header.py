"""The shape of a model, read from the head of its GGUF: counts and sizes, no weights.

Format: magic, version, counts of tensors and of fields, fields (name, type, value), tensors (name, dimensions, type,
offset); little-endian, strings and arrays preceded by their length. Source: `docs/gguf.md` of the ggml repository.
"""

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from outlay.sandbox.errors import OutlayError

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""The format's types to those of `struct`."""
_STRING, _ARRAY = 8, 9


class BadGguf(OutlayError):
    """A file that is no GGUF, or one without what a transformer's header states."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be read as a GGUF: {self.reason}"


@dataclass(frozen=True)
class GgufShape:
    """One model. Where layers differ in their heads, the most of any layer."""

    architecture: str
    parameters: int
    weight_bytes: int
    """As stored, so after quantisation."""
    layers: int
    width: int
    query_heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    """Tokens."""


def gguf_shape(path: Path) -> GgufShape:
    """Raises `BadGguf`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        try:
            return _shape(_Reader(body), len(body))
        except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
            raise BadGguf(path, f"{type(error).__name__}: {error}") from error


def _shape(read: "_Reader", size: int) -> GgufShape:
    if read.take(4) != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    _version, tensors, fields = read.number("I"), read.number("Q"), read.number("Q")
    found = {read.text(): read.value(read.number("I")) for _ in range(fields)}
    dimensions = {}
    for _ in range(tensors):
        name = read.text()
        dimensions[name] = [read.number("Q") for _ in range(read.number("I"))]
        read.take(12)  # its type and offset
    kind = found["general.architecture"]
    heads, width = _most(found[f"{kind}.attention.head_count"]), found[f"{kind}.embedding_length"]
    return GgufShape(
        architecture=kind,
        parameters=sum(prod(sides) for sides in dimensions.values()),
        weight_bytes=size - read.at,
        layers=found[f"{kind}.block_count"],
        width=width,
        query_heads=heads,
        kv_heads=_most(found.get(f"{kind}.attention.head_count_kv", heads)),
        head_dim=found.get(f"{kind}.attention.key_length", width // heads),
        vocabulary=dimensions["token_embd.weight"][1],
    )


def _most(value: int | list[int]) -> int:
    return max(value) if isinstance(value, list) else value


class _Reader:
    """Reads forward."""

    def __init__(self, body: mmap.mmap) -> None:
        self.body, self.at = body, 0

    def take(self, count: int) -> bytes:
        part = self.body[self.at : self.at + count]
        self.at += count
        return part

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from("<" + code, self.body, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def text(self) -> str:
        return self.take(self.number("Q")).decode()

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _NUMBERS:
                packed = f"<{count}{_NUMBERS[inner]}"
                return list(struct.unpack(packed, self.take(struct.calcsize(packed))))
            return [self.value(inner) for _ in range(count)]
        return self.number(_NUMBERS[kind])
