"""How much of a context a call need not prefill again, under different ideas of the cache.

The paper's PTE knows one: nothing is kept from one call to the next (arXiv 2604.05404, Sec. 3.1 and 3.2: each pause for
a tool evicts). All others are extensions, and a meter computed under one says so in its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from outlay.agents.costs.turns import Turn
from outlay.agents.errors import BadCachePolicy

Kind = Literal["evict", "ttl", "perfect", "reported"]


@dataclass(frozen=True)
class CachePolicy:
    """`evict`: nothing is kept. `ttl`: what the continued call held, if the pause since its end was no longer than
    `ttl_s`. `perfect`: what it held, however long the pause. `reported`: what the provider says it read from its cache.
    """

    kind: Kind
    ttl_s: float = 0.0

    def cached(self, turn: Turn) -> int:
        """Tokens of the turn's context that are not prefilled again. None where only the worst case is known."""
        if turn.at_worst:
            return 0
        match self.kind:
            case "evict":
                return 0
            case "ttl":
                return turn.carried if turn.pause_s <= self.ttl_s else 0
            case "perfect":
                return turn.carried
            case "reported":
                return min(turn.usage.cache_read, turn.usage.context)

    def __str__(self) -> str:
        return f"ttl:{self.ttl_s:g}" if self.kind == "ttl" else self.kind


EVICT = CachePolicy("evict")
REPORTED = CachePolicy("reported")
AS_BOOKED: Mapping[str, CachePolicy] = {"pte": EVICT, "usd": REPORTED}
"""What rollouts book: the paper's PTE, and the provider's own account of its cache."""

_SPELLED: Mapping[str, CachePolicy] = {
    "evict": EVICT,
    "evict_every_tool_call": EVICT,
    "perfect": CachePolicy("perfect"),
    "reported": REPORTED,
}


def parse_policy(text: str) -> CachePolicy:
    """`evict` (in the paper's terms `evict_every_tool_call`), `ttl:SECONDS`, `perfect` or `reported`.

    Raises `BadCachePolicy`.
    """
    if text in _SPELLED:
        return _SPELLED[text]
    kind, _, seconds = text.partition(":")
    try:
        ttl_s = float(seconds)
    except ValueError as error:
        raise BadCachePolicy(text) from error
    if kind != "ttl" or not isfinite(ttl_s) or ttl_s < 0:
        raise BadCachePolicy(text)
    return CachePolicy("ttl", ttl_s)


def shown_name(meter: str, cache: CachePolicy | None) -> str:
    """`pte` is the paper's and `usd` the provider's bill; under another policy the name carries it: `pte[ttl:300]`."""
    changed = cache is not None and meter in AS_BOOKED and cache != AS_BOOKED[meter]
    return f"{meter}[{cache}]" if changed else meter
