"""Cost series: parts sum to amounts, cache policies change what they should, and what was booked is found again."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.costs.cache import EVICT, CachePolicy, parse_policy, shown_name
from outlay.agents.costs.catalogue import CallCosts
from outlay.agents.costs.price import Price
from outlay.agents.costs.series import Terms, series, totals
from outlay.agents.costs.turns import turns
from outlay.agents.errors import BadCachePolicy
from outlay.agents.types import Usage
from tests.agents.trajectory import Log

SONNET = Price(Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(15), Decimal(6))
COSTS = CallCosts(SONNET, gamma=0.002)


def toy() -> Log:
    """The three turns of the toy check, (L, D) = (1000, 200), (1700, 100), (3800, 50); 10 and 400 s between them."""
    log = Log()
    first = log.ask(0, "user")
    log.answer(1, first, "a", input=1000, output=200)
    second = log.ask(11, "a", "more", base=first, keep=1)
    log.answer(12, second, "b", input=500, cache_read=1200, output=100)
    third = log.ask(412, "b", "more still", base=second, keep=3)
    log.answer(413, third, "c", input=3800, output=50)
    return log


def pte_of(cache: CachePolicy | None) -> list[int]:
    """Per turn, in PTE."""
    found = series(turns(toy().events), Terms(lambda _: COSTS, cache=cache))
    return [round(sum(cost.parts["pte"].values()) / 1000) for cost in found]


def test_pte_is_the_papers_unless_another_cache_is_named() -> None:
    assert pte_of(None) == pte_of(EVICT) == [1400, 2040, 4180]
    assert sum(pte_of(None)) == 7620


def test_cache_policies_take_off_what_they_keep() -> None:
    assert pte_of(parse_policy("perfect")) == [1400, 2040 - 1200, 4180 - 1800]
    assert pte_of(parse_policy("ttl:300")) == [1400, 2040 - 1200, 4180]
    assert pte_of(parse_policy("reported")) == [1400, 2040 - 1200, 4180]


def test_the_parts_of_pte_tell_new_context_from_context_prefilled_again() -> None:
    second = series(turns(toy().events), Terms(lambda _: COSTS))[1]
    assert second.parts["pte"] == {
        "fresh": 500_000,
        "again": 1_200_000,
        "decode_weights": 0,
        "decode_kv": 340_000,
        "tools": 0,
    }


def test_dollars_under_another_cache_are_written_where_they_are_not_read() -> None:
    kept = series(turns(toy().events), Terms(lambda _: COSTS, cache=parse_policy("ttl:300")))[1].parts["usd"]
    assert kept == {"input": 0, "cache_read": 360_000, "cache_write": 1_875_000, "output": 1_500_000, "tools": 0}
    lost = series(turns(toy().events), Terms(lambda _: COSTS, cache=EVICT))[1].parts["usd"]
    assert (lost["input"], lost["cache_read"]) == (1700 * 3000, 0)


def test_tools_with_a_price_per_unit_are_in_the_bill() -> None:
    log = Log()
    log.answer(1, log.ask(0, "user"), "a", input=10, output=1)
    log.tool(2, "search", units=3)
    log.tool(3, "python")
    prices = {"search": Decimal("0.001"), "python": Decimal(0)}
    (cost,) = series(turns(log.events), Terms(lambda _: COSTS, prices.__getitem__))
    assert cost.parts["usd"]["tools"] == 3_000_000


def test_what_one_turn_cannot_measure_has_no_total() -> None:
    log = toy()
    log.answer(501, log.ask(500, "user", model="openai:unknown"), "x", input=1, output=1)
    known = {"openai:unknown": CallCosts(None, None)}
    found = totals(series(turns(log.events), Terms(lambda model: known.get(model, COSTS))))
    assert set(found) == {"tokens", "wall_s"}


def test_names_of_extensions_say_so() -> None:
    assert shown_name("pte", EVICT) == shown_name("pte", None) == "pte"
    assert shown_name("pte", parse_policy("ttl:300")) == "pte[ttl:300]"
    assert shown_name("usd", parse_policy("reported")) == "usd"
    assert parse_policy("evict_every_tool_call") == EVICT


@pytest.mark.parametrize("text", ["", "ttl", "ttl:", "ttl:-1", "ttl:nan", "lru:3", "perfekt"])
def test_a_policy_that_is_none_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(BadCachePolicy, match=r"evict, ttl:SECONDS .* perfect or reported"):
        parse_policy(text)


counts = st.integers(0, 10**6)
prices = st.decimals(0, 100, places=7)
policies = st.sampled_from([None, *map(parse_policy, ("evict", "ttl:5", "perfect", "reported"))])


@given(
    usage=st.builds(Usage, counts, counts, counts, counts),
    price=st.builds(Price, prices, prices, prices, prices, prices),
    gamma=st.floats(0, 1),
    cache=policies,
)
def test_parts_are_never_negative_and_sum_to_what_the_ledger_books(
    usage: Usage, price: Price, gamma: float, cache: CachePolicy | None
) -> None:
    log = Log()
    first = log.ask(0, "user")
    log.answer(1, first, "a", input=1000, output=200)
    fields = {name: amount for name, amount in vars(usage).items() if name != "cache_write_1h"}
    log.answer(3, log.ask(2, "a", "b", base=first, keep=1), "c", **fields)
    costs = CallCosts(price, gamma)
    found = series(turns(log.events), Terms(lambda _: costs, cache=cache))[1]
    assert all(amount >= 0 for parts in found.parts.values() for amount in parts.values())
    if cache is None:
        assert {m: found.amount(m) for m in ("tokens", "usd", "pte")} == costs.amounts(usage)


@given(counts, st.integers(1, 10**6), st.builds(Price, prices, prices, prices, prices, prices), st.floats(0, 1))
def test_a_call_at_its_worst_is_priced_as_it_was_held(counted: int, most: int, price: Price, gamma: float) -> None:
    costs = CallCosts(price, gamma)
    held = costs.worst(counted, most)
    log = Log()
    log.ask(0, "user", held=held)
    log.events[0] = log.events[0].model_copy(update={"max_tokens": most})
    (found,) = series(turns(log.events), Terms(lambda _: costs, cache=parse_policy("perfect")))
    assert {meter: found.amount(meter) for meter in held} == held
