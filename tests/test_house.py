"""The house table: what keeps the code readable, measured."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("sandbox", "tools", "tasks", "agents", "runs")
VAGUE = {"util", "utils", "helper", "helpers", "manager", "common", "misc", "core"}


def sources(*folders: str) -> Iterator[Path]:
    """Code of ours: task workspaces are material for candidates, not code we run."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not {"workspace", "reference", "baseline"} & set(path.relative_to(ROOT).parts[:-1]):
                yield path


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("outlay", *parts)).removesuffix(".__init__")


def imported(tree: ast.Module) -> Iterator[str]:
    """Names of modules imported at the top level, and the attributes that could be modules."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_imports_itself_in_a_circle() -> None:
    modules = {module_name(path): ast.parse(path.read_text()) for path in sources(*ROOMS)}
    # A package's __init__ runs before its modules, so `from package import module` is an edge to the module alone.
    graph = {
        name: {
            found for found in imported(tree) if found in modules and found != name and not name.startswith(found + ".")
        }
        for name, tree in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"import cycle: {' -> '.join(error.args[1])}") from error


def function_lengths() -> dict[str, int]:
    lengths = {}
    for path in sources(*ROOMS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = node.end_lineno - node.lineno + 1
    return lengths


def test_nine_in_ten_functions_fit_35_lines_and_few_pass_50() -> None:
    lengths = function_lengths()
    over_35 = {name: n for name, n in lengths.items() if n > 35}
    over_50 = {name: n for name, n in lengths.items() if n > 50}
    assert len(over_35) <= 0.10 * len(lengths), over_35
    assert len(over_50) <= 0.03 * len(lengths), over_50


def test_no_file_passes_400_lines() -> None:
    long = {str(path): n for path in sources(*ROOMS, "tests") if (n := len(path.read_text().splitlines())) > 400}
    assert not long


def test_file_names_say_something() -> None:
    assert not [path for path in sources(*ROOMS) if path.stem in VAGUE]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        p for p in sources(*ROOMS, "tests") if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent
