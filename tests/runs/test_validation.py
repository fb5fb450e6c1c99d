"""Fits and correlations on machines whose clocks are known, and the file a fitted machine is kept in."""

import tomllib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.pte import HardwareProfile, ModelProfile, gamma
from outlay.agents.costs.tables import user_file
from outlay.agents.errors import CannotFit
from outlay.agents.models.gguf_header import GgufShape
from outlay.runs.validation.design import full, quick
from outlay.runs.validation.explain import correlations
from outlay.runs.validation.measure import fastest
from outlay.runs.validation.profile import Profile, fit_profile, hardware, shares
from outlay.runs.validation.report import report
from outlay.runs.validation.save import NotSaved, check_free, save_hardware
from outlay.runs.validation.types import Conversation, Step

SHAPE = GgufShape("tiny", 1_000_000, 2_000_000, 4, 64, 4, 2, 16, 1000)
PREFILL_S, WEIGHTS_S, KV_S = 1e-3, 4e-3, 2e-6


def on_known_machine(
    design: list[Conversation], *, weights_s: float = WEIGHTS_S, rng: Random | None = None
) -> list[Step]:
    """What the server would say. Each step takes up to twice as long with `rng`."""
    steps = []
    for conversation in design:
        context, kept = 0, 0
        for number, turn in enumerate(conversation.turns):
            context += turn.fresh
            cached = 0 if turn.evicted else kept
            slow = 1 + rng.random() if rng else 1.0
            per_token = weights_s + KV_S * (context + turn.output / 2)
            steps.append(
                Step(
                    conversation.name,
                    number,
                    context,
                    cached,
                    turn.output,
                    slow * PREFILL_S * (context - cached),
                    slow * (turn.output - 1) * per_token,
                )
            )
            context += turn.output
            kept = context - 1
    return steps


def test_a_known_machine_is_recovered() -> None:
    found = fit_profile(on_known_machine(full(0)))
    assert (found.prefill_s, found.weights_s, found.kv_s) == pytest.approx((PREFILL_S, WEIGHTS_S, KV_S))
    assert (found.gamma, found.weights) == pytest.approx((0.002, 4))


@given(st.floats(1e-5, 1), st.floats(1e-9, 1e-3), st.integers(1, 100), st.integers(64, 8192))
def test_the_hardware_row_has_the_fitted_gamma(prefill_s: float, kv_s: float, layers: int, width: int) -> None:
    steps = [Step(str(n), 0, n, 0, 2, prefill_s * n, kv_s * (n + 1)) for n in (100, 1000)]
    profile, model = fit_profile(steps), ModelProfile(1e9, layers, width, 1 / 3)
    assert gamma(model, hardware(profile, model)) == pytest.approx(kv_s / prefill_s)


def test_a_machine_on_which_context_costs_nothing_has_no_row() -> None:
    profile = fit_profile([Step(str(n), 0, n, 0, 2, 0.001 * n, 0.1) for n in (100, 1000)])
    assert profile.gamma == 0
    with pytest.raises(CannotFit, match="no cost of context"):
        hardware(profile, ModelProfile(1e9, 1, 64))


def test_shares_say_what_the_time_goes_into() -> None:
    profile = Profile(prefill_s=1, weights_s=2, kv_s=0.1, kv_low_s=0, kv_high_s=1)
    assert shares(profile, [Step("a", 0, 9, 4, 2, 0, 0)]) == pytest.approx(
        {"prefill": 0.625, "weights": 0.25, "kv": 0.125}
    )


def test_without_two_lengths_there_is_no_profile() -> None:
    with pytest.raises(CannotFit, match="prompts of two lengths"):
        fit_profile([Step("a", 0, 10, 0, 2, 0.1, 0.1)])


def test_the_fastest_round_of_each_part_counts() -> None:
    rounds = [Step("a", 0, 10, 0, 5, 1.0, 9.0), Step("a", 0, 10, 0, 5, 3.0, 2.0), Step("a", 1, 20, 14, 5, 0.5, 0.5)]
    assert fastest(rounds) == [Step("a", 0, 10, 0, 5, 1.0, 2.0), rounds[2]]


def test_fitting_and_judging_share_no_request() -> None:
    for design in (full(3), quick(3)):
        grid = {c.turns for c in design if c.kind == "calibration"}
        assert not grid & {c.turns for c in design if c.kind != "calibration"}
        assert len({c.name for c in design}) == len(design)


def test_designs_repeat_by_seed() -> None:
    assert full(1) == full(1) != full(2)


def test_on_a_machine_that_pte_describes_pte_explains_all_and_tokens_do_not() -> None:
    design = full(0)
    found = report(on_known_machine(design, weights_s=0.0), design, SHAPE, seed=0)
    pte, tokens = found.step["pte"].pearson, found.step["tokens"].pearson
    assert pte is not None
    assert tokens is not None
    assert pte > 0.999 > tokens
    assert found.trajectories == sum(c.kind == "trajectory" for c in design)
    assert found.noise == 1


def test_where_weights_weigh_only_the_model_that_counts_them_explains_all() -> None:
    design = full(0)
    steps = [s for seed in range(2) for s in on_known_machine(design, weights_s=0.05, rng=Random(seed))]
    found = report(steps, design, SHAPE, seed=0)
    r = {name: seen.pearson or 0 for name, seen in found.step.items()}
    assert r["pte_weights"] > max(r["pte"], r["tokens"])
    assert found.noise > 1


def test_correlations_by_hand() -> None:
    found = correlations({"square": [1, 4, 9], "flat": [2, 2, 2]}, [1, 2, 3], ["a", "b", "c"], seed=0)
    assert found["square"].pearson == pytest.approx(0.98974, abs=1e-5)
    assert found["square"].spearman == pytest.approx(1)
    assert (found["flat"].pearson, found["flat"].pearson_ci) == (None, None)


def test_intervals_repeat_by_seed_and_hold_the_estimate() -> None:
    rng = Random(0)
    amounts = [rng.random() for _ in range(60)]
    seconds = [amount + rng.random() for amount in amounts]
    groups = [str(i // 3) for i in range(60)]
    first, second = (correlations({"a": amounts}, seconds, groups, seed=4)["a"] for _ in range(2))
    assert first == second
    assert first.pearson is not None
    assert first.pearson_ci is not None
    assert first.pearson_ci[0] < first.pearson < first.pearson_ci[1]


def test_a_saved_machine_leaves_the_rest_of_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "costs.toml"
    save_hardware("laptop", HardwareProfile(0.02, 0.001), "fitted", path)
    path.write_text(mine := f"# mine\n[models]\nx = {{ n_active = 1 }}\n{path.read_text()}")
    save_hardware("the desk's", HardwareProfile(0.5, 0.1), 'a "quote"', path)
    assert path.read_text().startswith(mine)
    rows = tomllib.loads(path.read_text())["hardware"]
    assert rows["laptop"] == {"tflops": 0.02, "tbps": 0.001, "source": "fitted"}
    assert rows["the desk's"] == {"tflops": 0.5, "tbps": 0.1, "source": 'a "quote"'}


def test_a_name_that_is_taken_and_a_file_that_is_broken_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    for body, reason in (("[hardware]\nh = {}\n", "a row of that name"), ("[hardware", "is no TOML")):
        path.write_text(body)
        with pytest.raises(NotSaved, match=reason):
            check_free("h", path)
    path.write_text("hardware = { a = {} }\n")
    with pytest.raises(NotSaved, match="no further"):
        save_hardware("h", HardwareProfile(1, 1), "", path)
    assert path.read_text() == "hardware = { a = {} }\n"


def test_the_costs_file_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/b")
    monkeypatch.setenv("OUTLAY_COSTS", "/a.toml")
    assert user_file() == Path("/a.toml")
    monkeypatch.delenv("OUTLAY_COSTS")
    assert user_file() == Path("/b/outlay/costs.toml")
