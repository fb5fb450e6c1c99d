"""What a candidate's module may use: an allow list of imports, so that it cannot see, stop or outlive its measurement.

By syntax tree, not by text. The clock, the inputs and the comparison are outside the sandbox whatever gets past this.
"""

import ast

IMPORTS = frozenset(
    {"array", "bisect", "collections", "dataclasses", "functools", "heapq", "itertools", "math", "operator", "re"}
    | {"string", "textindex", "typing"}
)
NAMES = frozenset(
    {"__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals", "input", "locals"}
    | {"open", "print", "quit", "setattr", "vars"}
)
SOURCE_BYTES = 256 << 10
"""Parsing takes about a second per megabyte of the worst source."""
FRAMES = frozenset(("ag_frame", "cr_frame", "f_back", "gi_frame", "tb_frame"))


def refusal(source: bytes) -> str:
    """What stands against `source`; empty when nothing does."""
    if len(source) > SOURCE_BYTES:
        return f"it has more than {SOURCE_BYTES:,} bytes"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        return f"it does not parse: {error}"
    except (RecursionError, MemoryError):
        return "it does not parse: it is nested too deep"
    for node in ast.walk(tree):
        used = _imports(node) - IMPORTS
        if isinstance(node, ast.Name) and node.id in NAMES:
            used.add(node.id)
        if isinstance(node, ast.Attribute) and (node.attr.startswith("_") or node.attr in FRAMES):
            used.add(node.attr)
        if used:
            return f"line {getattr(node, 'lineno', 0)} uses {', '.join(sorted(used))}, which is not allowed here"
    return ""


def _imports(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return set()
