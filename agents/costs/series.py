"""What each turn cost, and of which parts, by cost model. Amounts are integers in the smallest unit of their meter.

| meter | part | what it is |
|---|---|---|
| pte | fresh | prefill of tokens that were in no call before |
| | again | prefill of tokens that the continued call held, and the cache did not keep |
| | decode_weights | reading the weights to decode: 0, the paper takes it as shared by a large batch |
| | decode_kv | reading the context's keys and values, once per decoded token |
| | tools | 0: PTE prices a model's work only |
| usd | input | context neither read from nor written to a cache |
| | cache_read, cache_write | the rest of it |
| | output | what was decoded, reasoning included |
| | tools | units times their price |
| tokens | fresh, again | context, as above, whether a cache had it or not |
| | output | as above |
| wall_s | model | waiting for replies |
| | tools | waiting for tools; the policy's own time is in neither |
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from itertools import accumulate, pairwise
from math import ceil

from outlay.agents.costs.cache import EVICT, REPORTED, CachePolicy
from outlay.agents.costs.catalogue import CallCosts
from outlay.agents.costs.price import Price, usd_parts
from outlay.agents.costs.pte import pte
from outlay.agents.costs.turns import Turn
from outlay.agents.meters import SCALE
from outlay.agents.types import Usage

Parts = Mapping[str, int]


@dataclass(frozen=True)
class Terms:
    """What turns are priced by."""

    costs: Callable[[str], CallCosts]
    """Of a model, by name."""
    tool_usd: Callable[[str], Decimal] = lambda _: Decimal(0)
    """USD per unit of a tool, by name."""
    cache: CachePolicy | None = None
    """None prices as rollouts book: the paper's PTE, and the provider's own account of its cache for usd."""


@dataclass(frozen=True)
class TurnCost:
    """One turn's amounts."""

    turn: Turn
    parts: Mapping[str, Parts]
    """By meter; a meter that cannot be measured is absent."""

    def amount(self, meter: str) -> int | None:
        return sum(self.parts[meter].values()) if meter in self.parts else None


def series(turns: Iterable[Turn], terms: Terms) -> list[TurnCost]:
    """One entry per turn, in order."""
    return [TurnCost(turn, _parts(turn, terms)) for turn in turns]


def totals(costs: Sequence[TurnCost]) -> dict[str, dict[str, int]]:
    """By meter and part. A meter that is missing from one turn is left out: part of a sum is not a sum."""
    meters = [meter for meter in SCALE if costs and all(meter in cost.parts for cost in costs)]
    found: dict[str, dict[str, int]] = {meter: {} for meter in meters}
    for meter, sums in found.items():
        for cost in costs:
            for part, amount in cost.parts[meter].items():
                sums[part] = sums.get(part, 0) + amount
    return found


def own_units(parts: Mapping[str, Parts]) -> dict[str, dict[str, float]]:
    """By meter and part, each in its meter's own unit, for people and scripts."""
    return {
        meter: {part: amount / SCALE[meter] for part, amount in amounts.items()} for meter, amounts in parts.items()
    }


def _parts(turn: Turn, terms: Terms) -> dict[str, Parts]:
    tools = sum((units * terms.tool_usd(tool) for tool, units in turn.tools.items()), Decimal(0))
    found: dict[str, Parts] = {
        "tokens": {"fresh": turn.new, "again": turn.carried, "output": turn.usage.output},
        "wall_s": {name: round(s * SCALE["wall_s"]) for name, s in (("model", turn.seconds), ("tools", turn.tools_s))},
    }
    costs = _FREE if turn.model is None else terms.costs(turn.model)
    if costs.price is not None:
        found["usd"] = {**_usd(turn, costs.price, terms.cache or REPORTED), "tools": _nano(tools)}
    if costs.gamma is not None:
        found["pte"] = _pte(turn, costs.gamma, terms.cache or EVICT)
    return found


def _pte(turn: Turn, gamma: float, cache: CachePolicy) -> dict[str, int]:
    """PTE = D_prefill + gamma * L_seq * D_decode (arXiv 2604.05404, Sec. 3.2), with D_prefill = L_seq - cached.

    The paper has cached = 0; other policies leave the decode term as it is: a cached key is still read.
    """
    context, scale, rounded = turn.usage.context, SCALE["pte"], ceil if turn.at_worst else round
    cached = cache.cached(turn)
    return {
        "fresh": scale * (context - max(turn.carried, cached)),
        "again": scale * max(turn.carried - cached, 0),
        "decode_weights": 0,
        "decode_kv": rounded(pte(context, turn.usage.output, gamma) * scale) - scale * context,
        "tools": 0,
    }


def _usd(turn: Turn, price: Price, cache: CachePolicy) -> dict[str, int]:
    """The bill in nano-dollars. The parts are rounded together: their sum is the rounded sum."""
    if turn.at_worst:
        worst = replace(price, input=price.dearest_input)
        return _rounded(usd_parts(turn.usage, worst), ROUND_CEILING)
    return _rounded(usd_parts(billed(turn, price, cache), price), ROUND_HALF_EVEN)


def billed(turn: Turn, price: Price, cache: CachePolicy) -> Usage:
    """How a provider with this cache would count the call.

    `reported`: as it did. `evict`: all as plain input. `ttl` and `perfect`: what is kept is read; the rest is written
    (for five minutes) so that the next call can read it, or plain input where that is dearer.
    """
    usage, cached = turn.usage, cache.cached(turn)
    if cache.kind == "reported":
        return usage
    rest = usage.context - cached
    if cache.kind == "evict" or price.cache_write < price.input:
        return Usage(rest, cached, 0, usage.output, usage.reasoning)
    return Usage(0, cached, rest, usage.output, usage.reasoning)


def _rounded(parts: Mapping[str, Decimal], rounding: str) -> dict[str, int]:
    """USD to nano-dollars: each part is the difference of two rounded running sums, so nothing is lost between them."""
    sums = [_nano(usd, rounding) for usd in accumulate(parts.values(), initial=Decimal(0))]
    return {part: high - low for part, (low, high) in zip(parts, pairwise(sums), strict=True)}


def _nano(usd: Decimal, rounding: str = ROUND_HALF_EVEN) -> int:
    return int((usd * SCALE["usd"]).to_integral_value(rounding))


_FREE = CallCosts(Price(Decimal(0), Decimal(0), Decimal(0), Decimal(0)), gamma=0.0)
"""What a turn without a model call is priced by."""
