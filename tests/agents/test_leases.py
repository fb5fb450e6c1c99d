"""Allowances on other machines: owners die, come late, and together never spend what is not there."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from outlay.agents.errors import BudgetExceeded, LeaseLost
from outlay.agents.leases import Allowance, Lease, Leases
from outlay.agents.ledger import Account, Hold


@dataclass
class Clock:
    """Stands still until moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_leased_is_held_and_what_was_not_spent_comes_back() -> None:
    leases = Leases(Account("experiment", {"usd": 100}), Clock())
    lease = leases.grant("worker", {"usd": 60}, ttl_s=10)
    with pytest.raises(BudgetExceeded):
        leases.grant("another", {"usd": 41}, ttl_s=10)
    leases.close(lease, {"usd": 25})
    assert (leases.account.spent, leases.account.held) == ({"usd": 25}, {})


def test_a_lease_that_is_not_renewed_ends_for_its_owner_before_it_ends_for_the_grantor() -> None:
    clock = Clock()
    leases = Leases(Account("experiment", {"usd": 100}), clock)
    asked = clock.now
    clock.now += 3  # the request's way
    lease = leases.grant("worker", {"usd": 60}, ttl_s=10)
    allowance = Allowance(lease, asked, clock)
    clock.now = 10
    with pytest.raises(LeaseLost):
        allowance.check()
    assert leases.expired() == []
    clock.now = 13
    assert leases.expired() == [lease]


def test_a_late_owner_can_neither_renew_nor_close() -> None:
    clock = Clock()
    leases = Leases(Account("experiment", {"usd": 100}), clock)
    lease = leases.grant("worker", {"usd": 60}, ttl_s=10)
    clock.now = 10
    for late in (lambda: leases.renew(lease), lambda: leases.close(lease, {"usd": 1})):
        with pytest.raises(LeaseLost, match="lease 1 of worker is over"):
            late()
    assert leases.account.held == {"usd": 60}


def test_a_dead_owners_lease_is_closed_once_at_what_was_spent_and_in_flight() -> None:
    clock = Clock()
    leases = Leases(Account("experiment", {"usd": 100}), clock)
    lease = leases.grant("worker", {"usd": 60}, ttl_s=10)
    with pytest.raises(ValueError, match="has not expired"):
        leases.bury(lease, {}, {})
    clock.now = 10
    leases.bury(lease, {"usd": 20}, {"usd": 7, "tokens": 3})
    assert (leases.account.spent, leases.account.held) == ({"usd": 27, "tokens": 3}, {})
    with pytest.raises(LeaseLost):
        leases.bury(lease, {}, {})


def test_a_renewed_lease_goes_on() -> None:
    clock = Clock()
    leases = Leases(Account("experiment", {"usd": 100}), clock)
    allowance = Allowance(leases.grant("worker", {"usd": 60}, ttl_s=10), clock.now, clock)
    clock.now = 9
    asked = clock.now
    leases.renew(allowance.lease)
    allowance.renewed(asked)
    clock.now = 18
    allowance.check()
    assert leases.expired() == []


LIMIT, TTL_S = 100, 10


@dataclass(eq=False)
class Owner:
    """A worker on another machine, its clock running at its own offset, and what it wrote down."""

    allowance: Allowance
    clock: Clock
    written_held: list[tuple[Hold, int]] = field(default_factory=list)
    """In flight: the hold and its worst case."""
    never_heard_of: int = 0
    """In flight for ever: worst cases of calls that ended after the owner."""
    written_spent: int = 0
    dead: bool = False
    closed: bool = False


class Cluster(RuleBasedStateMachine):
    """One grantor, any number of owners that work, renew, stall, die and come late. Time passes only when told."""

    owners = Bundle("owners")

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.leases = Leases(Account("experiment", {"usd": LIMIT}), self.clock)
        self.living: dict[int, Owner] = {}
        self.really_spent = 0

    @rule(target=owners, amount=st.integers(1, 60), delay=st.floats(0, 5), offset=st.floats(-1000, 1000))
    def lease(self, amount: int, delay: float, offset: float) -> Any:
        asked = self.clock.now
        self.clock.now += delay
        try:
            lease: Lease = self.leases.grant("worker", {"usd": amount}, TTL_S)
        except BudgetExceeded:
            return multiple()
        clock = Clock(self.clock.now + offset)
        owner = Owner(Allowance(lease, asked + offset, clock), clock)
        self.living[lease.fence] = owner
        return owner

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        for owner in self.living.values():
            owner.clock.now += seconds

    @rule(owner=owners, worst=st.integers(0, 30))
    def begin_a_call(self, owner: Owner, worst: int) -> None:
        if owner.dead or owner.closed:
            return
        try:
            hold = owner.allowance.account.reserve({"usd": worst})
        except BudgetExceeded:
            return
        entry = (hold, worst)
        owner.written_held.append(entry)
        try:
            owner.allowance.check()
        except LeaseLost:
            owner.written_held.remove(entry)
            hold.release()

    @rule(owner=owners, share=st.floats(0, 1))
    def finish_a_call(self, owner: Owner, share: float) -> None:
        """However late: the provider bills it. Of a dead owner's calls nobody hears, so they stay in flight."""
        if not owner.written_held:
            return
        hold, worst = owner.written_held.pop()
        actual = int(worst * share)
        self.really_spent += actual
        if owner.dead:
            owner.never_heard_of += worst
        else:
            hold.settle({"usd": actual})
            owner.written_spent += actual

    @rule(owner=owners)
    def renew(self, owner: Owner) -> None:
        asked = owner.clock.now
        try:
            self.leases.renew(owner.allowance.lease)
        except LeaseLost:
            return
        owner.allowance.renewed(asked)

    @rule(owner=owners)
    def close(self, owner: Owner) -> None:
        if owner.written_held or owner.dead or owner.closed:
            return
        try:
            self.leases.close(owner.allowance.lease, {"usd": owner.written_spent})
        except LeaseLost:
            return
        owner.closed = True

    @rule(owner=owners)
    def die(self, owner: Owner) -> None:
        owner.dead = True

    @rule()
    def bury(self) -> None:
        for lease in self.leases.expired():
            owner = self.living[lease.fence]
            in_flight = sum(worst for _, worst in owner.written_held) + owner.never_heard_of
            self.leases.bury(lease, {"usd": owner.written_spent}, {"usd": in_flight})

    @invariant()
    def no_more_is_spent_than_is_booked_or_there(self) -> None:
        account = self.leases.account
        booked = account.spent.get("usd", 0) + account.held.get("usd", 0)
        assert self.really_spent <= booked <= LIMIT


def test_owners_together_never_spend_what_is_not_there() -> None:
    run_state_machine_as_test(Cluster, settings=settings(max_examples=200, stateful_step_count=50, deadline=None))
