"""Verifications run in processes of their own; whatever goes wrong there is a VerifierError here."""

import asyncio
from pathlib import Path

import pytest

from outlay.sandbox.errors import UnknownName
from outlay.tasks.errors import VerifierError
from outlay.tasks.judge import verify
from outlay.tasks.registry import load_task
from outlay.tasks.types import Split, Submission, Verdict
from tests.tasks.files import task_file


async def judge(name: str, body: bytes = b"1", *, split: Split = Split.FINAL, judge_seed: str = "secret") -> Verdict:
    return await verify(name, 0, Submission({"a": body}), split=split, judge_seed=judge_seed, sandbox="process")


def test_the_verdict_comes_back_whole_with_its_seconds(tmp_path: Path) -> None:
    name = task_file(
        tmp_path,
        'return Verdict(True, float(body), True, 0.5, {"m": 1}, "fb", {"e": [1]})',
    )
    verdict = asyncio.run(judge(name, b"3"))
    assert (verdict.valid, verdict.score, verdict.passed, verdict.normalised) == (True, 3.0, True, 0.5)
    assert (verdict.metrics, verdict.feedback, verdict.evidence) == ({"m": 1.0}, "fb", {"e": [1]})
    assert verdict.seconds > 0


def test_an_invalid_submission_is_a_verdict(tmp_path: Path) -> None:
    verdict = asyncio.run(judge(task_file(tmp_path, 'return Verdict(False, feedback="no")')))
    assert verdict.score is None
    assert not verdict.valid


def test_candidates_run_in_a_fresh_sandbox(tmp_path: Path) -> None:
    name = task_file(
        tmp_path,
        "async with bench.fresh() as sandbox:\n"
        "    before = await sandbox.list()\n"
        '    await sandbox.write("a", body.encode())\n'
        '    done = await sandbox.exec(["cat", "a"])\n'
        "return Verdict(before == [], float(done.stdout))",
    )

    async def twice() -> list[float | None]:
        return [(await judge(name, body)).score for body in (b"4", b"5")]

    assert asyncio.run(twice()) == [4.0, 5.0]


def test_hidden_draws_depend_on_the_judge_seed_and_the_split_only(tmp_path: Path) -> None:
    name = task_file(tmp_path, "return Verdict(True, bench.rng.random())")

    async def draws() -> list[float | None]:
        verdicts = [
            await judge(name),
            await judge(name, b"another"),
            await judge(name, judge_seed="another"),
            await judge(name, split=Split.SEARCH),
        ]
        return [verdict.score for verdict in verdicts]

    first, same, *others = asyncio.run(draws())
    assert first == same
    assert len({first, *others}) == 3


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        ('raise ValueError("broken")', "ValueError: broken"),
        ("raise SystemExit(3)", "SystemExit"),
        ("os._exit(3)", "died"),
        ("return 1.0", "not a Verdict"),
        ('return Verdict(True, float("nan"))', "score is nan"),
        ('return Verdict(True, float("inf"))', "score is inf"),
        ('return Verdict(True, "high")', "TypeError"),
        ("return Verdict(True)", "exactly when it is valid"),
        ("return Verdict(False, 1.0)", "exactly when it is valid"),
        ('return Verdict(True, 1.0, metrics={"m": float("nan")})', "m is nan"),
        ("return Verdict(True, 1.0, evidence={'e': object()})", "not JSON serializable"),
    ],
)
def test_a_verifier_that_fails_is_a_verifier_error_and_the_next_verification_works(
    tmp_path: Path, verifier: str, said: str
) -> None:
    name = task_file(tmp_path, f'if body == "fail":\n    {verifier}\nreturn Verdict(True, 1.0)')

    async def fail_then_work() -> Verdict:
        with pytest.raises(VerifierError, match=said) as failure:
            await judge(name, b"fail")
        assert failure.value.task == "test/task"
        return await judge(name)

    assert asyncio.run(fail_then_work()).score == 1.0


@pytest.mark.parametrize("hang", ["while True: pass", "await asyncio.Event().wait()"])
def test_a_verifier_that_hangs_is_a_verifier_error_while_the_event_loop_keeps_going(tmp_path: Path, hang: str) -> None:
    name = task_file(tmp_path, f'if body == "hang":\n    {hang}\nreturn Verdict(True, 1.0)', verify_s=0.5)

    async def hang_beside_work() -> float | None:
        hanging = asyncio.create_task(judge(name, b"hang"))
        beside = await judge(name)
        assert not hanging.done()
        with pytest.raises(VerifierError, match=r"deadline of 0\.5 s"):
            await hanging
        return beside.score

    assert asyncio.run(hang_beside_work()) == 1.0


def test_a_cancelled_verification_stops_its_judge(tmp_path: Path) -> None:
    name = task_file(tmp_path, f'open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))\nwhile True: pass')

    async def cancelled() -> None:
        judging = asyncio.create_task(judge(name))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.to_thread(lambda: None)
        judging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await judging

    asyncio.run(cancelled())
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_many_verifications_queue_for_the_cores(tmp_path: Path) -> None:
    name = task_file(tmp_path, "return Verdict(True, float(body))")

    async def many() -> list[float | None]:
        verdicts = await asyncio.gather(*[judge(name, str(number).encode()) for number in range(40)])
        return [verdict.score for verdict in verdicts]

    assert asyncio.run(many()) == [float(number) for number in range(40)]


def test_a_file_named_from_the_current_folder_is_found_by_the_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_file(tmp_path, "return Verdict(True, 1.0)")
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(judge("written.py:task")).score == 1.0


def test_an_unknown_task_is_not_a_verifier_error() -> None:
    with pytest.raises(UnknownName, match="did you mean answer/arithmetic"):
        asyncio.run(judge("answer/arithmetics"))


def test_the_arithmetic_reference_passes() -> None:
    task = load_task("answer/arithmetic", 7)
    submission = Submission(task.reference)
    verdict = asyncio.run(
        verify("answer/arithmetic", 7, submission, split=Split.FINAL, judge_seed="secret", sandbox="process"),
    )
    assert verdict.passed
