"""The command as its users meet it: what it prints, what it refuses, how it exits."""

import json
from pathlib import Path

import pytest

from tests.runs.conftest import Outlay, answering, calling, script

WORD = ("-t", "word.py:task")


def run_of(outlay: Outlay, results: str, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """Exit code, and the rollouts of `outlay run --name RESULTS`."""
    ran = outlay("run", *WORD, "--sandbox", "process", "--name", results, *arguments)
    listed = outlay("ls", results, "--rollouts", "--json")
    return ran.returncode, json.loads(listed.stdout)


def test_reference_and_baseline_are_scored(outlay: Outlay) -> None:
    code, rollouts = run_of(outlay, "e", "-a", "reference", "-a", "baseline")
    assert code == 0
    assert {r["rollout"]["agent"]: r["normalised"] for r in rollouts} == {"reference": 1.0, "baseline": 0.0}  # type: ignore[index]


def test_running_again_runs_only_what_is_missing(outlay: Outlay) -> None:
    run_of(outlay, "e", "-a", "reference", "-n", "2")
    again = outlay("run", *WORD, "--sandbox", "process", "--name", "e", "-a", "reference", "-n", "3")
    assert "3 rollouts, 2 already stand" in again.stderr
    assert "[1/1]" in again.stderr


def test_a_call_that_does_not_fit_is_not_made_and_the_best_evaluated_work_is_judged(
    outlay: Outlay, world: Path
) -> None:
    model = script(
        world,
        calling("bash", {"command": "printf right > answer.txt"}),
        calling("evaluate"),
        calling("bash", {"command": "printf no > answer.txt"}),
        calling("evaluate"),
    )
    code, (rollout,) = run_of(outlay, "e", "-a", "loop", "-m", model, "-b", "evaluations=1,tokens=100000")
    assert (code, rollout["status"], rollout["passed"]) == (0, "budget_exhausted", True)
    assert rollout["spent"]["evaluations"] == 1  # type: ignore[index]


@pytest.mark.parametrize("budget", ["model_calls=2", "tool_calls=2", "tokens=2000", "pte=3000", "evaluations=1"])
def test_no_budget_is_ever_passed(outlay: Outlay, world: Path, budget: str) -> None:
    model = script(world, *[calling("bash", {"command": "true"}), calling("evaluate")] * 100)
    code, (rollout,) = run_of(outlay, "e", "-a", "loop", "-m", model, "-b", budget)
    meter, limit = budget.split("=")
    assert code == 0
    assert rollout["status"] == "budget_exhausted"
    assert rollout["spent"].get(meter, 0) <= float(limit)  # type: ignore[attr-defined]


def test_a_reply_whose_usage_makes_no_sense_is_paid_at_its_worst_case(outlay: Outlay, world: Path) -> None:
    model = script(world, {"text": "right", "usage": {"input": -5}})
    _, (rollout,) = run_of(outlay, "e", "-a", "loop", "-m", model, "-b", "tokens=100000")
    events = json.loads(outlay("show", "e", str(rollout["id"]), "--json").stdout)
    (request,), (reply,) = ([e for e in events if e["type"] == kind] for kind in ("request", "reply"))
    assert (reply["outcome"], reply["cost"]) == ("unknown", request["held"])
    assert rollout["spent"]["tokens"] == request["held"]["tokens"] > request["max_tokens"]  # type: ignore[index]


def test_wall_seconds_end_a_rollout_and_its_commands(outlay: Outlay, world: Path) -> None:
    model = script(world, calling("bash", {"command": "printf right > answer.txt; sleep 60"}))
    code, (rollout,) = run_of(outlay, "e", "-a", "loop", "-m", model, "-b", "wall_s=1")
    assert (code, rollout["status"], rollout["passed"]) == (0, "budget_exhausted", True)


def test_malformed_calls_come_back_as_errors_and_count(outlay: Outlay, world: Path) -> None:
    replies = [calling("bash", "{not json"), calling("nosuch"), calling("bash", {"cmd": "ls"}), *answering("right")]
    code, (rollout,) = run_of(outlay, "e", "-a", "loop", "-m", script(world, *replies))
    assert (code, rollout["passed"], rollout["spent"]["tool_calls"]) == (0, True, 4)  # type: ignore[index]
    events = json.loads(outlay("show", "e", str(rollout["id"]), "--json").stdout)
    assert [e["is_error"] for e in events if e["type"] == "tool_result"] == [True, True, True, False]


def test_a_crashing_or_hanging_verifier_errs_its_own_rollout_only(outlay: Outlay, world: Path) -> None:
    models = [script(world, *answering(word), name=f"{word}.json") for word in ("crash", "hang", "right")]
    code, rollouts = run_of(outlay, "e", "-a", "loop", *(part for m in models for part in ("-m", m)))
    statuses = {str(r["rollout"]["model"]).split(":")[1]: r["status"] for r in rollouts}  # type: ignore[index]
    assert statuses == {"crash.json": "verifier_error", "hang.json": "verifier_error", "right.json": "completed"}
    assert code == 1


def test_a_policy_that_raises_errs_its_own_rollout_only(outlay: Outlay, world: Path) -> None:
    (world / "mine.py").write_text("async def broken(session):\n    raise ValueError('no idea')\n")
    code, rollouts = run_of(outlay, "e", "-a", "mine.py:broken", "-a", "reference", "-m", script(world))
    assert sorted(str(r["status"]) for r in rollouts) == ["agent_error", "completed"]
    assert code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-t", "answer/arithmetik", "-a", "mutate"],
            "unknown task 'answer/arithmetik'; did you mean answer/arithmetic",
        ),
        (["-t", "word.py:task", "-a", "lop"], "unknown agent 'lop'; did you mean loop"),
        (["-t", "word.py:task", "-a", "loop", "-m", "opnai:x"], "did you mean openai"),
        (["-t", "word.py:task", "-a", "reference", "-b", "token=1"], "unknown meter 'token'; did you mean tokens"),
        (["-t", "word.py:task", "-a", "reference", "--sandbox", "doker"], "doker"),
        (["-t", "word.py:task", "-a", "loop"], "no model is named"),
        (["-t", "nowhere.py:task", "-a", "mutate"], "nowhere.py"),
        (["-t", "word.py:task", "-a", "loop", "-m", "openai:unknown-model", "-b", "usd=1"], "no price"),
        (["nowhere.toml"], "No such file"),
        ([], "nothing to run"),
    ],
)
def test_bad_usage_exits_2_and_says_what_was_meant(outlay: Outlay, arguments: list[str], message: str) -> None:
    refused = outlay("run", *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_missing_key_exits_3_and_names_the_variable(outlay: Outlay) -> None:
    for model, variable in (("openai:gpt-5", "OPENAI_API_KEY"), ("anthropic:claude-x", "ANTHROPIC_API_KEY")):
        refused = outlay("run", *WORD, "-a", "loop", "-m", model, "--sandbox", "process")
        assert refused.returncode == 3
        assert variable in refused.stderr


@pytest.mark.parametrize(
    "reading", [["ls"], ["tasks"], ["agents"], ["models"], ["doctor"], ["ls", "e"], ["ls", "e", "--rollouts"]]
)
def test_every_reading_command_speaks_json(outlay: Outlay, reading: list[str]) -> None:
    run_of(outlay, "e", "-a", "reference")
    found = json.loads(outlay(*reading, "--json").stdout)
    assert found
    assert all(isinstance(row, dict) for row in found)


def test_show_prints_turns_costs_and_the_verdict(outlay: Outlay, world: Path) -> None:
    model = script(world, calling("bash", {"command": "printf 'a\\033[2Jb'"}), *answering("right"))
    _, (rollout,) = run_of(outlay, "e", "-a", "loop", "-m", model)
    shown = outlay("show", "e", str(rollout["id"])).stdout
    for part in ("turn 1: model (tool)", "usd=0", "verdict on what was submitted", "normalised=1", "ended: completed"):
        assert part in shown
    assert "\x1b" not in shown
    assert r"a\x1b[2Jb" in shown


def test_an_experiment_that_is_not_there_is_named(outlay: Outlay) -> None:
    refused = outlay("ls", "nothing")
    assert (refused.returncode, "no experiment 'nothing'" in refused.stderr) == (2, True)
