"""Waits for whatever happens first, and calls who asked for it."""

from __future__ import annotations

import select
from typing import Callable, Dict

READABLE, WRITABLE = select.POLLIN, select.POLLOUT


class Loop:
    """Descriptors and what to call when they are ready."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._calls: Dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, events: int, call: Callable[[], None]) -> None:
        self._poll.register(descriptor, events)
        self._calls[descriptor] = call

    def forget(self, descriptor: int) -> None:
        if self._calls.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def turn(self, within_s: float) -> None:
        """Waits once, at most that long."""
        for descriptor, _ in self._poll.poll(max(0.0, within_s) * 1000 + 1):
            call = self._calls.get(descriptor)  # one call may end what the next was for
            if call is not None:
                call()
