"""A run in miniature, for tests that kill it: `python runner.py N` holds N sandboxes, every second one in a command.

It prints the containers' ids as JSON, then obeys lines on its stdin: `sweep` prints what a sweep removed, `try` the
exit codes of a command in each sandbox that is idle.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict

from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.janitor import sweep_engine
from outlay.sandbox.types import Limits, SandboxSpec

SPEC = SandboxSpec(limits=Limits(wall_s=600))


async def main(count: int) -> None:
    async with AsyncExitStack() as stack:
        opening = (stack.enter_async_context(docker_sandbox(SPEC)) for _ in range(count))
        sandboxes = await asyncio.gather(*opening)
        busy = [asyncio.create_task(sandbox.exec(["sleep", "600"])) for sandbox in sandboxes[::2]]
        print(json.dumps([sandbox.record["container"] for sandbox in sandboxes]), flush=True)
        while order := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if order == "sweep":
                swept = await asyncio.to_thread(sweep_engine)
                print(json.dumps([asdict(orphan) for orphan in swept.removed]), flush=True)
            else:
                tried = [(await sandbox.exec(["true"])).exit_code for sandbox in sandboxes[1::2]]
                print(json.dumps(tried), flush=True)
        for task in busy:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
