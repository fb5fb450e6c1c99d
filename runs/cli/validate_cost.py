"""`outlay validate-cost`: how well each cost model explains the time that a served model takes."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outlay.runs.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outlay.agents.models.gguf_header import GgufShape
    from outlay.runs.validation.explain import Correlation
    from outlay.runs.validation.report import Report
    from outlay.runs.validation.types import Conversation, Step

PROVIDER = "llamacpp:"


def validate_cost(
    model: Annotated[str, typer.Option("-m", "--model", help="llamacpp:NAME or llamacpp:/path/to/model.gguf")],
    as_json: AsJson = False,
    save: Annotated[
        str | None, typer.Option("--save", help="Keep the fitted hardware under this name in your costs file.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A minute at most: shows that all works.")] = False,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Times each request is made.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of sizes, tokens, order and intervals.")] = 0,
) -> None:
    """Measure a served model and report how well each cost model explains its generation time."""
    from outlay.agents.costs.tables import user_file
    from outlay.runs.cli.output import print_json
    from outlay.runs.validation.design import full
    from outlay.runs.validation.design import quick as few
    from outlay.runs.validation.profile import hardware, model_profile
    from outlay.runs.validation.report import report
    from outlay.runs.validation.save import check_free, save_hardware

    file = _local_file(model)
    if save is not None:
        check_free(save, user_file())
    design = few(seed) if quick else full(seed)
    repeats = rounds or (1 if quick else 2)
    shape, steps = _measured(model, file, design, repeats, seed)
    found = report(steps, design, shape, seed)
    if as_json:
        print_json(_document(model, found, shape, design, repeats))
    else:
        _print(model, found, shape, repeats)
    if save is not None:  # last: a machine that has no row still has its report
        source = f"fitted by outlay validate-cost --model {model}"
        save_hardware(save, hardware(found.profile, model_profile(shape)), source, user_file())


def _local_file(model: str) -> str:
    from outlay.sandbox.errors import UnknownName

    if not model.startswith(PROVIDER):
        # Others tell no generation time apart from the network's.
        raise UnknownName("model with a clock of its own", model, [f"{PROVIDER}smollm2", f"{PROVIDER}/path/to/m.gguf"])
    return model.removeprefix(PROVIDER)


def _measured(
    model: str, file: str, design: "Sequence[Conversation]", rounds: int, seed: int
) -> "tuple[GgufShape, list[Step]]":
    import asyncio
    from random import Random

    from outlay.agents.models.gguf import find_gguf
    from outlay.agents.models.gguf_header import gguf_shape
    from outlay.agents.models.llamacpp import llamacpp_model
    from outlay.runs.validation.measure import measure

    shape = gguf_shape(find_gguf(file))
    total = rounds * sum(len(conversation.turns) for conversation in design)

    async def served() -> "list[Step]":
        server = await llamacpp_model(model, file, 1)
        try:
            with _bar(total) as advance:
                return await measure(
                    server, design, rounds=rounds, vocabulary=shape.vocabulary, rng=Random(seed), on_step=advance
                )
        finally:
            await server.close()

    return shape, asyncio.run(served())


@contextmanager
def _bar(total: int) -> "Iterator[Callable[[Step], None]]":
    """On a terminal; a pipe gets a line for every tenth of the requests."""
    from rich.console import Console
    from rich.progress import Progress

    console, done = Console(stderr=True), 0
    with Progress(console=console, disable=not console.is_terminal) as bar:
        row = bar.add_task("requests", total=total)

        def advance(_step: "Step") -> None:
            nonlocal done
            done += 1
            bar.advance(row)
            if not console.is_terminal and 10 * done // total > 10 * (done - 1) // total:
                print(f"measured {done} of {total} requests", file=console.file)

        yield advance


def _document(
    model: str, found: "Report", shape: "GgufShape", design: "Sequence[Conversation]", rounds: int
) -> dict[str, Any]:
    from dataclasses import asdict

    from outlay.runs.validation.profile import shares

    profile = found.profile
    return {
        "step": {name: _numbers(seen) for name, seen in found.step.items()},
        "trajectory": {name: _numbers(seen) for name, seen in found.trajectory.items()},
        "profile": {**asdict(profile), "gamma": profile.gamma, "weights": profile.weights, **_effective(found, shape)},
        "idealized": asdict(found.runtime),
        "model": {"name": model, **asdict(shape)},
        "costs": {name: cost.summary for name, cost in found.costs.items()},
        "asked": {
            "requests": rounds * sum(len(conversation.turns) for conversation in design),
            "rounds": rounds,
            "steps": len(found.judged),
            "trajectories": found.trajectories,
        },
        "noise": found.noise,
        "shares": shares(profile, found.judged),
        "measured": [{**asdict(step), "seconds": step.seconds} for step in found.judged],
    }


def _numbers(seen: "Correlation") -> dict[str, Any]:
    return {
        "pearson": seen.pearson,
        "spearman": seen.spearman,
        "ci": seen.pearson_ci,
        "spearman_ci": seen.spearman_ci,
    }


def _effective(found: "Report", shape: "GgufShape") -> dict[str, float | None]:
    """Rates of this machine: FLOP/s of prefill, bytes/s of decoding by the KV slope and by the weights."""
    from outlay.agents.errors import CannotFit
    from outlay.runs.validation.profile import hardware, model_profile

    profile = found.profile
    weights = shape.weight_bytes / profile.weights_s if profile.weights_s else None
    rates: dict[str, float | None] = {
        "flop_per_s": 2 * shape.parameters / profile.prefill_s,
        "weight_bytes_per_s": weights,
    }
    try:
        fitted = hardware(profile, model_profile(shape))
    except CannotFit:
        return {**rates, "tflops": None, "tbps": None, "hoi": None}
    return {**rates, "tflops": fitted.tflops, "tbps": fitted.tbps, "hoi": fitted.hoi}


def _print(model: str, found: "Report", shape: "GgufShape", rounds: int) -> None:
    from outlay.runs.cli.output import print_table

    columns = ["cost model", "step r", "95%", "step rho", "trajectory r", "95%", "trajectory rho", "what it counts"]
    rows = [
        [name, *_cells(found.step[name]), *_cells(found.trajectory[name]), found.costs[name].summary]
        for name in found.step
    ]
    print_table(columns, rows, right=columns[1:-1])
    print(
        f"{model}: {len(found.judged)} requests and {found.trajectories} trajectories judged, fastest of {rounds}; "
        f"a slowest round took {found.noise:.2f} times its fastest (median)."
    )
    _print_profile(found, shape)


def _print_profile(found: "Report", shape: "GgufShape") -> None:
    from outlay.runs.cli.output import number
    from outlay.runs.validation.profile import shares

    profile, rates = found.profile, _effective(found, shape)
    print(
        f"prefill {1 / profile.prefill_s:,.0f} tokens/s ({number((rates['flop_per_s'] or 0) / 1e9)} GFLOP/s); "
        f"a decoded token takes {1e3 * profile.weights_s:.3g} ms and {1e6 * profile.kv_s:.3g} us per token of context "
        f"(95%: {1e6 * profile.kv_low_s:.3g} to {1e6 * profile.kv_high_s:.3g})."
    )
    parts = shares(profile, found.judged)
    print(
        f"Of the judged time {parts['prefill']:.0%} is prefill, {parts['weights']:.0%} decoding whatever the context, "
        f"and {parts['kv']:.0%} reading keys and values. PTE counts the first and the last; pte_weights all three."
    )
    print(
        f"gamma {profile.gamma:.3g}, weights {profile.weights:.3g} prefill tokens per decoded token; "
        f"HOI {number(rates['hoi'])} FLOP/byte."
    )


def _cells(seen: "Correlation") -> list[str]:
    interval = f"{seen.pearson_ci[0]:.2f} to {seen.pearson_ci[1]:.2f}" if seen.pearson_ci else "-"
    return [_digits(seen.pearson), interval, _digits(seen.spearman)]


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
