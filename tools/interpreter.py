"""Runs one cell of Python from stdin inside the sandbox, between loading and saving what earlier cells left.

This file is sent whole to the sandbox's `python3`, so it imports only the standard library. Kept in
`.outlay/python.pickle` are: `plain`, the values that need no class or function of the cells, in one pickle so that
shared objects stay shared; `statements`, the source of imports, functions, lambdas and classes, run again; `rest`, the
values that need those, one pickle each.
"""

import ast
import importlib
import io
import linecache
import pickle
import sys
import traceback
import types
from pathlib import Path
from typing import Any

STATE = Path(".outlay") / "python.pickle"
Statements = dict[str, str]
"""Source by what it binds, in the order it ran."""


class Keeper(pickle.Pickler):
    """Pickles modules by name, and refuses functions and classes of the cells that no statement can define again."""

    def __init__(self, file: io.BytesIO, known: set[str]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.known = known

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return importlib.import_module, (value.__name__,)
        name = getattr(value, "__qualname__", "")  # of functions and classes, and of what decorators make of them
        if name and value.__module__ == "__main__" and name.partition(".")[0] not in self.known:
            raise pickle.PicklingError(f"{name} was not defined at the top level")
        return NotImplemented


def pickled(value: Any, known: set[str]) -> bytes | None:
    file = io.BytesIO()
    try:
        Keeper(file, known).dump(value)
    except Exception:  # a value's own __reduce__ may raise anything
        return None
    return file.getvalue()


def save(space: dict[str, Any], statements: Statements, workspace: Path) -> list[str]:
    """Writes the state; returns the names that could not be kept."""
    names = {name: value for name, value in space.items() if not name.startswith("__")}
    bound = {name for key in statements for name in key.split()}
    plain = {name: value for name, value in names.items() if pickled(value, set()) is not None}
    rest = {name: pickled(value, bound) for name, value in names.items() if name not in plain}
    kept = {name: body for name, body in rest.items() if body is not None}
    state = {"plain": pickled(plain, set()), "statements": statements, "rest": kept}
    unfinished = workspace / (str(STATE) + ".new")
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_bytes(pickle.dumps(state))
    unfinished.replace(workspace / STATE)
    return [f"{name} ({type(names[name]).__name__})" for name in names if name not in plain and name not in kept]


def load(space: dict[str, Any]) -> tuple[Statements, list[str]]:
    """Fills the namespace; returns the statements that ran, and what could not be brought back."""
    if not STATE.exists():
        return {}, []
    state = pickle.loads(STATE.read_bytes())
    space.update(pickle.loads(state["plain"] or pickle.dumps({})))
    kept = dict(space)
    statements, waiting = dict(state["statements"]), dict(state["rest"])
    pending = list(statements)
    while pending or waiting:  # a default argument may need a value that needs a class: go round while that helps
        before = len(pending) + len(waiting)
        pending = [key for key in pending if not _runs(statements[key], space)]
        for name, body in list(waiting.items()):
            try:
                kept[name] = space[name] = pickle.loads(body)
            except Exception:  # whatever a value's own code raises
                continue
            del waiting[name]
        if len(pending) + len(waiting) == before:
            break
    for name in [name for name in space if not name.startswith("__") and name not in kept]:
        del space[name]
    space.update(kept)
    return {key: source for key, source in statements.items() if key not in pending}, list(waiting)


def _runs(source: str, space: dict[str, Any]) -> bool:
    try:
        exec(compile(source, "<earlier cell>", "exec"), space)
    except Exception:  # tried again when more is there
        return False
    return True


def record(node: ast.stmt, source: str, statements: Statements, space: dict[str, Any]) -> None:
    """Remembers an import, function, lambda or class that ran, in place of what bound the same names before."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        segment = ast.get_source_segment(source, node) or ""
        key = " ".join(alias.asname or alias.name for alias in node.names)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        segment = "\n".join(source.split("\n")[first - 1 : node.end_lineno])
        key = node.name
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and isinstance(node.targets[0], ast.Name):
        key = node.targets[0].id
        naming = f"{key}.__name__ = {key}.__qualname__ = {key!r}"  # pickle finds functions by their names
        exec(naming, space)
        segment = f"{ast.get_source_segment(source, node)}\n{naming}"
    else:
        return
    statements.pop(key, None)
    statements[key] = segment


def run(source: str, space: dict[str, Any], statements: Statements) -> int:
    """Runs the cell a statement at a time and prints the value of a last expression. Returns the exit code."""
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(True), "<cell>")
    try:
        body = ast.parse(source, "<cell>").body
        for node in body:
            if node is body[-1] and isinstance(node, ast.Expr):
                value = eval(compile(ast.Expression(node.value), "<cell>", "eval"), space)
                if value is not None:
                    space["_"] = value
                    print(repr(value))
            else:
                exec(compile(ast.Module([node], []), "<cell>", "exec"), space)
                record(node, source, statements, space)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException as error:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename != "<cell>":
            frames = frames.tb_next
        traceback.print_exception(type(error), error, frames)
        return 1
    return 0


def main() -> int:
    source = sys.stdin.buffer.read().decode("utf-8")
    cell = types.ModuleType("__main__")
    sys.modules["__main__"] = cell
    workspace = Path.cwd()  # the cell may change the folder
    sys.path.insert(0, str(workspace))
    try:
        statements, lost = load(cell.__dict__)
    except Exception as error:  # the file lies in the workspace, where anything may have happened to it
        statements, lost = {}, [f"everything: {STATE} is not readable ({error})"]
    exit_code = run(source, cell.__dict__, statements)
    lost += save(cell.__dict__, statements, workspace)
    sys.stdout.flush()
    if lost:
        print(f"[not kept for the next call: {', '.join(lost)}]", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
