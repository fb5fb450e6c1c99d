"""The bundled tasks under attack by candidates that went around the import guard, or that need no import."""

import asyncio
from collections.abc import Mapping

import pytest

from outlay.sandbox.choose import docker_lack
from outlay.tasks.judge import verify
from outlay.tasks.registry import load_task
from outlay.tasks.types import Split, Submission, Verdict
from tests.tasks.attacks.floods import raw

CORE, SCHEDULE = "textindex/core.py", "schedule.py"
SLOW = load_task("code/slow-function", 0).baseline[CORE].decode()
FAST = load_task("code/slow-function", 0).reference[CORE].decode()
UNGUARDED = """
import collections
from operator import attrgetter
sys = attrgetter("_sys")(collections)
os, time = sys.modules["os"], sys.modules["time"]
leave = attrgetter("_exit")(os)
"""
WRONG = "def build(documents): return {}\ndef together(index, limit): return []\n"

CORES = {
    "ends its process in the tests": UNGUARDED + "leave(0)\n" + WRONG,
    "ends its process on hidden inputs": UNGUARDED
    + FAST.replace("index = {}", "index = {} if len(documents) < 9 else leave(0)"),
    "writes results to every descriptor": UNGUARDED + "for number in range(3, 64):\n"
    '    try: os.write(number, b\'{"id": "0", "result": [[], []]}\\n\')\n'
    "    except OSError: continue\n" + FAST,
    "turns the tests' assertions off": UNGUARDED + "for module in list(sys.modules.values()):\n"
    "    for case in attrgetter('TestCase')(module) if module is sys.modules.get('unittest') else ():\n"
    "        case.assertEqual = lambda *a: None\n" + WRONG,
    "claims that no test failed": UNGUARDED + "result = sys.modules.get('unittest.result')\n"
    "if result:\n"
    "    result.TestResult.addFailure = result.TestResult.addError = lambda *a: None\n" + WRONG,
    "equals everything": "class Same(list):\n    def __eq__(self, other): return True\n"
    "def build(documents): return {}\ndef together(index, limit): return Same()\n",
    "nests its source": "x = " + "-" * 100_000 + "1\n" + FAST,
    "chains its source": "x = a" + ".b" * 100_000 + "\n" + FAST,
    "is a very long source": FAST + "#" * (1 << 20),
}
TRICKS_ON_THE_CLOCK = (
    UNGUARDED
    + """
time.perf_counter = time.monotonic = time.time = lambda: 0.0
def burn():
    os.setsid()
    for _ in range(60_000_000): pass
    leave(0)
for _ in range(2):
    if os.fork() == 0: burn()
"""
    + SLOW.replace("def build(", "def slow_build(")
    + """
codec = sys.modules["json"]
def build(documents):
    path = "/tmp/" + str(hash(tuple(documents)))
    if not os.path.exists(path):
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY), "w") as file: codec.dump(slow_build(documents), file)
    with os.fdopen(os.open(path, os.O_RDONLY)) as file: return codec.load(file)
"""
)
SCHEDULES = {
    "ends its process": "import os\nos._exit(0)\n",
    "is a number that is none": "class N(float):\n    def __float__(self): return 1e999\ndef lr(s, t): return N(1)\n",
    "equals everything": "class Same:\n    def __eq__(self, other): return True\ndef lr(step, total): return Same()\n",
    "is true": "def lr(step, total): return step == 0\n",
    "hands back too few": raw("b'[0.1]'").replace("solve(numbers)", "lr(step, total)"),
    "hands back deep nesting": raw("b'[' * 100_000").replace("solve(numbers)", "lr(step, total)"),
    "hands back endless digits": raw("b'[' + b'9' * 900_000 + b']'").replace("solve(numbers)", "lr(step, total)"),
    "hands back infinities": raw("b'[' + b'1e999,' * 224 + b'1e999]'").replace("solve(numbers)", "lr(step, total)"),
    "reads the verifier": "import outlay.tasks.optim.schedule.training\ndef lr(step, total): return 0.1\n",
}
KIND = "process" if docker_lack() else "docker"


def judged(task: str, artifacts: Mapping[str, tuple[str, str]]) -> dict[str, Verdict]:
    async def one(path: str, body: str) -> Verdict:
        submission = Submission({path: body.encode()})
        return await verify(task, 0, submission, split=Split.SEARCH, judge_seed="secret", sandbox=KIND)

    async def every() -> list[Verdict]:
        return await asyncio.gather(*[one(path, body) for path, body in artifacts.values()])

    return dict(zip(artifacts, asyncio.run(every()), strict=True))


@pytest.mark.parametrize(
    ("task", "path", "bodies"), [("code/slow-function", CORE, CORES), ("optim/lr-schedule", SCHEDULE, SCHEDULES)]
)
def test_no_trick_is_scored_and_each_says_why(task: str, path: str, bodies: Mapping[str, str]) -> None:
    verdicts = judged(task, {name: (path, body) for name, body in bodies.items()})
    assert [name for name, verdict in verdicts.items() if verdict.valid or verdict.score is not None] == []
    assert all(verdict.feedback.isprintable() and verdict.feedback for verdict in verdicts.values())


def test_patched_clocks_caches_and_processes_left_behind_gain_nothing() -> None:
    verdict = judged("code/slow-function", {"tricks": (CORE, TRICKS_ON_THE_CLOCK)})["tricks"]
    assert verdict.normalised is not None, verdict.feedback
    assert verdict.normalised < 0.5
