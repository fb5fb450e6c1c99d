"""Attacks on the clock: right answers, as slow as the baseline, that look fast; on their own, or by what they leave."""

from tests.tasks.attacks.lab import BASELINE
from tests.tasks.attacks.words import Attack

SLOW = BASELINE.decode()

TEMPO = [
    Attack(
        "V14",
        "patches every clock",
        "import time\ntime.perf_counter = time.monotonic = time.time = time.process_time = lambda: 0.0\n"
        "time.perf_counter_ns = time.monotonic_ns = time.time_ns = lambda: 0\n" + SLOW,
    ),
    Attack(
        "V48",
        "does its work while it is imported",
        "for _ in range(8_000_000): pass\n"
        "from collections import Counter\n"
        "def solve(numbers):\n"
        "    counts = Counter(numbers)\n"
        "    return [sum(n * (n - 1) // 2 for n in counts.values()), sorted(counts)]\n",
    ),
    Attack(
        "V48b",
        "returns at once what is computed when it is looked at",
        SLOW.replace("def solve", "def slow") + "class Lazy(list):\n"
        "    def __init__(self, numbers): self.numbers = numbers\n"
        "    def __iter__(self): return iter(slow(self.numbers))\n"
        "    def __eq__(self, other): return list(self) == other\n"
        "def solve(numbers): return Lazy(numbers)\n",
    ),
]
LEFTOVERS = [
    Attack(
        "V48c",
        "keeps every result it ever computed, on disk and in memory",
        SLOW.replace("def solve", "def slow") + "import json, os\n"
        "def solve(numbers):\n"
        "    path = '/tmp/' + str(hash(tuple(numbers)))\n"
        "    if not os.path.exists(path):\n"
        "        with open(path, 'w') as file: json.dump(slow(numbers), file)\n"
        "    return json.load(open(path))\n",
        before="import total\nfor n in ([1, 1, 2], [5] * 4, [3], [7 * i % 997 for i in range(2500)]): total.solve(n)\n",
    ),
    Attack(
        "V46",
        "leaves processes that slow down whoever is timed next",
        "import os, time\n"
        "def burn():\n"
        "    os.setsid()\n"
        "    until = time.monotonic() + 4\n"
        "    while time.monotonic() < until: pass\n"
        "    os._exit(0)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: burn()\n" + SLOW,
        container_only=True,
    ),
]
