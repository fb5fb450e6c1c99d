"""What a provider's bill says: prices per kind of token."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from outlay.agents.types import Usage


@dataclass(frozen=True)
class Price:
    """USD per million tokens. Decimal, so that no cent is lost to binary fractions."""

    input: Decimal
    cache_read: Decimal
    cache_write: Decimal
    """In full, not on top of `input`: what a token costs that is prefilled and kept, for five minutes at Anthropic."""
    output: Decimal
    cache_write_1h: Decimal | None = None
    """The same when it is kept for an hour; None when all writes cost the same."""
    source: str = ""
    date: str = ""
    """From when on; empty for always."""

    @property
    def cache_write_longest(self) -> Decimal:
        return self.cache_write if self.cache_write_1h is None else self.cache_write_1h

    @property
    def dearest_input(self) -> Decimal:
        """What a token of context costs at worst."""
        return max(self.input, self.cache_read, self.cache_write, self.cache_write_longest)


def cost_usd(usage: Usage, price: Price) -> Decimal:
    """Reasoning is part of `output`, and is not billed again."""
    return sum(usd_parts(usage, price).values(), Decimal(0))


def usd_parts(usage: Usage, price: Price) -> Mapping[str, Decimal]:
    """The lines of the bill, in USD: tokens neither read nor written, read, written (5 min and 1 h), decoded."""
    briefly = usage.cache_write - usage.cache_write_1h
    millionths = {
        "input": usage.input * price.input,
        "cache_read": usage.cache_read * price.cache_read,
        "cache_write": briefly * price.cache_write + usage.cache_write_1h * price.cache_write_longest,
        "output": usage.output * price.output,
    }
    return {part: amount / 10**6 for part, amount in millionths.items()}


def worst_usd(input_tokens: int, max_tokens: int, price: Price) -> Decimal:
    """The dearest way in which that many tokens can be billed."""
    return (input_tokens * price.dearest_input + max_tokens * price.output) / 10**6
