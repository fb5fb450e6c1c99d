"""Idealized runtime against the authors' tables (helm-efficiency), and fits of known runtimes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.idealized import (
    USD_PER_GPU_HOUR,
    IdealizedRuntime,
    Timing,
    cost_usd,
    estimate,
    fit,
    prompt_seconds,
    worst_s,
)
from outlay.agents.errors import CannotFit

# On A100: f(p) in seconds by prompt tokens, g in seconds per token.
DAVINCI = IdealizedRuntime({128: 0.094, 512: 0.178}, 0.081)
GPT_J = IdealizedRuntime({512: 0.042}, 0.021)
TNLG_530B = IdealizedRuntime({512: 0.490}, 0.123)


def test_davinci_takes_5_281_seconds_and_4_807_cents() -> None:
    seconds = estimate(DAVINCI, 512, 64)
    assert seconds == pytest.approx(5.281)
    assert 100 * cost_usd(seconds, gpus=8, usd_per_gpu_hour=USD_PER_GPU_HOUR["A100"]) == pytest.approx(4.807, abs=5e-4)


@pytest.mark.parametrize(("runtime", "seconds"), [(GPT_J, 0.042 + 63 * 0.021), (TNLG_530B, 0.490 + 63 * 0.123)])
def test_other_models_of_the_table(runtime: IdealizedRuntime, seconds: float) -> None:
    assert estimate(runtime, 512, 64) == pytest.approx(seconds)


def test_a_prompt_between_keys_is_scaled_down_from_the_next_and_one_beyond_scaled_up() -> None:
    assert prompt_seconds(DAVINCI, 100) == pytest.approx(0.0734, abs=5e-5)
    assert prompt_seconds(DAVINCI, 1024) == pytest.approx(0.356)


def test_repeated_trials_count_at_their_minimum() -> None:
    noisy = [Timing(64, 1, 1.0), Timing(64, 1, 9.0), Timing(64, 11, 3.0), Timing(64, 11, 30.0)]
    assert fit(noisy) == IdealizedRuntime({64: 1.0}, 0.2)


@pytest.mark.parametrize("timings", [[], [Timing(8, 1, 0.1)], [Timing(8, 1, 0.1), Timing(16, 9, 0.5)]])
def test_what_does_not_determine_a_slope_is_refused(timings: list[Timing]) -> None:
    with pytest.raises(CannotFit, match="with 1 and with more output tokens"):
        fit(timings)


seconds = st.floats(1e-6, 100)
tables = st.dictionaries(st.integers(1, 4096), seconds, min_size=1, max_size=8)


@given(tables, seconds, st.lists(st.integers(2, 500), min_size=1, max_size=5), st.integers(1, 3))
def test_a_runtime_without_noise_is_recovered(
    prompt_s: dict[int, float], token_s: float, outputs: list[int], trials: int
) -> None:
    known = IdealizedRuntime(prompt_s, token_s)
    timings = [Timing(p, o, estimate(known, p, o)) for p in prompt_s for o in (1, *outputs)] * trials
    found = fit(timings)
    assert found.prompt_s == pytest.approx(prompt_s)
    assert found.token_s == pytest.approx(token_s, rel=1e-6, abs=1e-9)


@given(tables, st.floats(-1, 1), st.integers(1, 9000), st.integers(1, 500), st.data())
def test_worst_is_never_less(
    prompt_s: dict[int, float], token_s: float, input_tokens: int, max_tokens: int, data: st.DataObject
) -> None:
    """The slope of a noisy fit may be negative."""
    runtime = IdealizedRuntime(prompt_s, token_s)
    prompt, output = data.draw(st.integers(0, input_tokens)), data.draw(st.integers(1, max_tokens))
    assert worst_s(runtime, input_tokens, max_tokens) >= estimate(runtime, prompt, output)
