"""How fast the ledger is: pairs of reserve and settle per second, in one thread.

    python -m tests.benchmarks.ledger [--json]

On a tree of three levels, experiment > rollout > branch, with four meters that all have limits on every level.
"""

import argparse
import json
import time

from outlay.agents.ledger import Account

PAIRS, ROUNDS = 2_000, 50
LIMITS = {"tokens": 10**15, "usd": 10**15, "pte": 10**15, "model_calls": 10**15}
WORST = {"tokens": 1200, "usd": 36_000, "pte": 5_000, "model_calls": 1}
ACTUAL = {"tokens": 900, "usd": 30_000, "pte": 4_000, "model_calls": 1}


def measured() -> dict[str, float]:
    """Of the fastest of many short rounds: the others were shared with whatever else ran."""
    branch = Account("experiment", LIMITS).open("rollout", LIMITS).open("branch", LIMITS)
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(PAIRS):
            branch.reserve(WORST).settle(ACTUAL)
        seconds.append(time.perf_counter() - began)
    return {"pairs_per_s": PAIRS / min(seconds)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line")
    as_json = parser.parse_args().json
    found = measured()
    print(json.dumps(found) if as_json else f"{found['pairs_per_s']:,.0f} pairs of reserve and settle per second")
