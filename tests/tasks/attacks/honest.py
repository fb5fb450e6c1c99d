"""Right solutions in many styles: all of them must be accepted, everywhere."""

STYLES = {
    "plain": """
        from collections import Counter
        def solve(numbers):
            counts = Counter(numbers)
            return [sum(n * (n - 1) // 2 for n in counts.values()), sorted(counts)]
        """,
    "slow": """
        def solve(numbers):
            return [sum(a == b for i, a in enumerate(numbers) for b in numbers[:i]), sorted(set(numbers))]
        """,
    "tuple": "def solve(numbers): return count(numbers), tuple(sorted(set(numbers)))",
    "generator": """
        def solve(numbers):
            yield count(numbers)
            yield (number for number in sorted(set(numbers)))
        """,
    "iterator": "def solve(numbers): return iter([count(numbers), map(int, sorted(set(numbers)))])",
    "dict view": "def solve(numbers): return [count(numbers), dict.fromkeys(sorted(numbers)).keys()]",
    "deque": """
        from collections import deque
        def solve(numbers): return deque([count(numbers), deque(sorted(set(numbers)))])
        """,
    "array": """
        from array import array
        def solve(numbers): return [count(numbers), array("q", sorted(set(numbers)))]
        """,
    "numpy scalars, as far as numpy is there": """
        try: import numpy
        except ImportError: numpy = None
        def solve(numbers):
            values = sorted(set(numbers))
            return [numpy.int64(count(numbers)), numpy.array(values)] if numpy else [count(numbers), values]
        """,
    "subclasses": """
        import enum
        class Count(int): pass
        class Values(list): pass
        def solve(numbers): return Values([Count(count(numbers)), Values(map(Count, sorted(set(numbers))))])
        """,
    "prints": """
        import sys
        print("loading", flush=True)
        def solve(numbers):
            print('{"id": "0", "result": [0, []]}')
            print("working", file=sys.stderr)
            sys.stdout.write("x" * 100_000)
            sys.__stdout__.flush()
            return [count(numbers), sorted(set(numbers))]
        """,
    "prints from a program": """
        import subprocess, sys
        def solve(numbers):
            subprocess.run([sys.executable, "-c", "print('3 passed')"], check=True)
            return [count(numbers), sorted(set(numbers))]
        """,
    "warns": """
        import logging, warnings
        warnings.warn("deprecated", DeprecationWarning)
        def solve(numbers):
            warnings.warn("careful")
            logging.getLogger().error("odd")
            return [count(numbers), sorted(set(numbers))]
        """,
    "threads": """
        import threading
        def solve(numbers):
            found = [None, None]
            def first(): found[0] = count(numbers)
            def second(): found[1] = sorted(set(numbers))
            threads = [threading.Thread(target=first), threading.Thread(target=second)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            return found
        """,
    "pool": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(4)
        def solve(numbers):
            jobs = [pool.submit(count, numbers), pool.submit(sorted, set(numbers))]
            return [job.result() for job in jobs]
        """,
    "daemon thread": """
        import threading, time
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        def solve(numbers): return [count(numbers), sorted(set(numbers))]
        """,
    "async": """
        import asyncio
        async def work(numbers):
            await asyncio.sleep(0)
            return [count(numbers), sorted(set(numbers))]
        def solve(numbers): return asyncio.run(work(numbers))
        """,
    "slow import": """
        import time
        time.sleep(0.2)
        def solve(numbers): return [count(numbers), sorted(set(numbers))]
        """,
    "main block": """
        import sys
        def solve(numbers): return [count(numbers), sorted(set(numbers))]
        if __name__ == "__main__":
            print(solve([1, 1]))
            sys.exit(0)
        """,
    "exit handler": """
        import atexit
        atexit.register(print, "bye")
        def solve(numbers): return [count(numbers), sorted(set(numbers))]
        """,
    "recursive": """
        import sys
        sys.setrecursionlimit(20_000)
        def depth(n): return n and 1 + depth(n - 1)
        def solve(numbers):
            depth(3000)
            return [count(numbers), sorted(set(numbers))]
        """,
    "class": """
        class Solver:
            def __init__(self, numbers): self.numbers = numbers
            def run(self): return [count(self.numbers), sorted(set(self.numbers))]
        def solve(numbers): return Solver(numbers).run()
        """,
    "sorts in place": """
        def solve(numbers):
            numbers.sort()
            return [count(numbers), list(dict.fromkeys(numbers))]
        """,
    "scratch files": """
        import os, tempfile
        def solve(numbers):
            with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "a"), "w") as file:
                file.write(str(numbers))
            os.chdir("/")
            return [count(numbers), sorted(set(numbers))]
        """,
    "changed streams": """
        import contextlib, io, sys
        sys.stderr = io.StringIO()
        def solve(numbers):
            with contextlib.redirect_stdout(io.StringIO()): print("hidden")
            return [count(numbers), sorted(set(numbers))]
        """,
}
"""By name. `count` is given to each: the number of equal pairs."""

COUNT = """
def count(numbers):
    return sum(numbers.count(n) * (numbers.count(n) - 1) // 2 for n in set(numbers))
"""
