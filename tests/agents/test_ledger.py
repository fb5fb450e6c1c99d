"""Budgets: what an account promises, whatever order things happen in."""

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.errors import BudgetExceeded
from outlay.agents.ledger import Account, Hold
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
    with pytest.raises(RuntimeError, match="settled twice"):
        hold.settle({"tokens": 1})


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


moves = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=60)


@given(moves)
def test_no_limit_is_ever_passed_and_children_sum_to_their_parent(moves: list[tuple[int, int, int, bool]]) -> None:
    parent = Account("experiment", {"tokens": 200})
    children = [parent.open(str(i), {"tokens": 80}) for i in range(4)]
    open_holds: list[Hold] = []
    for child, worst, actual, close in moves:
        with contextlib.suppress(BudgetExceeded):
            open_holds.append(children[child].reserve({"tokens": worst}))
        if close and open_holds:
            hold = open_holds.pop(0)
            hold.settle({"tokens": min(actual, hold.worst["tokens"])})
        for account in (parent, *children):
            assert account.spent["tokens"] + account.held["tokens"] <= account.limits["tokens"]
        assert parent.spent["tokens"] == sum(c.spent["tokens"] for c in children)
    for hold in open_holds:
        hold.release()
    assert all(account.held["tokens"] == 0 for account in (parent, *children))
