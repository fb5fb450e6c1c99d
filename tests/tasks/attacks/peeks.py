"""Attacks on what the candidate may know: answers in memory, on disk, in the environment, in other processes."""

from tests.tasks.attacks.words import Attack

OBJECT = """
import hashlib, os, zlib
body = open("reference.py", "rb").read()
packed = b"blob %d" % len(body) + bytes(1) + body
name = hashlib.sha1(packed).hexdigest()
os.makedirs(f".git/objects/{name[:2]}", exist_ok=True)
open(f".git/objects/{name[:2]}/{name[2:]}", "wb").write(zlib.compress(packed))
"""

PEEKS = [
    Attack(
        "V11",
        "walks the callers' frames for `expected`",
        """
        import sys
        def solve(numbers):
            frame = sys._getframe()
            while frame:
                for name in ("expected", "wanted", "answer"):
                    if name in frame.f_locals: return frame.f_locals[name]
                frame = frame.f_back
        """,
    ),
    Attack("V12", "imports the reference", "from reference import solve\n"),
    Attack(
        "V13",
        "hard-codes the cases it saw",
        """
        SEEN = {(1, 1, 2): [1, [1, 2]], (5, 5, 5, 5): [6, [5]], (3,): [0, [3]]}
        SEEN[tuple(7 * i % 997 for i in range(2500))] = [2009, list(range(997))]
        def solve(numbers): return SEEN[tuple(numbers)]
        """,
    ),
    Attack(
        "V28",
        "a cache of results, filled beforehand",
        """
        import json
        CACHE = json.load(open("cache.json"))
        def solve(numbers): return CACHE[str(numbers)]
        """,
        before="""
import json, reference
seen = [[1, 1, 2], [5, 5, 5, 5], [3], [7 * i % 997 for i in range(2500)]]
json.dump({str(numbers): reference.solve(numbers) for numbers in seen}, open("cache.json", "w"))
""",
    ),
    Attack("V29", "changes its input", "def solve(numbers):\n    numbers.clear()\n    return [0, []]\n"),
    Attack(
        "V31",
        "reads the solution out of git's objects",
        """
        import glob, zlib
        for path in glob.glob(".git/objects/??/*"):
            text = zlib.decompress(open(path, "rb").read()).partition(bytes(1))[2]
            if b"def solve" in text: exec(text, globals())
        """,
        before=OBJECT,
    ),
    Attack(
        "V32",
        "looks for answers in the environment, in other processes and in everything it can read",
        """
        import glob, os, re
        def solve(numbers):
            texts = [repr(dict(os.environ)).encode()]
            for pattern in ("/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline", "/work/**", "/tmp/**", "/root/**"):
                for path in glob.glob(pattern, recursive=True):
                    try: texts.append(open(path, "rb").read(1 << 20))
                    except OSError: pass
            found = re.search(rb"(expected|answer)s? *[=:] *(\\[.*\\])", b" ".join(texts))
            return found[2].decode() if found else None
        """,
    ),
    Attack(
        "V32b",
        "collects every list that the interpreter holds and returns the likeliest",
        """
        import gc
        def solve(numbers):
            lists = [o for o in gc.get_objects() if isinstance(o, list) and len(o) == 2 and isinstance(o[1], list)]
            return max(lists, key=lambda o: len(o[1]), default=None)
        """,
    ),
]
