"""`outlay reprice`: what an experiment would have cost under other prices, hardware or caches."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from outlay.runs.cli.options import AsJson, Results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from outlay.agents.costs.cache import CachePolicy
    from outlay.agents.costs.series import Terms
    from outlay.runs.stats.reprice import Row
    from outlay.runs.types import Rollout


def _date(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", text):
        raise typer.BadParameter(f"expected YYYY-MM or YYYY-MM-DD, not {text!r}")
    return text


def reprice(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment.")],
    rollout: Annotated[str | None, typer.Argument(help="Id of a rollout, or its beginning; all without it.")] = None,
    hardware: Annotated[str | None, typer.Option(help="Profile for PTE; each rollout's own without it.")] = None,
    prices: Annotated[
        str | None, typer.Option(help="Date of the price list, as 2026-06; the newest without it.", callback=_date)
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(help="evict, ttl:SECONDS, perfect or reported; without it evict for PTE, reported for usd."),
    ] = None,
    model_profile: Annotated[
        str | None, typer.Option("--model-profile", help="Shape that all models are taken to have, for PTE.")
    ] = None,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Price what is on record again, without running anything: booked -> re-priced, per setting and per solved task.

    Solved is passed, or a valid score where a task has no yes or no. `pte` is the paper's, which keeps nothing from one
    call to the next; under another cache its name says so. A model without a price is `unpriced`, never free.

    outlay reprice demo --hardware H200 --prices 2026-06 --cache ttl:300
    """
    from dataclasses import asdict

    from outlay.agents.costs.cache import parse_policy
    from outlay.runs.cli.output import print_json
    from outlay.runs.cli.trajectories import trajectories
    from outlay.runs.stats.reprice import reprice as price_again

    policy = None if cache is None else parse_policy(cache)
    terms = _terms(hardware, prices, policy, model_profile)
    rows = price_again(trajectories(experiment, rollout, results), terms)
    if as_json:
        asked = {
            "hardware": hardware,
            "prices": prices,
            "cache": policy and str(policy),
            "model_profile": model_profile,
        }
        print_json([{**asdict(row), "under": asked} for row in rows])
        return
    _print(rows, policy)
    _mend(rows)


def _terms(
    hardware: str | None, prices: str | None, cache: "CachePolicy | None", profile: str | None
) -> "Callable[[Rollout], Terms]":
    from outlay.agents.costs.catalogue import costs_of, tool_usd
    from outlay.agents.costs.series import Terms

    def of(rollout: "Rollout") -> "Terms":
        machine = hardware or rollout.hardware
        return Terms(
            costs=lambda model: costs_of(model, machine, prices, profile),
            tool_usd=lambda tool: tool_usd(tool, prices),
            cache=cache,
        )

    return of


def _print(rows: "Sequence[Row]", cache: "CachePolicy | None") -> None:
    from outlay.agents.costs.cache import shown_name
    from outlay.runs.cli.output import print_table

    usd, pte = shown_name("usd", cache), shown_name("pte", cache)
    columns = ["task", "agent", "n", "solved", usd, f"{usd} per solved", pte, f"{pte} per solved"]
    cells = [
        [
            row.task,
            row.agent if row.model is None else f"{row.agent} {row.model}",
            str(row.n),
            str(row.solved),
            _change(row.booked, row.priced, "usd", "unpriced"),
            _change(row.booked_per_solved, row.priced_per_solved, "usd", "unpriced" if row.solved else "-"),
            _change(row.booked, row.priced, "pte", "no profile"),
            _change(row.booked_per_solved, row.priced_per_solved, "pte", "no profile" if row.solved else "-"),
        ]
        for row in rows
    ]
    print_table(columns, cells, right=columns[2:])


def _change(booked: "Mapping[str, float]", priced: "Mapping[str, float]", meter: str, lack: str) -> str:
    from outlay.runs.cli.output import number

    before = number(booked.get(meter))
    after = number(priced[meter]) if meter in priced else lack
    return before if before == after else f"{before} -> {after}"


def _mend(rows: "Sequence[Row]") -> None:
    """Says how to give a price to what has none."""
    from outlay.agents.costs.catalogue import price_lines

    lacking = {m for row in rows if "usd" not in row.priced for cost in row.rollouts for m in cost.models}
    for model in sorted(lacking):
        typer.echo(f"there is no price for {model!r}. {price_lines(model)}", err=True)
