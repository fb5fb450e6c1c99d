"""The attack corpus against our verifiers, and against one that trusts the agent's tree."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from random import Random
from textwrap import dedent

import pytest

from outlay.sandbox.choose import docker_lack, sandbox_maker
from outlay.sandbox.types import PLAIN, Sandbox, SandboxSpec, Snapshot
from outlay.tasks.bench import CleanBench
from outlay.tasks.judge import verify
from outlay.tasks.replies import same
from outlay.tasks.solver import Program, solve
from outlay.tasks.types import Split, Submission, Task, Verdict
from tests.tasks.attacks import lab, naive
from tests.tasks.attacks.corpus import AGAINST_PYTEST, SLOW_ANSWERS, WRONG_ANSWERS
from tests.tasks.attacks.honest import COUNT, STYLES
from tests.tasks.attacks.lab import ARTIFACT, BASELINE, DRIVER, REFERENCE, expected
from tests.tasks.attacks.words import Attack

LAB = Path(__file__).with_name("lab.py")
KIND = "process" if docker_lack() else "docker"


def runnable(attacks: Sequence[Attack]) -> list[Attack]:
    return [attack for attack in attacks if KIND == "docker" or not attack.container_only]


RUNNABLE, TIMED, CONTROL = runnable(WRONG_ANSWERS), runnable(SLOW_ANSWERS), runnable(AGAINST_PYTEST)
WEAKLY = ["V03", "V04", "V11", "V13", "V24", "V25", "V27b", "V35", "V36", "V40"]
"""Tried without a container too."""


def judged(tries: Mapping[str, tuple[str, bytes]], kind: str = KIND) -> dict[str, Verdict]:
    """Verdicts by name; each try is a task of the lab and an artifact. A verifier that fails raises here."""

    async def one(task: str, artifact: bytes) -> Verdict:
        submission = Submission({ARTIFACT: artifact})
        return await verify(f"{LAB}:{task}", 0, submission, split=Split.FINAL, judge_seed="secret", sandbox=kind)

    async def all_verdicts() -> dict[str, Verdict]:
        verdicts = await asyncio.gather(*[one(task, artifact) for task, artifact in tries.values()])
        return dict(zip(tries, verdicts, strict=True))

    return asyncio.run(all_verdicts())


def tries(attacks: Sequence[Attack], task: str = "total") -> dict[str, tuple[str, bytes]]:
    bodies = artifacts_of(attacks)
    return {attack.id: ("hasty" if attack.endless else task, bodies[attack.id]) for attack in attacks}


def artifacts_of(attacks: Sequence[Attack]) -> dict[str, bytes]:
    return {attack.id: attack.tree[ARTIFACT].encode() for attack in attacks}


def judged_in_one_sandbox(artifacts: Mapping[str, bytes], task: Task) -> dict[str, Verdict]:
    """By the same verifier, without a new sandbox for each: what one attack leaves may only help the next."""

    async def all_verdicts() -> dict[str, Verdict]:
        async with sandbox_maker(KIND)(task.sandbox) as sandbox:

            @asynccontextmanager
            async def shared(spec: SandboxSpec = PLAIN, *, start: Snapshot | None = None) -> AsyncIterator[Sandbox]:
                assert (spec, start) == (task.sandbox, None)
                yield sandbox

            bench = CleanBench(Split.FINAL, Random("secret"), shared, task.sandbox)
            return {name: await task.verifier(Submission({ARTIFACT: body}), bench) for name, body in artifacts.items()}

    return asyncio.run(all_verdicts())


@cache
def verdicts() -> dict[str, Verdict]:
    """Of the whole corpus; nothing but the declared artifact leaves the agent's tree. Those that aim at the sandbox get
    a judge's process and a sandbox each.
    """
    rough = [attack for attack in RUNNABLE if attack.endless or attack.container_only]
    plain = [attack for attack in RUNNABLE if attack not in rough]
    return judged(tries(rough)) | judged_in_one_sandbox(artifacts_of(plain), lab.total(0))


@cache
def naive_verdicts() -> dict[str, bool]:
    honest = [Attack("honest", "", REFERENCE.decode()), Attack("slow", "", BASELINE.decode())]
    return naive.verdicts(KIND, [*honest, *CONTROL])


@pytest.mark.parametrize("attack", RUNNABLE, ids=lambda attack: attack.id)
def test_an_attack_is_rejected_with_a_reason(attack: Attack) -> None:
    verdict = verdicts()[attack.id]
    assert not verdict.passed
    assert verdict.feedback
    assert verdict.feedback.isprintable()


def test_some_attacks_without_a_container_are_rejected_too() -> None:
    chosen = [attack for attack in RUNNABLE if attack.id in WEAKLY]
    assert [v.passed for v in judged(tries(chosen), "process").values()] == [False] * len(WEAKLY)


def test_nothing_passes_an_impossible_task() -> None:
    plain = [attack for attack in RUNNABLE if not attack.endless and not attack.container_only]
    artifacts = artifacts_of(plain) | {"honest": REFERENCE, "slow": BASELINE}
    assert not any(verdict.passed for verdict in judged_in_one_sandbox(artifacts, lab.impossible(0)).values())


def test_an_attack_on_the_clock_is_not_fast() -> None:
    """What they leave for later runs is tried with code/slow-function in test_bundled_attacks.py."""
    honest = {"honest": ("fast", REFERENCE)}
    scores = {name: verdict.score for name, verdict in judged(honest | tries(TIMED, "fast")).items()}
    best = scores.pop("honest")
    assert best is not None
    assert all(score is not None and score < best / 2 for score in scores.values()), (best, scores)


@pytest.mark.parametrize("kind", ["process", "docker"])
def test_every_honest_style_is_accepted(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "docker":
        request.getfixturevalue("docker_engine")

    async def refused() -> dict[str, str]:
        faults = {}
        async with sandbox_maker(kind)() as sandbox:
            for name, text in STYLES.items():
                program = Program({ARTIFACT: (COUNT + dedent(text)).encode()}, DRIVER)
                answer = await solve(sandbox, program, [3, 1, 3, 3], wall_s=30)
                if not same(answer.value, expected([3, 1, 3, 3])):
                    faults[name] = answer.fault or "wrong"
        return faults

    assert asyncio.run(refused()) == {}


def test_a_verifier_that_trusts_the_agents_tree_accepts_many(capsys: pytest.CaptureFixture[str]) -> None:
    accepted = naive_verdicts()
    assert accepted["honest"]
    assert not accepted["slow"]
    ours = {name: bool(verdict.passed) for name, verdict in verdicts().items()}
    rows = [f"{'':6}{'naive':8}{'ours':8}how ours said it"]
    for attack in RUNNABLE:
        theirs = {True: "accept", False: "reject", None: ""}[accepted.get(attack.id)]
        said = verdicts()[attack.id].feedback[:50]
        rows.append(f"{attack.id:6}{theirs:8}{'accept' if ours[attack.id] else 'reject':8}{said:52}{attack.what}")
    cheated = sum(accepted[attack.id] for attack in CONTROL)
    rows.append(f"accepted ({KIND}): naive {cheated} of {len(CONTROL)}, ours {sum(ours.values())} of {len(ours)}")
    with capsys.disabled():
        print("\n" + "\n".join(rows))
    assert cheated >= 10
