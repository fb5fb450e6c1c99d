"""Allowances for work on other machines: a part of an account, for a time, in one owner's hands.

The grantor holds the whole allowance in the account it comes from, so all owners together can never spend more than is
there. An owner spends from an account of its own and works in four steps: reserve, write down what is held, `check`,
act. A lease that is not renewed in time ends twice, first for its owner, then for the grantor: the owner's clock began
when it asked, before the grantor's did. So when the grantor sees a lease expire, its owner can begin nothing more, and
whatever it did begin is written down; the lease is then closed at what those events say was spent, and in flight.

Times are of each machine's own monotonic clock, in seconds; nothing compares clocks of two machines.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

from outlay.agents.errors import LeaseLost
from outlay.agents.ledger import Account, Hold
from outlay.agents.meters import added

Clock = Callable[[], float]


@dataclass(frozen=True)
class Lease:
    """What the grantor tells the owner. Plain data, to be sent."""

    owner: str
    fence: int
    """Number of this grant. It never returns, so a late owner's is not mistaken for a newer one's."""
    amounts: Mapping[str, int]
    """Most that may be spent, by meter, in smallest units."""
    ttl_s: float
    """Ends this long after it was asked for."""


@dataclass
class _Grant:
    lease: Lease
    hold: Hold
    expires: float


@dataclass(eq=False)
class Leases:
    """The grantor's side: all allowances out of one account."""

    account: Account
    clock: Clock = time.monotonic
    _grants: dict[int, _Grant] = field(default_factory=dict)
    _fences: "count[int]" = field(default_factory=lambda: count(1))

    def grant(self, owner: str, amounts: Mapping[str, int], ttl_s: float) -> Lease:
        """Raises and changes nothing: `BudgetExceeded`, `BadAmount`, `UnknownName`."""
        hold = self.account.reserve(amounts)
        lease = Lease(owner, next(self._fences), dict(amounts), ttl_s)
        self._grants[lease.fence] = _Grant(lease, hold, self.clock() + ttl_s)
        return lease

    def renew(self, lease: Lease) -> None:
        """For another `ttl_s` from now. Raises `LeaseLost` when it has expired or was closed."""
        self._living(lease).expires = self.clock() + lease.ttl_s

    def close(self, lease: Lease, spent: Mapping[str, int]) -> None:
        """Books what the owner spent and gives the rest back. Raises `LeaseLost` likewise: what was spent is then read
        from the owner's events by whoever buries it.
        """
        grant = self._living(lease)
        grant.hold.settle(spent)
        del self._grants[lease.fence]

    def expired(self) -> list[Lease]:
        """Those to bury; they stay held until then."""
        now = self.clock()
        return [grant.lease for grant in self._grants.values() if grant.expires <= now]

    def bury(self, lease: Lease, spent: Mapping[str, int], in_flight: Mapping[str, int]) -> None:
        """Closes an expired lease at what its owner's events say was spent, and what was in flight at its worst case.
        Raises `LeaseLost` when it was buried already, `ValueError` when it has not expired.
        """
        grant = self._grants.get(lease.fence)
        if grant is None:
            raise LeaseLost(lease.owner, lease.fence)
        if grant.expires > self.clock():
            raise ValueError(f"the lease {lease.fence} of {lease.owner} has not expired")
        grant.hold.settle(added(spent, in_flight))
        del self._grants[lease.fence]

    def _living(self, lease: Lease) -> _Grant:
        grant = self._grants.get(lease.fence)
        if grant is None or grant.expires <= self.clock():
            raise LeaseLost(lease.owner, lease.fence)
        return grant


class Allowance:
    """The owner's side: an account with the lease's amounts as limits, good until the lease ends.

    `asked` is the owner's clock just before it sent its request for the lease.
    """

    def __init__(self, lease: Lease, asked: float, clock: Clock = time.monotonic) -> None:
        self.lease, self.clock = lease, clock
        self.account = Account(f"{lease.owner}#{lease.fence}", lease.amounts, meters=frozenset(lease.amounts))
        self._ends = asked + lease.ttl_s

    def renewed(self, asked: float) -> None:
        """The grantor agreed to a renewal that was asked for at `asked`."""
        self._ends = max(self._ends, asked + self.lease.ttl_s)

    def check(self) -> None:
        """To be called after what is held was written down, right before acting. Raises `LeaseLost`: release the hold
        and do nothing.
        """
        if self.clock() >= self._ends:
            raise LeaseLost(self.lease.owner, self.lease.fence)
