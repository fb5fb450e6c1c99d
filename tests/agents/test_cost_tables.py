"""Cost tables: which price holds when, whose row wins, and what is said of a file that is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from outlay.agents.costs.catalogue import price_lines
from outlay.agents.costs.lookup import hardware_rows, price_row, profile_name, tool_usd
from outlay.agents.costs.tables import SHIPPED, Tables, read_layers, read_tables, user_file
from outlay.agents.errors import BadCostTable

PRICE = """
[[prices]]
pattern = "{pattern}"
{date}
input = {input}
cache_read = 0
cache_write = 0
output = 0
"""


def tables(folder: Path, text: str) -> Tables:
    (folder / "costs.toml").write_text(text)
    return read_tables(folder / "costs.toml")


def dated(*rows: tuple[str, str, int]) -> str:
    """Prices by pattern, date and input."""
    lines = [(pattern, f'date = "{date}"' if date else "", usd) for pattern, date, usd in rows]
    return "".join(PRICE.format(pattern=pattern, date=date, input=usd) for pattern, date, usd in lines)


@pytest.mark.parametrize(
    ("asked", "input_usd"),
    [
        (None, 3),
        ("2026-07", 3),
        ("2026-06", 2),
        ("2026-06-14", 1),
        ("2026-06-15", 2),
        ("2026-01", 1),
        ("2025-12", None),
    ],
)
def test_the_newest_price_that_is_not_after_the_asked_date_counts(
    tmp_path: Path, asked: str | None, input_usd: int | None
) -> None:
    found = tables(tmp_path, dated(("m*", "2026-01", 1), ("m*", "2026-07", 3), ("m*", "2026-06-15", 2)))
    row = price_row([found], "model", asked)
    assert (row and row.input) == input_usd


def test_the_first_pattern_that_matches_counts_even_if_a_later_one_is_newer(tmp_path: Path) -> None:
    found = tables(tmp_path, dated(("openai:gpt-5*", "2026-01", 1), ("openai:*", "2026-06", 2)))
    rows = price_row([found], "openai:gpt-5-mini"), price_row([found], "openai:gpt-4")
    assert [row.input for row in rows if row] == [1, 2]


def test_the_users_rows_win_over_the_shipped_ones(tmp_path: Path) -> None:
    own = tables(
        tmp_path,
        dated(("anthropic:claude-sonnet*", "2026-01", 1))
        + """
        [hardware]
        H100 = { tflops = 1000, tbps = 2 }
        [[names]]
        pattern = "openai:Qwen3-32B"
        profile = "Qwen3-32B"
        [[tool_prices]]
        tool = "search"
        usd = 0.001
        """,
    )
    layers = (own, read_tables(*SHIPPED))
    sonnet, opus = price_row(layers, "anthropic:claude-sonnet-5"), price_row(layers, "anthropic:claude-opus-5")
    assert sonnet and opus
    assert (sonnet.input, opus.input) == (1, 5)
    assert (hardware_rows(layers)["H100"].tflops, hardware_rows(layers)["A100"].tflops) == (1000, 624)
    assert profile_name(layers, "openai:Qwen3-32B") == "Qwen3-32B"
    assert (tool_usd(layers, "search"), tool_usd(layers, "python")) == (Decimal("0.001"), 0)


def test_prices_are_exact_decimals(tmp_path: Path) -> None:
    row = price_row([tables(tmp_path, dated(("m", "", 0)).replace("cache_read = 0", "cache_read = 0.1"))], "m")
    assert row
    assert row.price.cache_read == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[prizes]", "unknown table 'prizes'; did you mean 'prices'"),
        (
            '[[prices]]\npattern = "m"',
            "[[prices]] number 1: field 'input' is missing; needed: pattern, input, cache_read",
        ),
        (
            dated(("m", "", -1)),
            "[[prices]] number 1: field 'input': Input should be greater than or equal to 0, not -1",
        ),
        (dated(("m", "June", 1)), "[[prices]] number 1: field 'date': String should match pattern"),
        ("[hardware]\nB = { tflop = 1, tbps = 2 }", "[hardware] B: unknown field 'tflop'; did you mean 'tflops'"),
        ("[models]\nM = { n_active = 1, layers = 1, width = 1, kv = 0.5 }", "[models] M: field 'kv'"),
        ("hardware = 3", "field 'hardware': Input should be a valid dictionary, not 3"),
        ("[hardware", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_file_table_field_and_what_is_allowed(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(BadCostTable) as refused:
        tables(tmp_path, text)
    assert f"{tmp_path / 'costs.toml'}: " in str(refused.value)
    assert complaint in str(refused.value)


def test_the_users_file_is_found_by_variable_then_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("OUTLAY_COSTS", raising=False)
    assert user_file() == tmp_path / ".config/outlay/costs.toml"
    assert len(read_layers()) == 1
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert user_file() == tmp_path / "settings/outlay/costs.toml"
    monkeypatch.setenv("OUTLAY_COSTS", str(tmp_path / "nowhere.toml"))
    with pytest.raises(BadCostTable, match=r"nowhere.toml: cannot be read"):
        read_layers()


def test_a_name_for_a_profile_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('[[names]]\npattern = "openai:mine"\nprofile = "Qwen3-23B"')
    monkeypatch.setenv("OUTLAY_COSTS", str(tmp_path / "mine.toml"))
    with pytest.raises(
        BadCostTable, match="field 'profile': unknown model profile 'Qwen3-23B'; did you mean Qwen3-32B"
    ):
        read_layers()


def test_the_lines_that_a_missing_price_asks_for_work_once_they_are_filled_in(tmp_path: Path) -> None:
    lines = price_lines("openai:new").split("\n", 1)[1]
    with pytest.raises(BadCostTable):
        tables(tmp_path, lines)
    filled = lines.replace("YYYY-MM", "2026-06").replace('"?"', '"my bill"').replace("?", "2.5")
    row = price_row([tables(tmp_path, filled)], "openai:new")
    assert row
    assert (row.output, row.date) == (Decimal("2.5"), "2026-06")
