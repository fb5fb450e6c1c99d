"""The bash, evaluate and submit tools, as a model sees them."""

from outlay.tools.registry import BUILTIN
from outlay.tools.schema import parse
from outlay.tools.types import ToolResult
from tests.tools.calls import call_all


def test_bash_shows_both_streams_and_a_failing_exit_code() -> None:
    [result] = call_all(("bash", {"command": "echo out; echo err >&2; exit 3"}))
    assert result.text == "out\n[stderr]\nerr\n\n[exit code 3]"
    assert result.is_error
    assert result.data["exit_code"] == 3
    assert set(result.data) == {"exit_code", "wall_s", "dropped_bytes"}


def test_files_stay_between_calls_of_bash() -> None:
    *_, result = call_all(("bash", {"command": "echo hi > a.txt"}), ("bash", {"command": "cat a.txt"}))
    assert result.text == "hi\n"


def test_a_silent_command_says_that_it_was_silent() -> None:
    [result] = call_all(("bash", {"command": "true"}))
    assert "no output" in result.text
    assert not result.is_error


def test_a_command_over_its_deadline_is_killed_and_says_so() -> None:
    [result] = call_all(("bash", {"command": "echo started; while :; do :; done", "timeout_s": 0.5}))
    assert "started" in result.text
    assert "killed by its deadline" in result.text
    assert result.data["exit_code"] is None


def test_long_output_is_cut_in_the_middle_and_kept_whole_in_numbered_files() -> None:
    long = ("bash", {"command": "seq 5000"})
    first, second, kept = call_all(long, long, ("bash", {"command": "tail -n 1 .outlay/output-1.txt; ls .outlay"}))
    assert first.text.startswith("1\n2\n")
    assert "the full text is in .outlay/output-1.txt" in first.text
    assert first.text.endswith("5000\n")
    assert len(first.text) < 8_200
    assert ".outlay/output-2.txt" in second.text
    assert kept.text == "5000\noutput-1.txt\noutput-2.txt\n"


def test_evaluate_passes_the_score_on_and_draws_one_evaluation() -> None:
    async def score() -> ToolResult:
        return ToolResult("score 7")

    [result] = call_all(("evaluate", {}), evaluate=score)
    assert result.text == "score 7"
    evaluate = BUILTIN["evaluate"]
    assert evaluate.units(parse(evaluate, "")) == {"evaluations": 1}


def test_evaluate_without_feedback_is_an_error_that_names_submit() -> None:
    [result] = call_all(("evaluate", {}))
    assert result.is_error
    assert "submit" in result.text


def test_submit_ends_the_rollout_and_writes_the_answer() -> None:
    result, answer = call_all(("submit", {"answer": "42"}), ("bash", {"command": "cat answer.txt"}))
    assert result.submits
    assert answer.text == "42"


def test_submit_without_an_answer_leaves_the_workspace_alone() -> None:
    _, listing = call_all(("submit", {}), ("edit", {"command": "view", "path": "answer.txt"}))
    assert listing.is_error
