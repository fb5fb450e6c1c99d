"""The first program inside: reads the guest's modules from its stdin and calls the one that is to serve.

It is sent whole as `python3 -I -S -c`. The order is four bytes of length, then JSON: `modules`, sources by dotted name;
`main`, the module whose `main(config)` is called; `config`. Nothing is compiled before it is imported.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

Spec: Any = type(sys.__spec__)  # importlib.util would take longer to load than all of ours


class Sent:
    """Finds the modules that were sent, and the packages that they stand in."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources
        self._packages = {name.rpartition(".")[0] for name in sources} | {"outlay", "outlay.sandbox"}

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        if name in self._sources or name in self._packages:
            return Spec(name, self, is_package=name in self._packages)
        return None

    def create_module(self, _spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        name = module.__name__
        exec(compile(self._sources.get(name, ""), name, "exec"), module.__dict__)


def received(size: int) -> bytes:
    body = b""
    while len(body) < size:
        chunk = os.read(0, size - len(body))
        if not chunk:
            os._exit(0)  # the other side went away before it had said anything
        body += chunk
    return body


def start() -> None:
    if sys.version_info < (3, 9):  # noqa: UP036 - whatever the image has
        sys.exit("python3 is older than 3.9")
    order = json.loads(received(int.from_bytes(received(4), "big")))
    sys.meta_path.insert(0, Sent(order["modules"]))
    __import__(order["main"])
    sys.modules[order["main"]].main(order["config"])


if __name__ == "__main__":
    start()
