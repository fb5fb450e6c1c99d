"""One process per case: plain data in, plain data out, and a fault in words for everything else."""

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import Any

import numpy as np
import pytest

from outlay.sandbox.choose import sandbox_maker
from outlay.sandbox.errors import SandboxLost
from outlay.sandbox.types import PLAIN, Completed, Limits, Sandbox, SandboxSpec
from outlay.tasks.bench import CleanBench
from outlay.tasks.harness import plain
from outlay.tasks.solver import LOST, Answer, Program, solve, solve_all
from outlay.tasks.timing import Timed, net_seconds, start_up
from outlay.tasks.types import Split

DRIVER = "from work import solve\n"


class Color(IntEnum):
    """A number with a name."""

    RED = 1


def bench() -> CleanBench:
    return CleanBench(Split.FINAL, Random(0), sandbox_maker("process"), PLAIN)


def answers(source: str, *cases: Any, wall_s: float = 20, total_s: float = 60) -> list[Answer]:
    program = Program({"work.py": source.encode()}, DRIVER)
    return asyncio.run(solve_all(bench(), program, cases, wall_s=wall_s, total_s=total_s))


def answer(source: str, case: Any = None) -> Answer:
    return answers(source, case)[0]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.arange(3), [0, 1, 2]),
        (np.ones((2, 1)), [[1.0], [1.0]]),
        ([np.float64(1.5), (2, 3)], [1.5, [2, 3]]),
        (range(2), [0, 1]),
        ((n for n in (1, 2)), [1, 2]),
        (map(str, [1]), ["1"]),
        (deque([1]), [1]),
        (OrderedDict(a=np.int8(1)), {"a": 1}),
        ({"a": 1}.items(), [["a", 1]]),
        (Color.RED, 1),
        (None, None),
        (True, True),
    ],
)
def test_what_honest_programs_return_becomes_plain(value: Any, wanted: Any) -> None:
    assert json.dumps(plain(value)) == json.dumps(wanted)


@pytest.mark.parametrize("value", [b"bytes", object(), {1: 2}, 1j, np.array([1j]), np.float64("nan"), float("inf")])
def test_what_is_no_plain_value_is_an_error(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        plain(value)


def test_each_case_has_a_process_and_files_of_its_own() -> None:
    source = """
import pathlib
seen = []
def solve(case):
    seen.append(case)
    there = sorted(str(path) for path in pathlib.Path().rglob("*"))
    pathlib.Path("left").write_text("left")
    pathlib.Path("work.py").write_text("broken")
    return [seen, there]
"""
    found = answers(source, "a", "b")
    assert [one.value for one in found] == [[["a"], ["work.py"]], [["b"], ["work.py"]]]


def test_the_candidate_knows_its_case_and_no_other() -> None:
    source = """
import gc
def solve(case): return [o for o in map(repr, gc.get_objects()) if "-".join(("second", "case")) in o]
"""
    assert answers(source, "first-case", "second-case")[0].value == []


def test_seconds_are_those_of_the_whole_process() -> None:
    slow = answer("import time\ntime.sleep(0.2)\ntime.monotonic = lambda: 0.0\ndef solve(case): time.sleep(0.3)\n")
    assert slow.fault == ""
    assert slow.wall_s > 0.5


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def solve(case): return 1 / 0\n", "error: ZeroDivisionError: division by zero"),
        ("def solve(case): return 1 +\n", "error: SyntaxError: invalid syntax"),
        ("import no_such_module\n", "error: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def other(case): pass\n", "error: ImportError: cannot import name 'solve' from 'work'"),
        ("def solve(case): return float('nan')\n", "error: ValueError: nan is no finite number"),
        ("def solve(case): return object()\n", "error: TypeError: a object is neither number, text, list nor dict"),
        ("def solve(case): exit(3)\n", "error: SystemExit: 3"),
        ("import os\ndef solve(case): os._exit(3)\n", "no result: its process ended with code 3"),
        ("import os\ndef solve(case): os.kill(os.getpid(), 9)\n", "no result: its process ended with code 137"),
        ("def solve(case): return 'x' * (1 << 20)\n", "too large: it wrote more than is kept"),
        ("def solve(case): raise ValueError('x' * 10**6)\n", "error: ValueError: xxxx"),
    ],
)
def test_a_case_without_a_result_says_why(source: str, fault: str) -> None:
    found = answer(source)
    assert found.value is None
    assert found.fault.startswith(fault)
    assert len(found.fault) < 300


def test_a_case_that_does_not_end_is_a_timeout_and_so_are_those_that_no_time_is_left_for() -> None:
    found = answers("def solve(case):\n    while case: pass\n    return case\n", 1, 0, wall_s=1, total_s=1)
    assert found[0].fault.startswith("timeout: no result within")
    assert found[1].fault == "timeout: the cases before took 1 s"


def test_a_case_after_one_that_failed_is_answered() -> None:
    found = answers("def solve(case): return 1 / case\n", 0, 2)
    assert (bool(found[0].fault), found[1].value) == (True, 0.5)


@dataclass
class Fragile:
    """A real sandbox that is lost under the n-th commands."""

    inner: Sandbox
    counted: list[int]
    fatal: Sequence[int]

    async def exec(self, argv: Sequence[str], **how: Any) -> Completed:
        self.counted.append(1)
        if len(self.counted) in self.fatal:
            raise SandboxLost("gone")
        return await self.inner.exec(argv, **how)


def fragile_bench(*fatal: int) -> CleanBench:
    counted: list[int] = []

    @asynccontextmanager
    async def maker(spec: SandboxSpec = PLAIN, **_: Any) -> AsyncIterator[Any]:
        async with sandbox_maker("process")(spec) as inner:
            yield Fragile(inner, counted, fatal)

    return CleanBench(Split.FINAL, Random(0), maker, PLAIN)


@pytest.mark.parametrize(("fatal", "faults"), [([2], ["", "", ""]), ([2, 3], ["", LOST, ""]), ([1, 2], [LOST, "", ""])])
def test_a_lost_sandbox_is_replaced_once_then_it_is_the_candidates_fault(
    fatal: Sequence[int], faults: Sequence[str]
) -> None:
    program = Program({"work.py": b"def solve(case): return case\n"}, DRIVER)
    found = asyncio.run(solve_all(fragile_bench(*fatal), program, [1, 2, 3], wall_s=20, total_s=60))
    assert [one.fault for one in found] == faults
    assert all(one.fault or one.value == case for case, one in enumerate(found, 1))


def test_an_engine_that_opens_no_second_sandbox_is_not_the_candidates_fault() -> None:
    @asynccontextmanager
    async def broken(spec: SandboxSpec = PLAIN, **_: Any) -> AsyncIterator[Any]:
        raise SandboxLost(f"no engine for {spec}")
        yield

    program = Program({"work.py": b"def solve(case): return case\n"}, DRIVER)
    with pytest.raises(SandboxLost):
        asyncio.run(solve_all(CleanBench(Split.FINAL, Random(0), broken, PLAIN), program, [1], wall_s=1, total_s=1))


@pytest.mark.docker
def test_memory_over_the_limit_is_no_result(docker_engine: None) -> None:  # noqa: ARG001
    async def tried() -> Answer:
        spec = SandboxSpec(limits=Limits(memory_bytes=128 << 20))
        program = Program({"work.py": b"def solve(case): return len(b'x' * (1 << 30))\n"}, DRIVER)
        async with sandbox_maker("docker")(spec) as sandbox:
            return await solve(sandbox, program, None, wall_s=20)

    assert asyncio.run(tried()).fault == "out of memory"


def test_start_up_is_subtracted_and_no_process_is_faster_than_a_millisecond() -> None:
    runs = [Timed(Answer(wall_s=wall), start) for wall, start in ((0.5, 0.1), (0.1, 0.2), (0.3, 0.9))]
    assert start_up(runs) == 0.2
    assert net_seconds(runs, start_up(runs)) == pytest.approx([0.3, 0.001, 0.1])
