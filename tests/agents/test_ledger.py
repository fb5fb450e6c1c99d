"""Budgets: what an account promises, whatever order things happen in."""

import contextlib
import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import inf
from threading import Barrier
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from outlay.agents.errors import BadAmount, BudgetExceeded, HoldClosed, LimitTooLow
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


METERS = ("tokens", "usd", "model_calls")
amounts = st.dictionaries(st.sampled_from(METERS), st.integers(0, 40), max_size=3)


class Tree(RuleBasedStateMachine):
    """Any tree, any order of deeds, beside a model that only adds up lists of what was reserved and spent where."""

    accounts = Bundle("accounts")
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.limits: dict[Account, dict[str, int]] = {}
        self.open: dict[Hold, tuple[Account, dict[str, int]]] = {}
        self.paid: list[tuple[Account, dict[str, int]]] = []

    @initialize(target=accounts, limits=amounts)
    def root(self, limits: dict[str, int]) -> Account:
        return self.noted(Account("root", limits), limits)

    @rule(target=accounts, parent=accounts, limits=amounts)
    def child(self, parent: Account, limits: dict[str, int]) -> Account:
        return self.noted(parent.open("child", limits), limits)

    def noted(self, account: Account, limits: dict[str, int]) -> Account:
        self.limits[account] = dict(limits)
        return account

    @rule(target=holds, account=accounts, worst=amounts)
    def reserve(self, account: Account, worst: dict[str, int]) -> Any:
        try:
            hold = account.reserve(worst)
        except BudgetExceeded as refusal:
            assert any(not self.fits(above, worst) for above in lineage(account)), refusal
            return multiple()
        assert all(self.fits(above, worst) for above in lineage(account))
        self.open[hold] = (account, worst)
        return hold

    @rule(hold=consumes(holds), share=st.fractions(0, 1))
    def settle(self, hold: Hold, share: Fraction) -> None:
        account, worst = self.open.pop(hold)
        actual = {meter: int(share * amount) for meter, amount in worst.items()}
        hold.settle(actual)
        self.paid.append((account, actual))

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        del self.open[hold]
        hold.release()

    @rule(account=accounts, limits=amounts)
    def limit(self, account: Account, limits: dict[str, int]) -> None:
        too_low = any(self.total(account, meter) > limit for meter, limit in limits.items())
        if too_low:
            with pytest.raises(LimitTooLow):
                account.limit(limits)
        else:
            account.limit(limits)
            self.limits[account] |= limits

    def fits(self, account: Account, worst: dict[str, int]) -> bool:
        limits = self.limits[account]
        return all(self.total(account, meter) + asked <= limits.get(meter, inf) for meter, asked in worst.items())

    def total(self, account: Account, meter: str) -> int:
        return self.summed(self.paid, account, meter) + self.summed(self.open.values(), account, meter)

    def summed(self, entries: Iterable[tuple[Account, dict[str, int]]], account: Account, meter: str) -> int:
        return sum(amount.get(meter, 0) for below, amount in entries if account in lineage(below))

    @invariant()
    def accounts_say_what_the_lists_add_up_to(self) -> None:
        for account, limits in self.limits.items():
            assert account.limits == limits
            for meter in METERS:
                assert account.spent.get(meter, 0) == self.summed(self.paid, account, meter)
                assert account.held.get(meter, 0) == self.summed(self.open.values(), account, meter)
                assert self.total(account, meter) <= limits.get(meter, inf)


def lineage(account: Account) -> list[Account]:
    found = [account]
    while found[-1].parent:
        found.append(found[-1].parent)
    return found


def test_any_tree_in_any_order_keeps_its_promise() -> None:
    """10,000 steps."""
    run_state_machine_as_test(Tree, settings=settings(max_examples=200, stateful_step_count=50, deadline=None))
