"""What a provider's bill says: prices per kind of token."""

from dataclasses import dataclass
from decimal import Decimal

from outlay.agents.types import Usage


@dataclass(frozen=True)
class Price:
    """USD per million tokens. Decimal, so that no cent is lost to binary fractions."""

    input: Decimal
    cache_read: Decimal
    cache_write: Decimal
    output: Decimal
    source: str = ""


def cost_usd(usage: Usage, price: Price) -> Decimal:
    """Reasoning is part of `output`, and is not billed again."""
    millionths = (
        usage.input * price.input
        + usage.cache_read * price.cache_read
        + usage.cache_write * price.cache_write
        + usage.output * price.output
    )
    return millionths / 10**6


def worst_usd(input_tokens: int, max_tokens: int, price: Price) -> Decimal:
    """The dearest way in which that many tokens can be billed."""
    dearest = max(price.input, price.cache_read, price.cache_write)
    return (input_tokens * dearest + max_tokens * price.output) / 10**6
