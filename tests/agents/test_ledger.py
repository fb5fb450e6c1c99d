"""Budgets: what an account promises, whatever order things happen in."""

import contextlib
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from outlay.agents.errors import BadAmount, BudgetExceeded, HoldClosed, LimitTooLow
from outlay.agents.ledger import Account
from outlay.agents.meters import from_units, to_units
from outlay.sandbox.errors import UnknownName


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    account = Account("rollout", {"tokens": 100})
    account.reserve({"tokens": 60})
    with pytest.raises(BudgetExceeded, match="tokens: 50 asked, 40 of 100 left in rollout"):
        account.reserve({"tokens": 50, "model_calls": 1})
    assert account.held == {"tokens": 60}


def test_settling_gives_the_difference_back() -> None:
    account = Account("rollout", {"tokens": 100})
    account.reserve({"tokens": 60}).settle({"tokens": 25})
    assert account.left("tokens") == 75


def test_a_hold_closes_once() -> None:
    hold = Account("rollout").reserve({"tokens": 1})
    hold.release()
    for again in (hold.release, lambda: hold.settle({"tokens": 1})):
        with pytest.raises(HoldClosed, match="settled twice"):
            again()


def test_an_actual_above_its_worst_case_is_booked_in_full() -> None:
    account = Account("rollout", {"tokens": 10})
    account.reserve({"tokens": 10}).settle({"tokens": 12})
    assert account.left("tokens") == -2
    with pytest.raises(BudgetExceeded):
        account.reserve({"tokens": 1})


def test_a_child_is_bound_by_its_parent() -> None:
    parent = Account("experiment", {"usd": 10})
    a, b = parent.open("a", {"usd": 8}), parent.open("b", {"usd": 8})
    a.reserve({"usd": 8})
    assert b.left_units("usd") == 2
    with pytest.raises(BudgetExceeded, match="experiment"):
        b.reserve({"usd": 3})


def test_a_refusal_survives_pickling() -> None:
    refusal = BudgetExceeded("rollout", "usd", limit=1.0, spent=0.5, held=0.25, asked=0.5)
    assert str(pickle.loads(pickle.dumps(refusal))) == str(refusal)


def test_a_meter_that_is_not_there_is_refused_with_near_matches() -> None:
    with pytest.raises(UnknownName, match="did you mean tokens"):
        to_units({"token": 5})


def test_decimal_amounts_become_the_integers_they_were_written_as() -> None:
    assert to_units({"usd": 0.1, "pte": 0.3}) == {"usd": 100_000_000, "pte": 300}
    assert from_units({"usd": 100_000_000, "tokens": 7}) == {"usd": 0.1, "tokens": 7}


@pytest.mark.parametrize("amount", [-1, 0.5, float("nan"), True, "1", None])
def test_what_is_no_amount_is_refused_and_changes_nothing(amount: Any) -> None:
    account = Account("rollout", {"tokens": 10})
    hold = account.reserve({"tokens": 5})
    doings: list[Callable[[dict[str, Any]], object]] = [account.reserve, account.charge, account.limit, hold.settle]
    for do in doings:
        with pytest.raises(BadAmount, match="tokens"):
            do({"model_calls": 1, "tokens": amount})
    with pytest.raises(BadAmount):
        Account("rollout", {"tokens": amount})
    assert (account.spent, account.held, account.limits, hold.closed) == ({}, {"tokens": 5}, {"tokens": 10}, False)


def test_a_meter_that_no_account_knows_is_refused_and_changes_nothing() -> None:
    account = Account("rollout")
    for do in (account.reserve, account.charge, account.limit, account.reserve({}).settle):
        with pytest.raises(UnknownName, match="did you mean tokens"):
            do({"tokens": 1, "token": 1})
    assert (account.spent, account.held) == ({}, {})


def test_the_meters_of_a_trees_tools_are_known_in_all_of_it_and_count_in_ones() -> None:
    account = Account("rollout", {"queries": 10}, meters=("queries",))
    account.open("branch").reserve({"queries": 3, "tool_calls": 1}).settle({"queries": 3, "tool_calls": 1})
    assert account.left("queries") == 7
    with pytest.raises(UnknownName, match="did you mean queries"):
        account.reserve({"querys": 1})


def test_what_was_held_in_an_earlier_life_is_held_again_even_over_the_limit() -> None:
    account = Account("rollout", {"tokens": 10})
    account.charge({"tokens": 8})
    hold = account.resume({"tokens": 5})
    assert account.left("tokens") == -3
    hold.settle({"tokens": 1})
    assert account.left("tokens") == 1


def test_a_limit_can_be_set_anew_but_not_below_what_is_spent_and_held() -> None:
    account = Account("rollout", {"tokens": 10})
    account.charge({"tokens": 2})
    account.reserve({"tokens": 3})
    with pytest.raises(LimitTooLow, match="has spent 2 and holds 3"):
        account.limit({"usd": 7, "tokens": 4})
    assert account.limits == {"tokens": 10}
    account.limit({"tokens": 5, "usd": 7})
    assert account.limits == {"tokens": 5, "usd": 7}
    assert account.left("tokens") == 0


def test_a_child_without_limits_shares_its_parents_and_one_with_limits_has_a_part() -> None:
    parent = Account("rollout", {"tokens": 10})
    sharing, part = parent.open("sharing"), parent.open("part", {"tokens": 4})
    assert (sharing.left_units("tokens"), part.left_units("tokens")) == (10, 4)
    sharing.reserve({"tokens": 9})
    assert part.left_units("tokens") == 1


def test_threads_cannot_overshoot_together_and_nothing_is_lost() -> None:
    parent = Account("rollout", {"tokens": 1000})
    branches = [parent.open(str(number)) for number in range(8)]
    together = Barrier(len(branches))

    def spend(branch: Account) -> None:
        together.wait()
        with contextlib.suppress(BudgetExceeded):
            while True:
                branch.reserve({"tokens": 3}).settle({"tokens": 2})

    with ThreadPoolExecutor(len(branches)) as threads:
        list(threads.map(spend, branches))
    assert parent.held == {}
    assert parent.spent["tokens"] == sum(branch.spent.get("tokens", 0) for branch in branches)
    assert 998 <= parent.spent["tokens"] <= 1000
