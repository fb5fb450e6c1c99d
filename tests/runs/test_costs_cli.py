"""Costs as users meet them: re-pricing, the waterfall, the patterns, the tables, and prices of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs.conftest import TASK, Outlay, answering, calling, outlay_in, script

WORD = ("-t", "word.py:task")
OWN = """
[[prices]]
pattern = "scripted:*"
date = "2026-01"
source = "my contract"
input = 2
cache_read = 0.2
cache_write = 2
output = 8

[[prices]]
pattern = "scripted:*"
date = "2026-06"
input = 4
cache_read = 0.4
cache_write = 4
output = 16

[[tool_prices]]
tool = "bash"
usd = 0.001
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Outlay:
    """The command in a folder where the experiment e has run, for tests that only read."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "word.py").write_text(TASK)
    (folder / "costs.toml").write_text(OWN)
    ran(outlay_in(folder), folder, "-n", "2")
    return outlay_in(folder)


@pytest.fixture
def own(world: Path) -> dict[str, str]:
    """An environment with prices of the user's own."""
    (world / "costs.toml").write_text(OWN)
    return {"OUTLAY_COSTS": "costs.toml"}


def ran(outlay: Outlay, world: Path, *more: str, **environment: str) -> None:
    """Two rollouts of three turns, with bash called twice, under the name e."""
    model = script(world, *[calling("bash", {"command": "echo seen"})] * 2, *answering("right"))
    done = outlay("run", *WORD, "-a", "loop", "-m", model, "--sandbox", "process", "--name", "e", *more, **environment)
    assert done.returncode == 0, done.stderr


def rows(outlay: Outlay, *arguments: str, **environment: str) -> Any:
    printed = outlay(*arguments, "--json", **environment)
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout)


def test_what_was_booked_is_found_again_from_events(outlay: Outlay, world: Path, own: dict[str, str]) -> None:
    (world / "costs.toml").write_text(OWN.split("[[tool_prices]]")[0])
    ran(outlay, world, "-n", "2", **own)
    (row,) = rows(outlay, "reprice", "e", **own)
    spent = [outcome["spent"] for outcome in rows(outlay, "ls", "e", "--rollouts")]
    for meter in ("usd", "pte", "tokens"):
        assert row["booked"][meter] == row["priced"][meter] == pytest.approx(sum(s[meter] for s in spent), abs=1e-12)
        assert row["booked"][meter] > 0
    for cost in row["rollouts"]:
        assert {m: cost["booked"][m] == cost["priced"][m] for m in ("usd", "pte", "tokens")} == dict.fromkeys(
            ("usd", "pte", "tokens"), True
        )


def test_other_hardware_prices_and_caches_change_what_they_should(shared: Outlay) -> None:
    own = {"OUTLAY_COSTS": "costs.toml"}
    (booked,) = rows(shared, "reprice", "e")
    (moved,) = rows(shared, "reprice", "e", "--hardware", "h200")
    kv = [row["rollouts"][0]["parts"]["pte"]["decode_kv"] for row in (booked, moved)]
    assert kv[1] / kv[0] == pytest.approx(348.125 / 756.5, rel=1e-3)
    (kept,) = rows(shared, "reprice", "e", "--cache", "perfect")
    assert kept["rollouts"][0]["parts"]["pte"]["again"] == 0
    assert kept["priced"]["pte"] < booked["priced"]["pte"]
    first, second = (rows(shared, "reprice", "e", "--prices", date, **own)[0] for date in ("2026-01", "2026-06"))
    tools = 2 * 2 * 0.001
    assert second["priced"]["usd"] - tools == pytest.approx(2 * (first["priced"]["usd"] - tools))


def test_the_table_shows_booked_and_repriced_per_solved_task_under_the_name_of_the_cache(
    shared: Outlay,
) -> None:
    shown = shared("reprice", "e", "--hardware", "H200", "--prices", "2026-06", "--cache", "ttl:300").stdout
    assert "pte[ttl:300] per solved" in shown
    assert " -> " in shown
    assert "pte[" not in shared("reprice", "e").stdout


def test_a_model_without_a_price_is_unpriced_and_the_mend_is_shown(outlay: Outlay, world: Path) -> None:
    ran(outlay, world)
    log = next(world.glob("results/e/rollouts/*/1.jsonl"))
    log.write_text(log.read_text().replace('"scripted:script.json"', '"openai:new"'))
    shown = outlay("reprice", "e")
    assert "0 -> unpriced" in shown.stdout
    assert "there is no price for 'openai:new'" in shown.stderr
    assert '[[prices]]\npattern = "openai:new"' in shown.stderr
    (row,) = rows(outlay, "reprice", "e")
    assert "usd" not in row["priced"]
    with_profile = rows(outlay, "reprice", "e", "--model-profile", "qwen3-32b")[0]
    assert with_profile["priced"]["pte"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["e", "--hardware", "H20"], "unknown hardware 'H20'; did you mean H200"),
        (["e", "--cache", "tll:3"], "expected evict, ttl:SECONDS"),
        (["e", "--prices", "June"], "expected YYYY-MM"),
        (["e", "--model-profile", "Qwen3-32"], "unknown model profile 'Qwen3-32'; did you mean Qwen3-32B"),
        (["e", "ffffffffffffffff0"], "no rollout of 'e' begins with"),
        (["nothing"], "no experiment 'nothing'"),
    ],
)
def test_bad_usage_of_reprice_exits_2(shared: Outlay, arguments: list[str], message: str) -> None:
    refused = shared("reprice", *arguments)
    assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr


def test_show_costs_is_a_waterfall_and_every_number_as_json(shared: Outlay) -> None:
    outcome = rows(shared, "ls", "e", "--rollouts")[0]
    shown = shared("show", "e", outcome["id"], "--costs").stdout
    for part in ("context", "cached", "PTE bar", "▒", "bash", "all"):
        assert part in shown
    found = rows(shared, "show", "e", outcome["id"], "--costs")
    assert [turn["tools"] for turn in found["turns"]] == [{"bash": 1}, {"bash": 1}, {"submit": 1}]
    assert found["turns"][1]["carried"] == sum(found["turns"][0]["usage"][kind] for kind in ("input", "output"))
    assert sum(found["totals"]["pte"].values()) == pytest.approx(outcome["spent"]["pte"])
    assert found["turns"][0]["booked"]["tool_calls"] == 1


def test_usage_that_contradicts_itself_is_marked(outlay: Outlay, world: Path) -> None:
    ran(outlay, world)
    log = next(world.glob("results/e/rollouts/*/1.jsonl"))
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    next(line for line in lines if line["type"] == "reply")["raw"] = {"usage": usage}
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = outlay("show", "e", log.parent.name, "--costs").stdout
    assert "!1" in shown
    assert "contradicts itself" in shown


def test_patterns_are_four_rows_per_setting(shared: Outlay) -> None:
    assert [row["pattern"] for row in rows(shared, "patterns", "e")] == [
        "confirmatory tool use",
        "tool mixing",
        "tool format collapse",
        "lack of tool priors",
    ]
    assert "tool mixing" in shared("patterns", "e").stdout


def test_tables_of_prices_profiles_and_hardware_are_listed_the_users_own_first(
    outlay: Outlay, own: dict[str, str]
) -> None:
    found = rows(outlay, "models", "--prices", **own)
    assert found[0]["source"] == "my contract"
    assert {row["date"] for row in found} == {"2026-01", "2026-06", "always"}
    assert found[-1]["usd_per_unit"] == 0.001
    (h200,) = [row for row in rows(outlay, "models", "--hardware") if row["hardware"] == "H200"]
    assert (round(h200["hoi"], 1), h200["peak"]) == (348.1, "2:4 sparse")
    profiles = rows(outlay, "models", "--profiles")
    assert len(profiles) == 13
    both = outlay("models", "--profiles", "--hardware", **own)
    assert "gamma_h100" in both.stdout
    assert "costs.toml" in both.stderr


def test_a_file_of_ones_own_that_is_wrong_exits_2(outlay: Outlay, world: Path) -> None:
    (world / "costs.toml").write_text("[[prices]]\npattern = 3\n")
    refused = outlay("models", "--prices", OUTLAY_COSTS="costs.toml")
    assert refused.returncode == 2
    assert "costs.toml: [[prices]] number 1: field 'pattern'" in refused.stderr


def test_a_budget_on_usd_without_a_price_shows_what_to_write(outlay: Outlay) -> None:
    refused = outlay("run", *WORD, "-a", "loop", "-m", "openai:new", "-b", "usd=1")
    assert refused.returncode == 2
    assert '[[prices]]\npattern = "openai:new"' in refused.stderr
