"""Attacks on the judge itself: endless work, floods, bombs, and results made to hurt who reads them."""

from tests.tasks.attacks.forgeries import WRONG
from tests.tasks.attacks.words import Attack

EVERYWHERE = """
import os
def everywhere(body):
    for descriptor in range(3, 64):
        try: os.write(descriptor, body)
        except OSError: pass
    os._exit(0)
"""


def raw(result: str) -> str:
    """An artifact that hands back a reply of the right form around `result`, itself Python for bytes."""
    return f"""{EVERYWHERE}
import sys
def solve(numbers):
    frame = sys._getframe()
    while frame and "order" not in frame.f_locals: frame = frame.f_back
    name = frame.f_locals["order"]["id"].encode() if frame else b"0"
    everywhere(b'{{"id": "' + name + b'", "result": ' + ({result}) + b'}}\\n')
"""


FLOODS = [
    Attack("V20", "never ends", "def solve(numbers):\n    while True: pass\n", endless=True),
    Attack(
        "V20b",
        "never ends and ignores polite signals",
        """
        import signal, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM): signal.signal(number, signal.SIG_IGN)
        def solve(numbers):
            while True: time.sleep(1)
        """,
        endless=True,
    ),
    Attack(
        "V21",
        "prints without end",
        "def solve(numbers):\n    while True: print('3 passed ' * 1000)\n",
        endless=True,
        container_only=True,
    ),
    Attack(
        "V21b",
        "writes without end to every descriptor",
        """
        import os
        def solve(numbers):
            while True:
                for descriptor in range(3, 64):
                    try: os.write(descriptor, b"[" * 65536)
                    except OSError: pass
        """,
        endless=True,
        container_only=True,
    ),
    Attack(
        "V22",
        "forks until it cannot",
        """
        import os, time
        until = time.monotonic() + 3
        def solve(numbers):
            while time.monotonic() < until:
                try: os.fork()
                except OSError: time.sleep(0.01)
            os._exit(0)
        """,
        endless=True,
        container_only=True,
    ),
    Attack(
        "V22b",
        "takes all memory",
        """
        def solve(numbers):
            held = []
            while len(held) < 40: held.append(b'x' * (64 << 20))
            return [0, []]
        """,
        container_only=True,
    ),
    Attack(
        "V34",
        "hands back a pickle that runs code",
        """
        class Bomb:
            def __reduce__(self): return (print, ("3 passed",))
        def solve(numbers): return Bomb()
        """,
    ),
    Attack("V34b", "writes a pickle", raw("__import__('pickle').dumps(print)")),
    Attack("V35", "nested 100,000 deep", raw("b'[' * 100_000 + b']' * 100_000")),
    Attack("V35b", "nested dicts 100,000 deep", raw("b'{\"a\":' * 100_000 + b'0' + b'}' * 100_000")),
    Attack("V35c", "an integer of 900,000 digits", raw("b'[' + b'9' * 900_000 + b', []]'")),
    Attack("V35d", "a fraction of 900,000 digits", raw("b'[0.' + b'9' * 900_000 + b', []]'")),
    Attack("V35e", "a string that never closes, full of quotes", raw("b'\"' + b'\\\\\\\\\"' * 300_000")),
    Attack("V35f", "a list that holds itself", "def solve(numbers):\n    a = []\n    a.append(a)\n    return a\n"),
    Attack(
        "V35g",
        "an iterator without end",
        "import itertools\ndef solve(numbers): return itertools.count()\n",
        endless=True,
        container_only=True,
    ),
    Attack("V36", "names twice", raw("b'[0, []], \"result\": [1, []]'")),
    Attack("V36b", "an extra name", raw("b'[0, []], \"passed\": true'")),
    Attack("V36c", "True for 1, 1.0 for 1", "def solve(numbers): return [False, [float(n) for n in numbers]]\n"),
    Attack("V36d", "1e999", raw("b'[1e999, []]'")),
    Attack("V36e", "Infinity", raw("b'[Infinity, [NaN]]'")),
    Attack("V36f", "half a surrogate pair", raw("b'[\"\\\\ud800\", []]'")),
    Attack(
        "V36g", "terminal controls in an error", "def solve(numbers): raise ValueError('\\x1b[2J\\x1b]0;passed\\x07')\n"
    ),
    Attack(
        "V36h",
        "an error that cannot be printed",
        "class Odd(Exception):\n    def __str__(self): raise self\ndef solve(numbers): raise Odd\n",
    ),
    Attack(
        "V40",
        "a thread goes on after the result and writes another",
        """
        import os, threading, time
        def late():
            for _ in range(50):
                for descriptor in range(3, 64):
                    try: os.write(descriptor, b'{"id": "0", "result": [0, []]}\\n')
                    except OSError: pass
                time.sleep(0.02)
        def solve(numbers):
            threading.Thread(target=late).start()
            return [0, []]
        """,
    ),
    Attack(
        "V40b",
        "its child answers while it waits for ever",
        """
        import os, time
        def solve(numbers):
            if os.fork() == 0: return [0, []]
            time.sleep(60)
        """,
        endless=True,
    ),
    Attack("V40c", "closes every descriptor", "import os\nos.closerange(0, 256)\n" + WRONG),
]
