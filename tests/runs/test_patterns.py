"""The four inefficiency patterns, each on a trajectory that has it and on one that nearly has."""

from collections.abc import Mapping
from typing import Any

import pytest

from outlay.agents.errors import OutlayError
from outlay.runs.stats.patterns import PATTERNS, Row, patterns, ratio_interval, tool_uses
from outlay.runs.stats.settings import Trajectory
from outlay.runs.types import Outcome, Rollout, Status
from outlay.tools.registry import load_tool
from outlay.tools.schema import parse
from tests.agents.trajectory import Log


def found(log: Log) -> set[str]:
    """The patterns of a trajectory."""
    uses = list(tool_uses(log.events))
    return {name for name, detect in PATTERNS.items() if detect(uses)}


def refusal(tool: str, arguments: str) -> str:
    """What a model is told whose arguments do not fit."""
    try:
        parse(load_tool(tool), arguments)
    except OutlayError as error:
        return str(error)
    raise AssertionError(f"{arguments} fits")


@pytest.mark.parametrize(
    ("said", "output"),
    [
        ("3 * 14 = 42, so the answer is 42. Let me verify.", "42\n"),
        (r"Therefore \boxed{1,234}.", "x = 1234.0\n"),
        ("The total number of apples is **7**", "[7, 8]"),
    ],
)
def test_python_that_confirms_a_stated_answer(said: str, output: str) -> None:
    log = Log()
    log.say("a", said)
    log.tool(1, "python", output)
    assert found(log) == {"confirmatory tool use"}


@pytest.mark.parametrize(
    ("said", "tool", "output"),
    [
        ("Let me compute 3 * 14.", "python", "42\n"),
        ("The answer is 41.", "python", "42\n"),
        ("The answer is 42.", "bash", "42\n"),
        ("The answer is 4.", "python", "42\n"),
    ],
)
def test_python_that_finds_an_answer_out_is_not_confirmatory(said: str, tool: str, output: str) -> None:
    log = Log()
    log.say("a", said)
    log.tool(1, tool, output)
    assert found(log) == set()


def test_an_answer_given_after_the_call_is_not_confirmed_by_it() -> None:
    log = Log()
    log.tool(1, "python", "42\n")
    log.say("a", "The answer is 42.")
    assert found(log) == set()


@pytest.mark.parametrize(
    "raw",
    [
        {"choices": [{"message": {"content": "", "reasoning_content": "So the result is 42."}}]},
        {"content": [{"type": "thinking", "thinking": "So the result is 42."}]},
    ],
)
def test_reasoning_that_stands_aside_is_read_too(raw: Mapping[str, Any]) -> None:
    log = Log()
    log.answer(1, log.ask(0, "user"), log.say("a"), raw=raw)
    log.tool(2, "python", "42\n")
    assert found(log) == {"confirmatory tool use"}


def test_two_tools_are_mixing_but_handing_in_is_no_tool() -> None:
    alone, mixed = Log(), Log()
    for log in (alone, mixed):
        log.tool(1, "python", "1\n")
        log.tool(2, "evaluate", "score 1")
        log.tool(3, "submit", "Submitted.")
    mixed.tool(4, "bash", "1\n")
    assert (found(alone), found(mixed)) == (set(), {"tool mixing"})


@pytest.mark.parametrize("arguments", ['{"code": ', '{"cod": "1"}', "[1]"])
def test_calls_that_do_not_fit_are_a_collapse_of_format_and_not_of_priors(arguments: str) -> None:
    log = Log()
    log.tool(1, "python", refusal("python", arguments), arguments=arguments, is_error=True)
    assert found(log) == {"tool format collapse"}


def test_errors_and_silence_show_a_lack_of_tool_priors() -> None:
    error, silence, quiet_shell = Log(), Log(), Log()
    error.tool(1, "python", "[stderr]\nSyntaxError: invalid syntax\n[exit code 1]", is_error=True)
    silence.tool(1, "python", "\n[no output]")
    quiet_shell.tool(1, "bash", "\n[no output]")
    assert [found(log) for log in (error, silence, quiet_shell)] == [
        {"lack of tool priors"},
        {"lack of tool priors"},
        set(),
    ]


def rollout(repeat: int, pte: float | None, *tools: str) -> Trajectory:
    """One that called these tools."""
    log = Log()
    log.answer(1, log.ask(0, "user"), log.say("a"), input=10, output=1)
    for tool in tools:
        log.tool(2, tool, "seen")
    planned = Rollout(
        task="t",
        task_version="1",
        agent="a",
        model="m",
        budget={},
        seed=repeat,
        repeat=repeat,
        sandbox="auto",
        hardware="H100",
    )
    spent = {} if pte is None else {"pte": pte}
    return Trajectory(Outcome(rollout=planned, attempt=1, status=Status.COMPLETED, spent=spent), log.events)


def mixing(*trajectories: Trajectory) -> Row:
    return next(row for row in patterns(trajectories) if row.pattern == "tool mixing")


def test_the_multiplier_is_mean_pte_with_the_pattern_over_mean_pte_without() -> None:
    both = ("python", "bash")
    row = mixing(rollout(0, 300, *both), rollout(1, 500, *both), rollout(2, 100, "bash"), rollout(3, 300, "bash"))
    assert (row.n, row.share, row.multiplier) == (4, 0.5, 2.0)
    assert row.low is not None and row.high is not None
    assert 1 <= row.low <= 2 <= row.high <= 5
    assert len(row.rollouts) == 2


def test_one_side_alone_has_a_share_and_no_multiplier() -> None:
    row = mixing(rollout(0, 300, "bash"), rollout(1, 500, "bash"))
    assert (row.share, row.pte_with, row.multiplier, row.low) == (0.0, None, None, None)


def test_without_a_profile_there_is_a_share_and_no_pte() -> None:
    row = mixing(rollout(0, None, "bash"), rollout(1, None, "bash", "python"))
    assert (row.share, row.pte_with, row.pte_without, row.multiplier) == (0.5, None, None, None)


def test_intervals_repeat_with_their_seed() -> None:
    assert ratio_interval([2, 4, 6], [1, 2, 3], seed=1) == ratio_interval([2, 4, 6], [1, 2, 3], seed=1)
    assert ratio_interval([2, 2], [1, 1], seed=1) == (2.0, 2.0)
    assert ratio_interval([2, 2], [1], seed=1) == (None, None)
