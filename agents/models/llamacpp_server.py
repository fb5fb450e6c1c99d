"""The child process that serves a GGUF over HTTP: `python -m outlay.agents.models.llamacpp_server GGUF SLOTS`.

Prints its address, then serves until its standard input ends: it cannot outlive its parent.
"""

import os
import sys

CONTEXT_TOKENS = 8192
"""Per slot."""


def main() -> None:
    import xllamacpp

    path, slots = sys.argv[1], int(sys.argv[2])
    options = xllamacpp.CommonParams()
    options.model.path = path
    options.n_parallel = slots
    options.n_ctx = CONTEXT_TOKENS * slots
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    # Threads spin for each other at every layer: with all cores and one busy neighbour SmolLM2's decoding fell from 40
    # to 1 token/s, with a core left free it keeps 28. Prefill ran at 5 to 23 tokens/s, with a core free at 27 to 50.
    options.cpuparams.n_threads = max(1, cores - 1)
    options.cpuparams_batch.n_threads = max(1, cores - 1)
    options.port = 0
    options.use_jinja = True
    options.ui = False
    options.verbosity = -1
    server = xllamacpp.Server(options)
    print(f"ADDRESS {server.listening_address}", flush=True)
    sys.stdin.read()
    os._exit(0)  # the server's threads do not end by themselves


if __name__ == "__main__":
    main()
