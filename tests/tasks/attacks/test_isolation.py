"""What a solver can reach: not the judge's answers, no network, no library of ours, nothing of an earlier case."""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from outlay.sandbox.choose import sandbox_maker
from outlay.tasks.judge import verify
from outlay.tasks.solver import Program, solve
from outlay.tasks.types import Split, Submission, Verdict
from tests.tasks.attacks.lab import ARTIFACT, DRIVER

LAB = Path(__file__).with_name("lab.py")
SEARCH = """
import gc, glob, os, re, sys

WORD = re.compile(rb"OUTLAY" + rb"-[0-9a-f]{32}")
FOLDERS = ("/dev/shm", "/etc", "/home", "/root", "/run", "/srv", "/tmp", "/var/tmp", "/work", os.getcwd())

def of_files():
    for folder in FOLDERS:
        for place, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if os.path.join(place, name) != sys.prefix]
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path): yield path

def of_processes():
    for process in glob.glob("/proc/[0-9]*"):
        yield from (process + "/environ", process + "/cmdline")

def memories():
    for process in glob.glob("/proc/[0-9]*"):
        if process == f"/proc/{os.getpid()}": continue
        try:
            ranges = [line.split()[0].split("-") for line in open(process + "/maps") if " rw" in line]
            with open(process + "/mem", "rb", 0) as memory:
                for start, end in ranges:
                    memory.seek(int(start, 16))
                    yield memory.read(int(end, 16) - int(start, 16))
        except (OSError, ValueError, OverflowError):
            continue

def readable(paths):
    for path in paths:
        try:
            with open(path, "rb") as file: yield file.read(1 << 20)
        except OSError:
            continue

def solve(numbers):
    texts = [repr(dict(os.environ)).encode(), repr(sys.argv).encode()]
    texts += [repr(o).encode(errors="replace") for o in gc.get_objects() if isinstance(o, (list, dict, tuple))]
    found = set()
    for text in (*texts, *readable(of_files()), *readable(of_processes()), *memories()):
        found.update(WORD.findall(text))
    return sorted(word.decode() for word in found)
"""


@pytest.fixture(params=["process", "docker"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


def values(kind: str, source: str, *cases: Any, beside: Mapping[str, bytes] | None = None) -> list[Any]:
    """What `source` returns for the cases, one after the other in one sandbox."""
    program = Program({ARTIFACT: dedent(source).encode(), **(beside or {})}, DRIVER)

    async def run() -> list[Any]:
        async with sandbox_maker(kind)() as sandbox:
            answers = [await solve(sandbox, program, case, wall_s=60) for case in cases]
        assert [answer.fault for answer in answers] == [""] * len(cases)
        return [answer.value for answer in answers]

    return asyncio.run(run())


def test_what_the_judge_knows_is_nowhere_in_the_sandbox(kind: str) -> None:
    async def judged() -> Verdict:
        submission = Submission({ARTIFACT: SEARCH.encode()})
        return await verify(f"{LAB}:marked", 0, submission, split=Split.FINAL, judge_seed="secret", sandbox=kind)

    evidence = asyncio.run(judged()).evidence
    assert evidence["word"].startswith("OUTLAY-")
    assert (evidence["fault"], evidence["found"]) == ("", [])


def test_the_search_finds_a_word_that_is_there(kind: str) -> None:
    word = "OUTLAY" + "-" + "0123456789abcdef" * 2
    assert values(kind, SEARCH, [], beside={"planted.txt": word.encode()}) == [[word]]
    assert values(kind, SEARCH, [word]) == [[word]]


def test_no_hidden_case_can_be_sent_out(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        source = f"""
            import socket
            def solve(numbers):
                try:
                    with socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), timeout=2) as stream:
                        stream.sendall(str(numbers).encode())
                        return "sent"
                except OSError: return "refused"
            """
        assert values(kind, source, [1]) == ["refused"]
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_python_installation_cannot_be_edited(kind: str) -> None:
    source = """
        import os, site, sys, sysconfig
        def solve(numbers):
            places = {*site.getsitepackages(), *sysconfig.get_paths().values(), os.path.dirname(os.__file__)}
            written = []
            for place in places:
                for name in ("attack.pth", "sitecustomize.py", "json.py"):
                    try: open(os.path.join(place, name), "w").close()
                    except OSError: continue
                    written.append(os.path.join(place, name))
            return written
        """
    assert values(kind, source, [1]) == [[]]


def test_no_process_outlives_its_case(kind: str) -> None:
    source = """
        import glob, os, time
        def others():
            for process in glob.glob("/proc/[0-9]*"):
                try: words = open(process + "/cmdline", "rb").read()
                except OSError: continue
                if words.startswith(b"left-behind"): yield words.decode()
        def solve(leave):
            if leave:
                for _ in range(2):
                    if os.fork() == 0:
                        os.setsid()
                        if os.fork() == 0: os.execvp("sleep", ["left-behind", "60"])
                        os._exit(0)
                while len(list(others())) < 2: time.sleep(0.01)
            return len(list(others()))
        """
    assert values(kind, source, True, False) == [2, 0]


def test_a_library_that_one_case_replaced_is_whole_for_the_next(kind: str) -> None:
    source = """
        import os, statistics, sys
        def solve(numbers):
            before = statistics.mean(numbers)
            for place in (os.getcwd(), os.path.dirname(os.getcwd()), "/tmp"):
                with open(os.path.join(place, "statistics.py"), "w") as file: file.write("mean = lambda numbers: -1\\n")
            sys.modules["statistics"] = None
            return before
        """
    assert values(kind, source, [1, 3], [1, 3]) == [2, 2]
