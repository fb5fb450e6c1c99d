"""`outlay validate-cost` on the real local model, in its quick form, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from outlay.runs.validation.design import quick
from tests.runs.conftest import Outlay, clean_environment

SEED = 5


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """One quick validation of the local model, for all tests here."""
    command = ["validate-cost", "--model", "llamacpp:smollm2", "--quick", "--json", "--seed", str(SEED)]
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "outlay"), *command],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "measured 16 of 16 requests" in ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def test_quick_measures_what_was_asked_for(found: dict[str, Any]) -> None:
    design = quick(SEED)
    judged = {c.name: c for c in design if c.kind != "calibration"}
    assert found["asked"]["requests"] == sum(len(c.turns) for c in design)
    assert found["asked"]["steps"] == len(found["measured"]) == sum(len(c.turns) for c in judged.values())
    assert found["asked"]["trajectories"] == sum(c.kind == "trajectory" for c in design)
    for step in found["measured"]:
        before = judged[step["conversation"]].turns[: step["turn"]]
        turn = judged[step["conversation"]].turns[step["turn"]]
        carried = sum(earlier.fresh + earlier.output for earlier in before)
        assert step["output"] == turn.output
        assert step["context"] == carried + turn.fresh
        # The last token that was decoded was never an input, so it is not in the cache.
        assert step["cached"] == (0 if turn.evicted else carried - 1)
        assert step["seconds"] == pytest.approx(step["prefill_s"] + step["decode_s"])
        assert step["prefill_s"] > 0 < step["decode_s"]


def test_quick_judges_every_cost_model_per_step_and_per_trajectory(found: dict[str, Any]) -> None:
    assert {"tokens", "price_1_1.5", "price_1_3", "price_1_4", "output_tokens", "pte", "eflops", "idealized"} < set(
        found["costs"]
    )
    for level in ("step", "trajectory"):
        assert set(found[level]) == set(found["costs"])
        for seen in found[level].values():
            assert all(seen[kind] is None or -1.000001 <= seen[kind] <= 1.000001 for kind in ("pearson", "spearman"))
            assert seen["ci"] is None or seen["ci"][0] <= seen["ci"][1]
    assert sum(found["shares"].values()) == pytest.approx(1)
    profile = found["profile"]
    assert profile["gamma"] == pytest.approx(profile["kv_s"] / profile["prefill_s"])
    assert profile["flop_per_s"] == pytest.approx(2 * found["model"]["parameters"] / profile["prefill_s"])


def test_a_model_whose_server_has_no_clock_is_refused(outlay: Outlay) -> None:
    refused = outlay("validate-cost", "-m", "openai:gpt-5")
    assert (refused.returncode, "llamacpp:smollm2" in refused.stderr) == (2, True)


def test_a_name_that_is_taken_is_refused_before_anything_is_measured(outlay: Outlay, world: Path) -> None:
    (world / "costs.toml").write_text("[hardware]\ndesk = { tflops = 1, tbps = 1 }\n")
    refused = outlay(
        "validate-cost", "-m", "llamacpp:smollm2", "--save", "desk", OUTLAY_COSTS=str(world / "costs.toml")
    )
    assert refused.returncode == 2
    assert "has a row of that name" in refused.stderr
    assert "measured" not in refused.stderr
