"""The accounts of a rollout, made again from its log: after any order of deeds, and a death at any byte."""

import shutil
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from math import inf
from pathlib import Path
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

from outlay.agents.books import Books, fold
from outlay.agents.errors import BudgetExceeded, LimitTooLow
from outlay.agents.events import (
    Charged,
    Event,
    Limited,
    ModelReply,
    ModelRequest,
    Opened,
    Reserved,
    Settled,
    Started,
    ToolCalled,
)
from outlay.runs.store.log import AttemptLog, read_events

METERS = ("tokens", "usd", "queries")
amounts = st.dictionaries(st.sampled_from(METERS), st.integers(0, 40), max_size=3)


def started(**limits: int) -> Started:
    return Started(
        rollout={}, attempt=1, versions={}, isolation="weak", account="r", limits=limits, meters=("queries",)
    )


def folded(*events: Event) -> Books:
    books = fold(event.model_copy(update={"seq": seq}) for seq, event in enumerate(events))
    assert books is not None
    return books


def test_a_call_without_its_reply_is_in_flight_and_held_at_its_worst_case() -> None:
    request = ModelRequest(model="m", max_tokens=5, held={"tokens": 50})
    books = folded(started(tokens=100), request, ToolCalled(id="1", name="t", arguments="", held={"queries": 3}))
    assert books.agent.held == {"tokens": 50, "queries": 3}
    assert books.agent.left("tokens") == 50
    books.holds[1].settle({"tokens": 20})
    assert (books.agent.spent, books.agent.held) == ({"tokens": 20}, {"queries": 3})


def test_a_reply_closes_its_request_at_what_was_booked() -> None:
    request = ModelRequest(model="m", max_tokens=5, held={"tokens": 50})
    books = folded(started(tokens=100), request, ModelReply(request=1, cost={"tokens": 7}, wall_s=0))
    assert (books.agent.spent, books.agent.held, books.holds) == ({"tokens": 7}, {}, {})


def test_the_judges_spending_is_beside_the_agents() -> None:
    books = folded(started(tokens=100), Charged(cost={"tokens": 4}), Charged(span="judge", cost={"usd": 9}))
    assert (books.agent.spent, books.judge.spent) == ({"tokens": 4}, {"usd": 9})
    assert books.rollout.spent == {"tokens": 4, "usd": 9}


def test_a_log_that_ends_before_its_first_event_gives_no_accounts() -> None:
    assert fold([]) is None


class Tree(RuleBasedStateMachine):
    """Any tree, any order of deeds and crashes, beside a model that only adds up lists of what was reserved and spent
    where. Each deed is done, then written; a crash leaves nothing but the log, at whose end the accounts stand again.
    """

    spans = Bundle("spans")
    holds = Bundle("holds")

    @initialize(target=spans, limits=amounts)
    def begin(self, limits: dict[str, int]) -> str:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "1.jsonl"
        self.log = AttemptLog(self.path, self.folder)
        self.limits: dict[str, dict[str, int]] = {"": dict(limits)}
        self.open: dict[int, tuple[str, dict[str, int]]] = {}
        self.paid: list[tuple[str, dict[str, int]]] = []
        self.history: list[tuple[int, Any]] = []
        self.log.write(started(**limits))
        self.remember()
        self.crash()
        return ""

    def remember(self) -> None:
        self.history.append((self.path.stat().st_size, self.sums()))

    @rule(target=spans, parent=spans, limits=amounts)
    def child(self, parent: str, limits: dict[str, int]) -> str:
        name = str(len(self.limits))
        span = f"{parent}/{name}" if parent else name
        self.books.accounts[span] = self.books.accounts[parent].open(name, limits)
        self.limits[span] = dict(limits)
        self.log.write(Opened(span=parent, name=name, limits=limits))
        self.remember()
        return span

    @rule(target=holds, span=spans, worst=amounts)
    def reserve(self, span: str, worst: dict[str, int]) -> Any:
        try:
            hold = self.books.accounts[span].reserve(worst)
        except BudgetExceeded as refusal:
            assert any(not self.fits(above, worst) for above in lineage(span)), refusal
            return multiple()
        assert all(self.fits(above, worst) for above in lineage(span))
        seq = self.log.write(Reserved(span=span, what="anything", held=worst))
        self.books.holds[seq], self.open[seq] = hold, (span, worst)
        self.remember()
        return seq

    @rule(hold=consumes(holds), share=st.fractions(0, 1))
    def settle(self, hold: int, share: Fraction) -> None:
        span, worst = self.open.pop(hold)
        actual = {meter: int(share * amount) for meter, amount in worst.items()}
        self.books.holds.pop(hold).settle(actual)
        self.paid.append((span, actual))
        self.log.write(Settled(hold=hold, cost=actual))
        self.remember()

    @rule(span=spans, cost=amounts)
    def charge(self, span: str, cost: dict[str, int]) -> None:
        if all(self.fits(above, cost) for above in lineage(span)):
            self.books.accounts[span].charge(cost)
            self.paid.append((span, cost))
            self.log.write(Charged(span=span, cost=cost))
            self.remember()

    @rule(span=spans, limits=amounts)
    def limit(self, span: str, limits: dict[str, int]) -> None:
        if any(self.total(span, meter) > limit for meter, limit in limits.items()):
            with pytest.raises(LimitTooLow):
                self.books.accounts[span].limit(limits)
        else:
            self.books.accounts[span].limit(limits)
            self.limits[span] |= limits
            self.log.write(Limited(span=span, limits=limits))
            self.remember()

    @rule()
    def crash(self) -> None:
        books = fold(read_events(self.path))
        assert books is not None
        self.books = books

    @rule(cut=st.integers(0))
    def read_what_a_death_at_some_byte_left(self, cut: int) -> None:
        first, last = self.history[0][0], self.history[-1][0]
        cut = first + cut % (last - first + 1)
        torn = self.folder / "torn"
        torn.write_bytes(self.path.read_bytes()[:cut])
        books = fold(read_events(torn))
        assert books is not None
        whole = [sums for size, sums in self.history if size <= cut]
        assert {span: (a.limits, a.spent, a.held) for span, a in books.accounts.items() if span != "judge"} == whole[-1]

    def fits(self, span: str, worst: dict[str, int]) -> bool:
        limits = self.limits[span]
        return all(self.total(span, meter) + asked <= limits.get(meter, inf) for meter, asked in worst.items())

    def total(self, span: str, meter: str) -> int:
        return summed(self.paid, span).get(meter, 0) + summed(self.open.values(), span).get(meter, 0)

    def sums(self) -> dict[str, tuple[dict[str, int], ...]]:
        """Limits, spent and held by span, as the lists add up."""
        return {
            span: (dict(limits), summed(self.paid, span), summed(self.open.values(), span))
            for span, limits in self.limits.items()
        }

    @invariant()
    def accounts_say_what_the_lists_add_up_to(self) -> None:
        for span, (limits, spent, held) in self.sums().items():
            account = self.books.accounts[span]
            assert (account.limits, account.spent, account.held) == (limits, spent, held)
            assert all(spent.get(meter, 0) + held.get(meter, 0) <= limit for meter, limit in limits.items())
        assert self.books.holds.keys() == self.open.keys()

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.folder)


def lineage(span: str) -> list[str]:
    """The span and all above it."""
    parts = span.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)] + ([""] if span else [])


def summed(entries: Iterable[tuple[str, dict[str, int]]], span: str) -> dict[str, int]:
    """By meter, of this account and all below; what is zero is left out."""
    sums: dict[str, int] = {}
    for below, entry in entries:
        if span in lineage(below):
            for meter, amount in entry.items():
                sums[meter] = sums.get(meter, 0) + amount
    return {meter: amount for meter, amount in sums.items() if amount}


def test_any_tree_in_any_order_through_any_crash_keeps_its_promise() -> None:
    """10,000 steps."""
    run_state_machine_as_test(Tree, settings=settings(max_examples=200, stateful_step_count=50, deadline=None))
