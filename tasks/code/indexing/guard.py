"""What a candidate's module may not use: ways to see, stop or outlive the measurement. By syntax tree, not by text."""

import ast

IMPORTS = frozenset(
    """atexit builtins cffi ctypes gc importlib inspect io multiprocessing os pathlib pickle shutil signal socket
    subprocess sys tempfile threading time traceback""".split()  # noqa: SIM905 - a list of 21 quoted names reads worse
)
NAMES = frozenset(("__import__", "breakpoint", "compile", "eval", "exec", "globals", "input", "open", "print"))


def refusal(source: bytes) -> str:
    """What stands against `source`; empty when nothing does."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        return f"it does not parse: {error}"
    for node in ast.walk(tree):
        used = _imports(node) & IMPORTS
        if isinstance(node, ast.Name) and node.id in NAMES:
            used.add(node.id)
        if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
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
