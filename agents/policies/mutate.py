"""Hill-climbing without a model: change one number or operator of the artifact, keep what scores no worse.

The honest baseline every model must beat. It knows nothing of the task but its score.
"""

import ast
from random import Random

from outlay.agents.types import Agent, Session, ToolCall
from outlay.tasks.types import Direction

OPERATORS: tuple[tuple[type[ast.operator], ...], ...] = ((ast.Add, ast.Sub), (ast.Mult, ast.Div))
COMPARISONS: tuple[type[ast.cmpop], ...] = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


async def mutate(session: Session) -> None:
    """Evaluates as long as the budget lasts; the best evaluated artifacts are judged in the end."""
    kept = {path: body for path, body in session.task.baseline.items() if _sites(body)}
    for path, body in session.task.baseline.items():
        await session.write(path, body)
    if not kept or "evaluate" not in session.tools:
        await session.act(ToolCall("unchanged", "submit", "{}"))
        return
    sign = 1 if session.task.direction is Direction.HIGHER else -1
    score = (await session.evaluate()).score
    while session.account.left("evaluations") >= 1:
        path = session.rng.choice(sorted(kept))
        candidate = mutation(kept[path], session.rng)
        await session.write(path, candidate)
        found = (await session.evaluate()).score
        if found is not None and (score is None or sign * found >= sign * score):
            score, kept[path] = found, candidate
        else:
            await session.write(path, kept[path])


def mutation(source: bytes, rng: Random) -> bytes:
    """`source` with one number or operator changed; still parses."""
    tree = ast.parse(source)
    sites = _nodes(tree)
    node = rng.choice(sites)
    if isinstance(node, ast.Constant):
        node.value = _nearby(node.value, rng)
    elif isinstance(node, ast.BinOp):
        pair = next(pair for pair in OPERATORS if isinstance(node.op, pair))
        node.op = next(op for op in pair if not isinstance(node.op, op))()
    elif isinstance(node, ast.Compare):
        node.ops = [rng.choice(COMPARISONS)(), *node.ops[1:]]
    return ast.unparse(ast.fix_missing_locations(tree)).encode() + b"\n"


def _nearby(value: object, rng: Random) -> int | float:
    """Multiplied by a log-normal factor, now and then negated; integers stay integers."""
    if isinstance(value, int):
        return value + rng.choice((-1, 1)) if abs(value) < 8 else round(value * rng.lognormvariate(0, 0.5))
    assert isinstance(value, float)
    return float(f"{value * rng.lognormvariate(0, 0.7):.6g}") if value else rng.uniform(-1, 1)


def _sites(body: bytes) -> int:
    """How many places of a file can be changed; 0 when it is not Python."""
    try:
        return len(_nodes(ast.parse(body)))
    except (SyntaxError, ValueError):
        return 0


def _nodes(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if _changeable(node)]


def _changeable(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=bool()):
            return False
        case ast.Constant(value=int() | float()):
            return True
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            return True
        case ast.Compare(ops=[first, *_]):
            return isinstance(first, COMPARISONS)
    return False


AGENT = Agent("mutate", mutate, uses_model=False, summary="hill-climbing over numbers and operators, no model")
