"""Experiment files: errors name file, line, field, what was wrong and what is allowed."""

from pathlib import Path

import pytest

from outlay.runs.errors import SpecError
from outlay.runs.spec import parse_budget, read_spec

GOOD = """
tasks = ["answer/arithmetic"]
agents = ["reference"]
repeats = 2

[budget]
tokens = 5
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_an_experiment_without_a_name_is_named_after_its_file(tmp_path: Path) -> None:
    spec = read_spec(written(tmp_path, GOOD))
    assert (spec.name, spec.repeats, spec.budget) == ("mine", 2, {"tokens": 5})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("repeats = 2", "repeat = 2"), "mine.toml:4: unknown field 'repeat'; did you mean 'repeats'?"),
        (
            GOOD.replace("repeats = 2", "repeats = 0"),
            "mine.toml:4: field 'repeats': Input should be greater than 0, not 0",
        ),
        (GOOD.replace("tokens = 5", 'tokens = "many"'), "mine.toml:7: field 'budget.tokens'"),
        (GOOD.replace("agents", "# agents"), "field 'agents' is missing"),
        ("tasks = [", "mine.toml: not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        read_spec(written(tmp_path, text))
    assert message in str(error.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        read_spec(tmp_path / "nowhere.toml")


def test_budgets_are_written_as_meter_and_number() -> None:
    assert parse_budget("tokens=20000, usd=0.5") == {"tokens": 20000, "usd": 0.5}
    with pytest.raises(SpecError, match="METER=NUMBER"):
        parse_budget("tokens")
